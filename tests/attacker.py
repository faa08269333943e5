"""Someone between a chain and its clients: who replaces any file of the mirror, and holds the keys that were stolen."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chain import Chain
from tuf.api.metadata import Metadata, MetaFile, TargetFile
from tuf.ngclient import Updater, UpdaterConfig

from tacita.models import trust

EVIL = b'{"model": 666}'


def follow(chain: Chain, name: str, client: str = "client", config: UpdaterConfig | None = None) -> bytes | None:
    """Return what a stock client, which trusts the first root, makes of a target; None if it learns of none."""
    folder = chain.folder / client
    for place in (folder, folder / "targets"):
        place.mkdir(exist_ok=True)
    url = f"{chain.url}/tuf"
    updater = Updater(
        str(folder), f"{url}/metadata/", str(folder / "targets"), f"{url}/targets/", config=config,
        bootstrap=chain.first_root,
    )  # fmt: skip
    updater.refresh()
    info = updater.get_targetinfo(name)
    return None if info is None else Path(updater.download_target(info)).read_bytes()


@dataclass
class Attacker:
    """Forges metadata that is well formed and consistent in everything but what the attack is about.

    Attributes:
        chain: what the attack is on.
        keys: the keys that sign what is forged, by role; not all of them need be the chain's.
    """

    chain: Chain
    keys: dict[str, bytes]

    def put(self, name: str, data: bytes) -> None:
        (self.chain.named / name).write_bytes(data)

    def replay(self, saved: dict[str, bytes]) -> None:
        """Show the metadata of another day."""
        for name, data in saved.items():
            self.put(f"metadata/{name}", data)

    def forge(self, name: str, change: Callable[[Any], None], to: str = "", by: Iterable[bytes] | None = None) -> bytes:
        """Change a file of metadata and sign it anew with the role's stolen key, or `by` others."""
        signed = Metadata[Any].from_bytes((self.chain.named / "metadata" / name).read_bytes()).signed
        change(signed)
        forged = Metadata(signed)
        for secret in [self.keys[signed.type]] if by is None else by:
            forged.sign(trust.signer(secret), append=True)
        data = forged.to_bytes()
        self.put(f"metadata/{to or name}", data)
        return data

    def lead_to(self, targets: bytes, version: int, *, forward: int = 1) -> None:
        """Forge the snapshot and the timestamp that lead to a targets file, `forward` versions ahead of the present."""
        present = self.version()
        following = present + forward
        meta = MetaFile.from_data(version, targets, ["sha256"])

        def lead_snapshot(signed: Any) -> None:
            signed.version, signed.meta["targets.json"] = following, meta

        snapshot = self.forge(f"{present}.snapshot.json", lead_snapshot, f"{following}.snapshot.json")
        self.point_at(snapshot, following, forward=forward)

    def point_at(self, snapshot: bytes, version: int, *, forward: int = 1) -> None:
        """Forge the timestamp that leads to a snapshot."""

        def lead(signed: Any) -> None:
            signed.version += forward
            signed.snapshot_meta = MetaFile.from_data(version, snapshot, ["sha256"])

        self.forge("timestamp.json", lead)

    def offer(self, name: str, content: bytes, *, forward: int = 1, by: Iterable[bytes] | None = None) -> None:
        """Forge a whole chain that leads to software of the attacker's."""
        info = TargetFile.from_data(name, content, ["sha256"])
        self.put(f"targets/{info.hashes['sha256']}.{name}", content)
        present = self.version()
        following = present + forward

        def add(signed: Any) -> None:
            signed.version, signed.targets[name] = following, info

        targets = self.forge(f"{present}.targets.json", add, f"{following}.targets.json", by)
        self.lead_to(targets, following, forward=forward)

    def version(self) -> int:
        """Return the version that the chain's targets, snapshot and timestamp all have."""
        found: int = Metadata[Any].from_bytes(self.chain.metadata()["timestamp.json"]).signed.version
        return found

"""The signed chain of models: TUF 1.0's repository side on python-tuf's Metadata API (contract §6.2).

One key a role, threshold one, consistent snapshots. Clients see what `timestamp.json` leads to, and that is written
last, so a publication happens whole or not at all: killed anywhere in between, its repetition overwrites what no client
was ever led to.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import Metadata, MetaFile, Role, Root, Signed, Snapshot, TargetFile, Targets, Timestamp

from tacita.crypto.signing import generate_signing_secret, signing_key
from tacita.errors import TacitaError

ROLES = (Root.type, Targets.type, Snapshot.type, Timestamp.type)
LIFETIMES = {
    Root.type: timedelta(days=365),
    Targets.type: timedelta(days=365),
    Snapshot.type: timedelta(days=90),
    Timestamp.type: timedelta(days=7),
}
_TIMESTAMP = "metadata/timestamp.json"
_Kind = TypeVar("_Kind", Root, Targets, Snapshot, Timestamp)


class TrustError(TacitaError):
    """The repository of signed metadata is missing or not ours."""


class NamedStorage(Protocol):
    """Where the chain's files lie: the blobs seam (design §2)."""

    async def get_named(self, name: str) -> bytes | None:
        """Return a file, or None."""

    async def put_named(self, name: str, data: bytes, *, immutable: bool) -> None:
        """Write a file, atomically."""


def generate_role_keys() -> dict[str, bytes]:
    """Return a fresh Ed25519 secret for each role."""
    return {role: generate_signing_secret() for role in ROLES}


def signers(role_keys: Mapping[str, bytes]) -> dict[str, Signer]:
    """Return the signer of each role from its secret."""
    return {role: CryptoSigner(signing_key(secret)) for role, secret in role_keys.items()}


def _whole_second(now: datetime) -> datetime:
    return now.replace(microsecond=0)


async def _write(storage: NamedStorage, by: Mapping[str, Signer], signed: Signed, name: str) -> bytes:
    metadata: Metadata[Any] = Metadata(signed)
    metadata.sign(by[signed.type])
    data = metadata.to_bytes()
    await storage.put_named(name, data, immutable=False)
    return data


async def _read(storage: NamedStorage, name: str, kind: type[_Kind]) -> _Kind:
    data = await storage.get_named(name)
    if data is None:
        raise TrustError(f"the signed chain lacks {name}")
    signed = Metadata.from_bytes(data).signed
    if not isinstance(signed, kind):
        raise TrustError(f"{name} is no {kind.type} metadata")
    return signed


def _described(version: int, data: bytes) -> MetaFile:
    return MetaFile.from_data(version, data, ["sha256"])


async def initialise(storage: NamedStorage, by: Mapping[str, Signer], now: datetime) -> None:
    """Write the first root, targets, snapshot and timestamp; a chain that is there already stays as it is."""
    if await storage.get_named(_TIMESTAMP) is not None:
        return
    now = _whole_second(now)
    keys = {by[role].public_key.keyid: by[role].public_key for role in ROLES}
    roles = {role: Role([by[role].public_key.keyid], 1) for role in ROLES}
    root = Root(1, expires=now + LIFETIMES[Root.type], keys=keys, roles=roles, consistent_snapshot=True)
    await _write(storage, by, root, "metadata/1.root.json")
    targets = Targets(1, expires=now + LIFETIMES[Targets.type])
    await _write_chain(storage, by, targets, snapshot_version=1, timestamp_version=1, now=now)


async def _write_chain(
    storage: NamedStorage,
    by: Mapping[str, Signer],
    targets: Targets,
    snapshot_version: int,
    timestamp_version: int,
    now: datetime,
) -> None:
    data = await _write(storage, by, targets, f"metadata/{targets.version}.targets.json")
    meta = {"targets.json": _described(targets.version, data)}
    snapshot = Snapshot(snapshot_version, expires=now + LIFETIMES[Snapshot.type], meta=meta)
    await _write_tip(storage, by, snapshot, timestamp_version, now)


async def _write_tip(
    storage: NamedStorage, by: Mapping[str, Signer], snapshot: Snapshot, timestamp_version: int, now: datetime
) -> None:
    data = await _write(storage, by, snapshot, f"metadata/{snapshot.version}.snapshot.json")
    expires = now + LIFETIMES[Timestamp.type]
    timestamp = Timestamp(timestamp_version, expires=expires, snapshot_meta=_described(snapshot.version, data))
    await _write(storage, by, timestamp, _TIMESTAMP)


async def _tip(storage: NamedStorage) -> tuple[Timestamp, Snapshot, Targets]:
    timestamp = await _read(storage, _TIMESTAMP, Timestamp)
    snapshot = await _read(storage, f"metadata/{timestamp.snapshot_meta.version}.snapshot.json", Snapshot)
    targets = await _read(storage, f"metadata/{snapshot.meta['targets.json'].version}.targets.json", Targets)
    return timestamp, snapshot, targets


async def publish(
    storage: NamedStorage,
    by: Mapping[str, Signer],
    target_path: str,
    data_length: int,
    sha256: str,
    custom: Mapping[str, Any],
    now: datetime,
) -> None:
    """Sign one more target into the chain; a target that is in it already changes nothing.

    Args:
        storage: where the chain lies; the target's file must lie at `targets/<sha256>.<target_path>` before.
        by: the signer of each role.
        target_path: the target's name.
        data_length: its length, in bytes.
        sha256: its digest, in hex.
        custom: what clients may read of it before they download it.
        now: the moment that expiries are counted from.

    Raises:
        TrustError: there is no chain, or the path already names another content.
    """
    timestamp, snapshot, targets = await _tip(storage)
    wanted = TargetFile(data_length, {"sha256": sha256}, target_path, {"custom": dict(custom)})
    present = targets.targets.get(target_path)
    if present == wanted:
        return
    if present is not None:
        raise TrustError(f"{target_path} is signed already, with another content")
    now = _whole_second(now)
    targets.targets[target_path] = wanted
    targets.version += 1
    targets.expires = now + LIFETIMES[Targets.type]
    await _write_chain(storage, by, targets, snapshot.version + 1, timestamp.version + 1, now)


def _ageing(signed: Signed, now: datetime) -> bool:
    return signed.expires - now < LIFETIMES[signed.type] / 2


async def refresh(storage: NamedStorage, by: Mapping[str, Signer], now: datetime) -> None:
    """Sign anew what has less than half of its life left, so that the chain never expires while we are here.

    Raises:
        TrustError: there is no chain.
    """
    now = _whole_second(now)
    timestamp, snapshot, targets = await _tip(storage)
    await _refresh_root(storage, by, now)
    if _ageing(targets, now):
        targets.version += 1
        targets.expires = now + LIFETIMES[Targets.type]
        await _write_chain(storage, by, targets, snapshot.version + 1, timestamp.version + 1, now)
    elif _ageing(snapshot, now):
        snapshot.version += 1
        snapshot.expires = now + LIFETIMES[Snapshot.type]
        await _write_tip(storage, by, snapshot, timestamp.version + 1, now)
    elif _ageing(timestamp, now):
        timestamp.version += 1
        timestamp.expires = now + LIFETIMES[Timestamp.type]
        await _write(storage, by, timestamp, _TIMESTAMP)


async def _refresh_root(storage: NamedStorage, by: Mapping[str, Signer], now: datetime) -> None:
    """Sign the next root with the same keys when the last one is ageing; clients walk from root to root."""
    root = await _read(storage, "metadata/1.root.json", Root)
    while await storage.get_named(f"metadata/{root.version + 1}.root.json") is not None:
        root = await _read(storage, f"metadata/{root.version + 1}.root.json", Root)
    if _ageing(root, now):
        root.version += 1
        root.expires = now + LIFETIMES[Root.type]
        await _write(storage, by, root, f"metadata/{root.version}.root.json")

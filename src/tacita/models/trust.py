"""The signed chain of models: TUF 1.0's repository side on python-tuf's Metadata API (contract §6.2).

Which keys count, and how many must sign, is what the present root says (`roots`); consistent snapshots. Clients see
what `timestamp.json` leads to, and that is written last, so a publication happens whole or not at all: killed anywhere
in between, its repetition overwrites what no client was ever led to. Nothing is signed on the strength of what merely
lies in the storage: what is read there is verified first, what is written there, before.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from tacita.crypto.signing import generate_signing_secret, signing_key
from tacita.models import roots
from tacita.models.approval import Approved
from tacita.models.roots import ROLES, NamedStorage, TrustError

LIFETIMES = {
    Root.type: roots.LIFETIME,
    Targets.type: timedelta(days=365),
    Snapshot.type: timedelta(days=90),
    Timestamp.type: timedelta(days=7),
}
_TIMESTAMP = "metadata/timestamp.json"
_Kind = TypeVar("_Kind", Targets, Snapshot, Timestamp)

Signers = Mapping[str, Sequence[Signer]]
"""What can sign here, by role. The present root says which of it counts; root keys may be elsewhere."""


def generate_role_keys() -> dict[str, bytes]:
    """Return a fresh Ed25519 secret for each role."""
    return {role: generate_signing_secret() for role in ROLES}


def signer(secret: bytes) -> Signer:
    """Return the signer of an Ed25519 secret."""
    return CryptoSigner(signing_key(secret))


def signers(role_keys: Mapping[str, bytes]) -> Signers:
    """Return what can sign, from secrets named `<role>` or `<role>-<anything>`."""
    return {
        role: [signer(secret) for name, secret in role_keys.items() if name.partition("-")[0] == role] for role in ROLES
    }


def _whole_second(now: datetime) -> datetime:
    return now.replace(microsecond=0)


def _described(version: int, data: bytes) -> MetaFile:
    return MetaFile.from_data(version, data, ["sha256"])


@dataclass
class _Tip:
    """What the timestamp leads to."""

    timestamp: Timestamp
    snapshot: Snapshot
    targets: Targets


@dataclass(frozen=True)
class _Pen:
    """Signs and writes metadata below the root, and reads it.

    Attributes:
        storage: where the chain lies.
        by: what can sign.
        obeyed: the roots that must each be content with a signature: the present one, and for the length of a
            rotation the one that follows.
        now: the moment that expiries are counted from, in whole seconds.
    """

    storage: NamedStorage
    by: Signers
    obeyed: tuple[Root, ...]
    now: datetime

    async def read(self, name: str, kind: type[_Kind]) -> _Kind:
        data = await self.storage.get_named(name)
        if data is None:
            raise TrustError(f"the signed chain lacks {name}")
        try:
            metadata: Metadata[Any] = Metadata.from_bytes(data)
            self.obeyed[0].verify_delegate(kind.type, metadata.signed_bytes, metadata.signatures)
        except (RepositoryError, DeserializationError) as error:
            raise TrustError(f"{name} in the storage is not trusted: {error}") from None
        signed = metadata.signed
        if not isinstance(signed, kind):
            raise TrustError(f"{name} is no {kind.type} metadata")
        return signed

    async def tip(self) -> _Tip:
        timestamp = await self.read(_TIMESTAMP, Timestamp)
        snapshot = await self.read(f"metadata/{timestamp.snapshot_meta.version}.snapshot.json", Snapshot)
        targets = await self.read(f"metadata/{snapshot.meta['targets.json'].version}.targets.json", Targets)
        return _Tip(timestamp, snapshot, targets)

    async def write(self, signed: Signed, name: str) -> bytes:
        signed.expires = self.now + LIFETIMES[signed.type]
        metadata: Metadata[Any] = Metadata(signed)
        counted = {keyid for root in self.obeyed for keyid in root.roles[signed.type].keyids}
        for one in self.by.get(signed.type, ()):
            if one.public_key.keyid in counted:
                metadata.sign(one, append=True)
        try:
            for root in self.obeyed:
                root.verify_delegate(signed.type, metadata.signed_bytes, metadata.signatures)
        except RepositoryError as error:
            raise TrustError(f"the keys at hand can't sign {signed.type}: {error}") from None
        data = metadata.to_bytes()
        await self.storage.put_named(name, data, immutable=False)
        return data

    async def renew(self, tip: _Tip, role: str, step: int = 1) -> None:
        """Write the metadata of a role and of all that leads to it, `step` versions on."""
        if role == Targets.type:
            tip.targets.version += step
            data = await self.write(tip.targets, f"metadata/{tip.targets.version}.targets.json")
            tip.snapshot.meta["targets.json"] = _described(tip.targets.version, data)
        if role != Timestamp.type:
            tip.snapshot.version += step
            data = await self.write(tip.snapshot, f"metadata/{tip.snapshot.version}.snapshot.json")
            tip.timestamp.snapshot_meta = _described(tip.snapshot.version, data)
        tip.timestamp.version += step
        await self.write(tip.timestamp, _TIMESTAMP)


async def _pen(storage: NamedStorage, by: Signers, now: datetime) -> _Pen:
    return _Pen(storage, by, ((await roots.walk(storage))[-1],), _whole_second(now))


async def initialise(storage: NamedStorage, by: Signers, now: datetime) -> None:
    """Write the first root, targets, snapshot and timestamp; a chain that is there already stays as it is."""
    if await storage.get_named(_TIMESTAMP) is not None:
        return
    now = _whole_second(now)
    root = roots.first({role: [one.public_key for one in by[role]] for role in ROLES}, now)
    roots.sign(root, by[Root.type])
    await storage.put_named(roots.root_name(1), root.to_bytes(), immutable=False)
    pen = _Pen(storage, by, (root.signed,), now)
    await pen.renew(_Tip(Timestamp(), Snapshot(), Targets()), Targets.type, step=0)


async def publish(
    storage: NamedStorage,
    by: Signers,
    approved: Approved,
    target_path: str,
    data_length: int,
    sha256: str,
    custom: Mapping[str, Any],
    now: datetime,
) -> None:
    """Sign one more target of an approved model into the chain; a target that is in it already changes nothing.

    Args:
        storage: where the chain lies; the target's file must lie at `targets/<sha256>.<target_path>` before.
        by: what can sign.
        approved: the leave to sign the model, or what is made of it.
        target_path: the target's name.
        data_length: its length, in bytes.
        sha256: its digest, in hex.
        custom: what clients may read of it before they download it, beside the model's version.
        now: the moment that expiries are counted from.

    Raises:
        TrustError: there is no chain, the keys at hand can't sign, the path already names another content, or the
            content is not the one that was judged.
    """
    if target_path == approved.target_path and sha256 != approved.sha256:
        raise TrustError(f"{target_path} is not the file that was judged")
    pen = await _pen(storage, by, now)
    tip = await pen.tip()
    wanted = TargetFile(
        data_length, {"sha256": sha256}, target_path, {"custom": {"version": approved.version, **custom}}
    )
    present = tip.targets.targets.get(target_path)
    if present == wanted:
        return
    if present is not None:
        raise TrustError(f"{target_path} is signed already, with another content")
    tip.targets.targets[target_path] = wanted
    await pen.renew(tip, Targets.type)


async def signed_targets(storage: NamedStorage, now: datetime) -> dict[str, str]:
    """Return the SHA-256, in hex, of every target in the chain, by its path."""
    tip = await (await _pen(storage, {}, now)).tip()
    return {path: target.hashes["sha256"] for path, target in tip.targets.targets.items()}


def _ageing(signed: Signed, now: datetime) -> bool:
    return signed.expires - now < LIFETIMES[signed.type] / 2


async def refresh(storage: NamedStorage, by: Signers, now: datetime) -> None:
    """Sign anew what has less than half of its life left, so that the chain never expires while we are here.

    A root whose keys are elsewhere is left to whoever has them.

    Raises:
        TrustError: there is no chain, or the keys at hand can't sign.
    """
    pen = await _pen(storage, by, now)
    [root] = pen.obeyed
    if _ageing(root, pen.now) and by.get(Root.type):
        await rotate(storage, by, {}, now)
    tip = await pen.tip()
    ageing = [part.type for part in (tip.targets, tip.snapshot, tip.timestamp) if _ageing(part, pen.now)]
    if ageing:
        await pen.renew(tip, ageing[0])


async def rotate(
    storage: NamedStorage, by: Signers, appointed: Signers, now: datetime, drop: Collection[str] = ()
) -> None:
    """Replace the keys of roles by others, with a root signed here; clients walk from root to root.

    Args:
        storage: where the chain lies.
        by: what can sign now, the root's keys included.
        appointed: the new keys of each role that gets some; all of a role's must sign from then on.
        now: the moment that expiries are counted from.
        drop: targets that shall not stay signed.

    Raises:
        TrustError: there is no chain, or the keys at hand can't sign.
    """
    root = roots.successor((await roots.walk(storage))[-1], _whole_second(now))
    for role, of_role in appointed.items():
        roots.appoint(root.signed, role, [one.public_key for one in of_role], len(of_role))
    roots.sign(root, [*by.get(Root.type, ()), *appointed.get(Root.type, ())])
    both = {role: [*by.get(role, ()), *appointed.get(role, ())] for role in ROLES}
    await install(storage, both, root, now, drop)


async def install(
    storage: NamedStorage, by: Signers, root: Metadata[Root], now: datetime, drop: Collection[str] = ()
) -> None:
    """Let a root follow the present one, wherever it was signed. Killed anywhere in between, it may be repeated.

    What lies below is signed first, by old and new keys alike, so that clients can follow at every moment.

    Args:
        storage: where the chain lies.
        by: what can sign: enough for the present root and for the new one.
        root: the new root.
        now: the moment that expiries are counted from.
        drop: targets that shall not stay signed.

    Raises:
        TrustError: there is no chain; the new root is not signed by the present one's keys and its own; or the keys at
            hand can't sign what both roots want.
    """
    present = (await roots.walk(storage))[-1]
    roots.verify(root, present, present.version + 1)
    pen = _Pen(storage, by, (present, root.signed), _whole_second(now))
    tip = await pen.tip()
    for target_path in drop:
        del tip.targets.targets[target_path]
    if drop or any(_changes(present, root.signed, role) for role in ROLES[1:]):
        await pen.renew(tip, Targets.type)
    await storage.put_named(roots.root_name(root.signed.version), root.to_bytes(), immutable=True)


def _changes(present: Root, following: Root, role: str) -> bool:
    return present.roles[role] != following.roles[role]

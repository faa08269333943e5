"""The root of the signed chain: which keys may sign what, and how one root follows another (TUF §5.3, §6.1).

A root says, role by role, which keys count and how many of them must sign. Its own keys need not be here: a successor
is signed wherever they are, by threshold, and installed when the present root and itself are both content with it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from securesystemslib.signer import Key, Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Role, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from tacita.errors import TacitaError

ROLES = (Root.type, Targets.type, Snapshot.type, Timestamp.type)
LIFETIME = timedelta(days=365)


class TrustError(TacitaError):
    """The repository of signed metadata is missing or not ours, or something may not be signed into it."""


class NamedStorage(Protocol):
    """Where the chain's files lie: the blobs seam (design §2)."""

    async def get_named(self, name: str) -> bytes | None:
        """Return a file, or None."""

    async def put_named(self, name: str, data: bytes, *, immutable: bool) -> None:
        """Write a file, atomically."""


def root_name(version: int) -> str:
    """Return the name of a root's file."""
    return f"metadata/{version}.root.json"


def parsed(data: bytes, what: str) -> Metadata[Root]:
    """Return root metadata, not verified.

    Raises:
        TrustError: it is none.
    """
    try:
        metadata: Metadata[Root] = Metadata.from_bytes(data)
    except DeserializationError as error:
        raise TrustError(f"{what} is no signed metadata: {error}") from None
    if not isinstance(metadata.signed, Root):
        raise TrustError(f"{what} is no root metadata")
    return metadata


def first(keys: dict[str, Sequence[Key]], now: datetime) -> Metadata[Root]:
    """Return the first root, not signed yet: one key of a role's `keys` is enough to sign for it."""
    every = {key.keyid: key for of_role in keys.values() for key in of_role}
    roles = {role: Role([key.keyid for key in keys[role]], 1) for role in ROLES}
    return Metadata(Root(1, expires=now + LIFETIME, keys=every, roles=roles, consistent_snapshot=True))


def successor(root: Root, now: datetime) -> Metadata[Root]:
    """Return the next root, with the same keys, not signed yet."""
    following = Root.from_dict(root.to_dict())
    following.version += 1
    following.expires = now + LIFETIME
    return Metadata(following)


def appoint(root: Root, role: str, keys: Iterable[Key], threshold: int) -> None:
    """Let `keys` and no others sign for a role, `threshold` of them each time.

    Raises:
        TrustError: fewer keys than the threshold.
    """
    appointed = list(keys)
    if not 1 <= threshold <= len(appointed):
        raise TrustError(f"{threshold} of {len(appointed)} keys can't sign for {role}")
    for keyid in list(root.roles[role].keyids):
        root.revoke_key(keyid, role)
    for key in appointed:
        root.add_key(key, role)
    root.roles[role].threshold = threshold


def sign(metadata: Metadata[Root], signers: Iterable[Signer]) -> None:
    """Add signatures to a root; those that are there stay."""
    for signer in signers:
        metadata.sign(signer, append=True)


async def walk(storage: NamedStorage) -> list[Root]:
    """Return all roots from the first to the present one, each verified by the one before it and by itself.

    Raises:
        TrustError: there is no chain, or a root of it is not what it should be.
    """
    found: list[Root] = []
    while (data := await storage.get_named(root_name(len(found) + 1))) is not None:
        metadata = parsed(data, root_name(len(found) + 1))
        verify(metadata, found[-1] if found else metadata.signed, len(found) + 1)
        found.append(metadata.signed)
    if not found:
        raise TrustError(f"the signed chain lacks {root_name(1)}")
    return found


def verify(metadata: Metadata[Root], previous: Root, version: int) -> None:
    """Let a root pass that `previous` and itself have signed by their thresholds.

    Raises:
        TrustError: too few signatures, or another version than the one that must follow.
    """
    if metadata.signed.version != version:
        raise TrustError(f"root {version} must come next, not {metadata.signed.version}")
    try:
        for signing in (previous, metadata.signed):
            signing.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except RepositoryError as error:
        raise TrustError(f"root {version} is not trusted: {error}") from None

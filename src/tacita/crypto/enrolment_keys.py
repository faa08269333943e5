"""The server's enrolment pairs: kept sealed in the key ring, rotated with an overlap, read again when they change.

A rotation makes a new pair of each suite and gives the old ones a `not_after`. Until then they are shown as
"expiring" and still accepted, for devices that cached them; then they are neither, and the janitor destroys them.
"""

import secrets
from datetime import datetime, timedelta

import msgspec

from tacita.crypto.errors import KeyringError
from tacita.crypto.hpke import SUITES, EnrolmentKey
from tacita.crypto.keyring import Keyring
from tacita.crypto.watched_folder import WatchedFolder

_PREFIX = "hpke-"


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a pair's sealed file holds; `private` is Base64."""

    suite: str
    private: bytes
    not_after: datetime | None


def _put(keyring: Keyring, pair: EnrolmentKey) -> None:
    kept = _Kept(pair.suite, pair.private_bytes, pair.not_after)
    keyring.put(f"{_PREFIX}{pair.key_id}", msgspec.json.encode(kept))


def _get(keyring: Keyring, name: str) -> EnrolmentKey:
    try:
        kept = msgspec.json.decode(keyring.get(name), type=_Kept)
    except msgspec.DecodeError:
        raise KeyringError(f"the key file {name}.sealed does not hold an enrolment pair") from None
    if kept.suite not in SUITES:
        raise KeyringError(f"the key file {name}.sealed is of a suite that this version does not know")
    return EnrolmentKey(name.removeprefix(_PREFIX), kept.private, kept.suite, kept.not_after)


def _order(pair: EnrolmentKey) -> tuple[bool, int, str]:
    return pair.not_after is not None, SUITES.index(pair.suite), pair.key_id


def everything(keyring: Keyring) -> list[EnrolmentKey]:
    """Return every pair, expired ones included: the ones to use first, X25519's before X-Wing's.

    Raises:
        KeyringError: a file does not open, or holds something else.
    """
    found = []
    for name in keyring.names(_PREFIX):
        try:
            found.append(_get(keyring, name))
        except KeyringError:
            if keyring.has(name):
                raise
            # the janitor destroyed it since its name was read
    return sorted(found, key=_order)


def add_first(keyring: Keyring) -> None:
    """Make the pairs that a deployment starts with, one of each suite, unless it has any."""
    if not keyring.names(_PREFIX):
        _add(keyring)


def _add(keyring: Keyring) -> list[EnrolmentKey]:
    made = [EnrolmentKey.generate(secrets.token_hex(4), suite) for suite in SUITES]
    for pair in made:
        _put(keyring, pair)
    return made


def rotate(keyring: Keyring, now: datetime, overlap: timedelta) -> list[EnrolmentKey]:
    """Make a pair of each suite, then let the ones in use so far expire after `overlap`; return the new pairs.

    After a crash in between there are more pairs in use than need be; the next rotation lets them all expire.
    """
    old = [pair for pair in everything(keyring) if pair.not_after is None]
    made = _add(keyring)
    for pair in old:
        _put(keyring, EnrolmentKey(pair.key_id, pair.private_bytes, pair.suite, now + overlap))
    return made


def destroy_expired(keyring: Keyring, now: datetime) -> list[str]:
    """Remove the private keys that are past their `not_after`; return their ids."""
    gone = [pair.key_id for pair in everything(keyring) if pair.status(now) == "expired"]
    for key_id in gone:
        keyring.remove(f"{_PREFIX}{key_id}")
    return gone


class EnrolmentKeys:
    """The pairs as a worker process has them: read again whenever the ring's folder changed, without a restart."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._folder = WatchedFolder(keyring.folder)
        self._pairs: list[EnrolmentKey] = []

    def usable(self, now: datetime) -> list[EnrolmentKey]:
        """Return the pairs that are accepted now, the ones to use first."""
        if self._folder.may_have_changed():
            self._pairs = everything(self._keyring)
        return [pair for pair in self._pairs if pair.status(now) != "expired"]

    def find(self, key_id: str, now: datetime) -> EnrolmentKey | None:
        """Return the accepted pair of `key_id`, or None."""
        return next((pair for pair in self.usable(now) if pair.key_id == key_id), None)

"""What the store keeps sealed, column by column: device keys, round keys, contributions (privacy §2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tacita.crypto import round_secrets
from tacita.crypto.envelope import DEVICE_KEY_BYTES, open_sealed, seal
from tacita.crypto.errors import KeyringError
from tacita.crypto.keyring import Keyring, keyed_tag, random_key
from tacita.privacy.bounding import Counts
from tacita.privacy.tables import CELLS
from tacita.store.errors import StoreError
from tacita.store.rounds import Round

_FORMER_TAG_BYTES = 8
_FORMER_REMEMBERED = 64


@dataclass(frozen=True)
class DeviceKeys:
    """A device's keys.

    Attributes:
        device_key: its own, 32 bytes.
        dedupe_key: names its nodes and envelopes, and outlives a re-key; 32 bytes.
        former: 8-byte tags of the keys that it had before, the latest last (contract §5.3): none of them comes back.
    """

    device_key: bytes
    dedupe_key: bytes
    former: bytes = b""

    @classmethod
    def enrolled_with(cls, device_key: bytes) -> "DeviceKeys":
        """Return the pair of a newly enrolled device."""
        return cls(device_key, keyed_tag(device_key, "dedupe", b""))

    def _former_tag(self, device_key: bytes) -> bytes:
        return keyed_tag(self.dedupe_key, "former", device_key)[:_FORMER_TAG_BYTES]

    def had(self, device_key: bytes) -> bool:
        """Tell whether `device_key` was this device's key once, and was replaced."""
        tag, width = self._former_tag(device_key), _FORMER_TAG_BYTES
        return tag in [self.former[start : start + width] for start in range(0, len(self.former), width)]

    def rekeyed_to(self, device_key: bytes) -> "DeviceKeys":
        """Return the keys after a re-key: the dedupe key stays, the present key is remembered as a former one."""
        former = self.former + self._former_tag(self.device_key)
        return DeviceKeys(device_key, self.dedupe_key, former[-_FORMER_REMEMBERED * _FORMER_TAG_BYTES :])


def _device_label(device: bytes) -> str:
    return f"device/{device.hex()}"


def seal_device_keys(keyring: Keyring, device: bytes, keys: DeviceKeys) -> bytes:
    """Seal a device's keys under the key-encryption key, bound to the device."""
    return keyring.seal(keys.device_key + keys.dedupe_key + keys.former, _device_label(device))


def resealed_device_keys(keyring: Keyring, device: bytes, sealed: bytes) -> bytes | None:
    """Return a device's keys under the present key-encryption key, or None when they are already."""
    return keyring.keks.resealed(sealed, _device_label(device))


def open_device_keys(keyring: Keyring, device: bytes, sealed: bytes) -> DeviceKeys:
    """Return the keys of `seal_device_keys`.

    Raises:
        DoesNotOpen: sealed for another device, or under another key-encryption key.
    """
    plain, width = keyring.open(sealed, _device_label(device)), DEVICE_KEY_BYTES
    return DeviceKeys(plain[:width], plain[width : 2 * width], plain[2 * width :])


def ledger_tag(ledger_key: bytes, device: bytes) -> bytes:
    """Return a device's name in the ledger: HMAC(ledger key, device), which outlives its enrolment (privacy §7)."""
    return keyed_tag(ledger_key, "ledger", device)


@dataclass(frozen=True)
class Contribution:
    """An opened row: the device's counts of this round, and its name in the ledger."""

    counts: Counts
    ledger_tag: bytes


@dataclass(frozen=True)
class RoundKey:
    """A round's own random key. When it is destroyed, nothing of the round's contributions can be opened again."""

    round: int
    key: bytes

    def _label(self, tag: bytes) -> bytes:
        return f"contribution/{self.round}/{tag.hex()}".encode()

    def seal_contribution(self, tag: bytes, counts: Counts, name: bytes) -> bytes:
        """Seal counts and the ledger's name of their device, bound to the round and the tag."""
        return seal(self.key, counts.to_bytes() + name, self._label(tag))

    def open_contribution(self, tag: bytes, sealed: bytes) -> Contribution:
        """Return what `seal_contribution` sealed.

        Raises:
            DoesNotOpen: another round's, another tag's, or changed.
        """
        plain = open_sealed(self.key, sealed, self._label(tag))
        return Contribution(Counts.from_bytes(plain[:CELLS]), plain[CELLS:])


def _round_label(number: int) -> str:
    return f"round/{number}"


def new_round_key(keyring: Keyring, number: int) -> bytes:
    """Return a fresh random round key, sealed under the round's secret and that under the key-encryption key."""
    secret = round_secrets.obtain(keyring.folder, number)
    return keyring.seal(seal(secret, random_key(), _key_label(number)), _round_label(number))


def resealed_round_key(keyring: Keyring, number: int, sealed: bytes) -> bytes | None:
    """Return a round's key under the present key-encryption key, or None when it is already."""
    return keyring.keks.resealed(sealed, _round_label(number))


def open_round_key(keyring: Keyring, current: Round) -> RoundKey:
    """Return the key of a round that still has one.

    Raises:
        StoreError: the round was released or abandoned, and its key with it destroyed; or its secret is missing.
    """
    number = current.number
    if current.sealed_key is None:
        raise StoreError(f"the key of round {number} is destroyed")
    inner = keyring.open(current.sealed_key, _round_label(number))
    try:
        secret = round_secrets.read(keyring.folder, number)
    except KeyringError as error:
        raise StoreError(str(error)) from None
    return RoundKey(number, open_sealed(secret, inner, _key_label(number)))


def _key_label(number: int) -> bytes:
    return f"round-key/{number}".encode()


def seal_draw(keyring: Keyring, number: int, vector: Sequence[int]) -> bytes:
    """Seal a release's noisy vector under its round's secret, until it is committed and may be revealed.

    An attempt that is rolled back leaves it in the database's log. Two draws over the same data in the clear would
    let their noise be averaged away (privacy §4); sealed, neither can be opened once the secret is destroyed, and while
    it isn't, it opens the data themselves.
    """
    return seal(round_secrets.read(keyring.folder, number), np.array(vector, "<i8").tobytes(), _draw_label(number))


def open_draw(keyring: Keyring, number: int, sealed: bytes) -> list[int]:
    """Return the vector of `seal_draw`.

    Raises:
        DoesNotOpen: another round's, or changed.
        KeyringError: the round's secret is missing.
    """
    plain = open_sealed(round_secrets.read(keyring.folder, number), sealed, _draw_label(number))
    return [int(cell) for cell in np.frombuffer(plain, "<i8")]


def _draw_label(number: int) -> bytes:
    return f"draw/{number}".encode()


def round_tag(key: RoundKey, device: bytes) -> bytes:
    """Return a device's random-looking name within one round, which can't be linked to any other round's."""
    return keyed_tag(key.key, "device", device)

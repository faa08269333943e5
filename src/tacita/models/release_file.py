"""The release file: everything that training and evaluation see of the devices (privacy §2, last sentence).

The rounds write it, the training process reads it. It holds all releases so far, oldest first.
"""

from typing import Annotated

import msgspec

from tacita.errors import TacitaError
from tacita.models.policy_pack import PolicyPack, check_pack
from tacita.protocol.ids import Version

RELEASES_FORMAT = "tacita/releases/1"
VECTOR_CELLS = 452
"""How many numbers a release has (privacy §3); `privacy.tables` says what they are."""


class ReleaseFileError(TacitaError):
    """A release file can't be read, or doesn't hold what learning needs."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One round's noisy sum with the figures that say how noisy it is (privacy §4); unknown keys are ignored.

    Attributes:
        round: the round's number, from 1.
        digest: the release's digest, hex.
        model_version: the model that the devices of this round ran.
        vector: 452 fixed-point integers, in the order of `privacy.tables`.
        sigma: the noise's standard deviation in every cell, in the vector's fixed-point units.
        devices: how many distinct devices were summed.
        nano_rho: the zCDP charge in billionths.
        epsilon: the release's epsilon at `delta`.
        delta: the release's delta.
        policy_hash: the digest of the privacy policy that it was made under.
    """

    round: Annotated[int, msgspec.Meta(ge=1)]
    digest: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{2,128}\Z")]
    model_version: Version
    vector: Annotated[tuple[int, ...], msgspec.Meta(min_length=VECTOR_CELLS, max_length=VECTOR_CELLS)]
    sigma: Annotated[float, msgspec.Meta(ge=0)]
    devices: Annotated[int, msgspec.Meta(ge=1)]
    nano_rho: int
    epsilon: float
    delta: float
    policy_hash: str


class ReleaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """All releases so far, oldest first, the version that is to be trained, and the packs that the devices ran."""

    target_version: Version
    releases: Annotated[tuple[Release, ...], msgspec.Meta(min_length=1)]
    packs: tuple[PolicyPack, ...] = ()
    format: str = RELEASES_FORMAT

    def pack(self, version: str) -> PolicyPack:
        """Return the pack of a model version.

        Raises:
            ReleaseFileError: the file doesn't hold it.
        """
        for pack in self.packs:
            if pack.version == version:
                return pack
        raise ReleaseFileError(f"The release file lacks the pack of {version}")


def encode_release_file(file: ReleaseFile) -> bytes:
    """Return the file as JSON with sorted keys: the same releases always give the same bytes."""
    return msgspec.json.encode(file, order="sorted")


def decode_release_file(data: bytes) -> ReleaseFile:
    """Read a release file.

    Raises:
        PackError: a pack in it is no policy.
        ReleaseFileError: not JSON, a missing key or wrong type, another format, no release, or rounds out of order.
    """
    try:
        file = msgspec.json.decode(data, type=ReleaseFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReleaseFileError(f"The release file can't be read: {error}") from None
    if file.format != RELEASES_FORMAT:
        raise ReleaseFileError(f"The release file's format isn't {RELEASES_FORMAT}")
    rounds = [release.round for release in file.releases]
    if rounds != sorted(set(rounds)):
        raise ReleaseFileError("The release file's rounds aren't in ascending order")
    for pack in file.packs:
        check_pack(pack)
    return file

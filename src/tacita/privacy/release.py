"""One differentially private release of a closed round, and the statement that goes with it (privacy §2, §4)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from tacita.errors import TacitaError
from tacita.privacy import accountant, mechanism, policy, tables
from tacita.privacy.bounding import ContributionVector
from tacita.privacy.policy import NanoRho

NEIGHBOURS = "zero-out (replace-with-nothing), device level, central model"


class CohortTooSmall(TacitaError):  # noqa: N818 - named for the cohort
    """Fewer distinct devices than the round must have; it is never released."""


class Statement(msgspec.Struct, frozen=True):
    """What a release guarantees, in figures; anyone can de-bias with `sigma` and compute intervals.

    Attributes:
        round: the round's number.
        devices: distinct devices in it (public).
        epsilon, delta: the guarantee of this release alone.
        nano_rho: its charge to each device, in units of 1e-9 rho.
        sigma: scale of the discrete Gaussian on each cell, in fixed point (1024 = weight 1).
        clip_norm: the L2 bound of one device's vector, in the same units.
        policy_hash: SHA-256 of the constants in force.
        neighbours: the neighbouring relation.
    """

    round: int
    devices: int
    epsilon: float
    delta: float
    nano_rho: int
    sigma: int
    clip_norm: int
    policy_hash: str
    neighbours: str = NEIGHBOURS


class Release(msgspec.Struct, frozen=True):
    """The noisy 452-cell vector and its statement: all that anything behind it ever learns of the devices."""

    statement: Statement
    vector: list[int]

    def digest(self) -> str:
        """Return the SHA-256, in hex, of the release's canonical JSON: the identity that the run id comes from."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


@dataclass(frozen=True)
class Cohort:
    """The vectors of the distinct devices of one closed round."""

    round: int
    vectors: Sequence[ContributionVector]


def release(cohort: Cohort, minimum: int, charge: NanoRho = policy.ROUND_CHARGE) -> Release:
    """Sum the cohort's vectors, add the noise, state the guarantee. Draws fresh noise at every call.

    Args:
        cohort: one vector a device.
        minimum: distinct devices without which nothing is released.
        charge: what it costs each device; another than a round's in the audit alone (privacy §6).

    Raises:
        CohortTooSmall: fewer vectors than `minimum`.
    """
    if len(cohort.vectors) < minimum:
        raise CohortTooSmall(f"round {cohort.round} has {len(cohort.vectors)} devices; a release needs {minimum}")
    total = np.zeros(tables.CELLS, np.int64)
    for vector in cohort.vectors:
        total += vector.cells
    sigma = mechanism.sigma_for(charge)
    return Release(
        statement=Statement(
            round=cohort.round,
            devices=len(cohort.vectors),
            epsilon=accountant.epsilon(charge, policy.DELTA),
            delta=policy.DELTA,
            nano_rho=charge,
            sigma=sigma,
            clip_norm=policy.CLIP_NORM,
            policy_hash=policy.policy_hash(),
        ),
        vector=mechanism.discrete_gaussian(total.tolist(), sigma),
    )

"""The one mechanism: opendp's discrete Gaussian on the summed vector (privacy §4). The only home of opendp."""

import math
from collections.abc import Sequence
from functools import cache

import opendp.prelude as dp

from tacita.privacy.policy import CLIP_NORM, NanoRho

dp.enable_features("contrib")

_NANO = 1_000_000_000


def _gaussian(scale: float) -> dp.Measurement:
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
    return dp.m.make_gaussian(*space, scale=scale)


def nano_rho(sigma: int) -> NanoRho:
    """Return what one release with noise scale `sigma` costs, by opendp's own privacy map, rounded up against us.

    Args:
        sigma: the discrete Gaussian's scale, in fixed-point units; the sensitivity is `CLIP_NORM`.
    """
    rho: float = _gaussian(float(sigma)).map(float(CLIP_NORM))  # type: ignore[no-untyped-call]  # opendp has no types
    return NanoRho(math.ceil(rho * _NANO))


@cache
def sigma_for(charge: NanoRho) -> int:
    """Return the smallest integer noise scale, in fixed-point units, whose cost is within `charge`."""
    sigma = math.floor(CLIP_NORM / math.sqrt(2 * charge / _NANO))
    while nano_rho(sigma) > charge:
        sigma += 1
    return sigma


def discrete_gaussian(cells: Sequence[int], sigma: int) -> list[int]:
    """Return `cells` with independent discrete Gaussian noise of scale `sigma` on each (Canonne et al. 2020)."""
    noisy: list[int] = _gaussian(float(sigma))(list(cells))
    return noisy

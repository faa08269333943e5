"""Leaks to plant: release paths with one mistake each, made of the real parts. An audit that misses one is broken."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import msgspec
import numpy as np
import numpy.typing as npt

from tacita.privacy import mechanism, policy, tables
from tacita.privacy.audit import published
from tacita.privacy.bounding import ContributionVector, Counts, clip
from tacita.privacy.canaries import Published
from tacita.privacy.policy import NanoRho
from tacita.privacy.release import Cohort, Release, release

Noise = Callable[[Sequence[int], int], list[int]]
_noise = mechanism.discrete_gaussian


def unchecked(cells: npt.NDArray[np.int64]) -> ContributionVector:
    """Return a vector that skipped the check of its bound in integers."""
    made = object.__new__(ContributionVector)
    object.__setattr__(made, "cells", cells)
    return made


@contextmanager
def _noisy_by(noise: Noise) -> Iterator[None]:
    with patch.object(mechanism, "discrete_gaussian", noise):
        yield


def _released_by(noise: Noise) -> Published:
    def path(counts: Sequence[Counts], charge: NanoRho) -> Sequence[Release]:
        with _noisy_by(noise):
            return published(counts, charge)

    return path


def _summed(vectors: Sequence[ContributionVector], charge: NanoRho) -> Sequence[Release]:
    return [release(Cohort(1, vectors), 1, charge)]


def no_clip(counts: Sequence[Counts], charge: NanoRho) -> Sequence[Release]:
    """Neither clip nor check."""
    return _summed([unchecked(each.cells * tables.WEIGHTS) for each in counts], charge)


def clip_by_table(counts: Sequence[Counts], charge: NanoRho) -> Sequence[Release]:
    """Clip each table by itself, as if the bound were one of tables."""

    def clipped(each: Counts) -> ContributionVector:
        parts = []
        for table in tables.TABLES:
            own = np.zeros(tables.CELLS, np.int64)
            here = slice(tables.OFFSETS[table.name], tables.OFFSETS[table.name] + table.cells)
            own[here] = each.cells[here]
            parts.append(clip(Counts(own)).cells)
        return unchecked(np.sum(parts, axis=0))

    return _summed([clipped(each) for each in counts], charge)


def clip_by_largest_cell(counts: Sequence[Counts], charge: NanoRho) -> Sequence[Release]:
    """Clip each cell to the bound: L-infinity in place of L2."""
    return _summed([unchecked(np.minimum(each.cells * tables.WEIGHTS, policy.CLIP_NORM)) for each in counts], charge)


def counted_twice(counts: Sequence[Counts], charge: NanoRho) -> Sequence[Release]:
    """Sum a device once a graph rather than once a device."""
    return published([*counts, *counts], charge)


def drawn_again(counts: Sequence[Counts], charge: NanoRho) -> Sequence[Release]:
    """Publish again on a retry, with fresh noise on the same data."""
    return [*published(counts, charge), *published(counts, charge)]


def charged_half(counts: Sequence[Counts], charge: NanoRho) -> Sequence[Release]:
    """State half of what the noise costs."""
    [made] = published(counts, charge)
    cheaper = msgspec.structs.replace(made.statement, nano_rho=charge // 2)
    return [msgspec.structs.replace(made, statement=cheaper)]


def _frozen_noise() -> Noise:
    drawn: list[int] = []

    def noise(cells: Sequence[int], sigma: int) -> list[int]:
        if not drawn:
            drawn.extend(_noise([0] * len(cells), sigma))
        return [cell + one for cell, one in zip(cells, drawn, strict=True)]

    return noise


def _one_draw(cells: Sequence[int], sigma: int) -> list[int]:
    [one] = _noise([0], sigma)
    return [cell + one for cell in cells]


def _table_forgotten(cells: Sequence[int], sigma: int) -> list[int]:
    start = tables.OFFSETS["emotion"]
    end = start + tables.EMOTION.cells
    noisy = _noise(cells, sigma)
    return [*noisy[:start], *cells[start:end], *noisy[end:]]


PLANTED: dict[str, Published] = {
    "no clip": no_clip,
    "each table clipped by itself": clip_by_table,
    "cells clipped, not the norm": clip_by_largest_cell,
    "a device counted twice": counted_twice,
    "sigma halved": _released_by(lambda cells, sigma: _noise(cells, sigma // 2)),
    "sigma without the fixed-point factor": _released_by(
        lambda cells, sigma: _noise(cells, sigma // tables.FIXED_POINT)
    ),
    "noise drawn again on a retry": drawn_again,
    "the same noise every time": _released_by(_frozen_noise()),
    "one draw for all cells": _released_by(_one_draw),
    "a table without noise": _released_by(_table_forgotten),
    "no noise": _released_by(lambda cells, _: list(cells)),
}
"""By what was done wrong; each leaks more than its statement claims."""

"""The canary game (privacy §6): is a device with a maximal contribution in the release, or not?

A canary has all its nodes in one cell of every table, so that its vector has L2 norm exactly the clip. It is in or out
of a cohort by chance; an attacker who knows everything else says which. With one canary a release this is the classical
game. Canaries whose cells don't overlap lie in orthogonal directions, so that one release plays many games.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tacita.privacy import policy, tables
from tacita.privacy.bounding import Counts
from tacita.privacy.lower_bounds import Guesses
from tacita.privacy.policy import NanoRho
from tacita.privacy.release import Release, Statement

Array = npt.NDArray[np.float64]

Published = Callable[[Sequence[Counts], NanoRho], Sequence[Release]]
"""A release path: from the stored counts of a closed round's devices, and the charge, to all that is published."""

MOST_CANARIES = min(table.cells for table in tables.TABLES)
"""How many canaries fit into one release without sharing a cell of any table: 56."""

OTHERS = 8
"""Other devices in each cohort, well under the clip. The attacker knows them: more would hide nothing."""

_NODES_OF_OTHERS = 5
_HALF_WAY = 0.5
_ABSTAIN = 7 / 8
"""An attacker who may abstain guesses for the clearest eighth of the canaries only."""


@dataclass(frozen=True)
class Played:
    """Games that were played: a row a release, a column a canary.

    Attributes:
        included: whether the canary was in.
        scores: how far along the canary's direction the release lies: 0 without and 1 with it, on average.
        subtracted: the same, after the attacker took off all other noise that it could know if the noise were not
            fresh and independent: the release before, and the mean of the cells where no canary is.
        by_table: the scores of each table's cells alone, one more axis in front.
        statement: of the last release.
    """

    included: npt.NDArray[np.bool_]
    scores: Array
    subtracted: Array
    by_table: Array
    statement: Statement

    def guesses(self) -> Guesses:
        """Return the errors of who says "in" from half way on: the likelihood-ratio test of two equal Gaussians."""
        return _errors(self.included, self.scores)

    def guesses_by_subtraction(self) -> Guesses:
        """Return the errors of who compares each second release with the one before."""
        return _errors(self.included[1::2], self.subtracted[1::2])

    def guesses_by_table(self) -> list[Guesses]:
        """Return the errors of who looks at one table only, table by table."""
        return [_errors(self.included, scores) for scores in self.by_table]

    def clearest(self) -> tuple[int, int]:
        """Return how often who abstains when in doubt guesses, and how many of these guesses are right."""
        order = np.argsort(self.scores, axis=None)
        each = max(1, round(order.size * (1 - _ABSTAIN) / 2))
        included = self.included.ravel()[order]
        return 2 * each, int(included[-each:].sum() + (~included[:each]).sum())


def _errors(included: npt.NDArray[np.bool_], scores: Array) -> Guesses:
    said_in = scores > _HALF_WAY
    return Guesses(
        false_positives=int((said_in & ~included).sum()),
        out=int((~included).sum()),
        false_negatives=int((~said_in & included).sum()),
        within=int(included.sum()),
    )


@dataclass(frozen=True)
class Stage:
    """A cohort with its canaries, drawn from a seed. The noise never is: it is the mechanism's own.

    Attributes:
        seed: what it was drawn from.
        canaries: counts of each canary, disjoint.
        others: counts of the other devices.
    """

    seed: int
    canaries: Sequence[Counts]
    others: Sequence[Counts]

    @classmethod
    def drawn(cls, seed: int, canaries: int) -> "Stage":
        """Draw a stage of 1 to `MOST_CANARIES` canaries."""
        rng = np.random.default_rng([seed, 3])
        own = np.stack([tables.OFFSETS[t.name] + rng.permutation(t.cells)[:canaries] for t in tables.TABLES], 1)
        few = OTHERS, _NODES_OF_OTHERS
        known = np.concatenate([tables.OFFSETS[t.name] + rng.integers(t.cells, size=few) for t in tables.TABLES], 1)
        maximal = [_counts(np.repeat(cells, policy.MAX_COUNTED_NODES)) for cells in own]
        return cls(seed, maximal, [_counts(cells) for cells in known])

    def play(self, path: Published, charge: NanoRho, releases: int) -> Played:
        """Play the game on a release path.

        Each canary is in by a fair coin of its own, in each release. One that is out is replaced by nothing (zero-out
        neighbours): the number of devices stays.
        """
        included = np.random.default_rng([self.seed, 4]).random((releases, len(self.canaries))) < _HALF_WAY
        known = sum(each.cells * tables.WEIGHTS for each in self.others)
        canaries = np.stack([each.cells * tables.WEIGHTS for each in self.canaries], 1)
        directions = canaries / (np.linalg.norm(canaries, axis=0) * policy.CLIP_NORM)
        free = ~canaries.any(1)
        alone = np.stack(
            [directions * np.equal(tables.TABLE_OF, index)[:, None] for index in range(len(tables.TABLES))]
        )
        alone /= (alone**2).sum(1, keepdims=True) * policy.CLIP_NORM**2
        scores, bare, by_table = (
            np.empty(included.shape),
            np.empty(included.shape),
            np.empty((len(alone), *included.shape)),
        )
        made: Sequence[Release] = ()
        for number, present in enumerate(included):
            cohort = [each if there else Counts.none() for each, there in zip(self.canaries, present, strict=True)]
            made = path([*cohort, *self.others], charge)
            unknown = np.mean([one.vector for one in made], axis=0) - known
            scores[number] = unknown @ directions
            by_table[:, number] = unknown @ alone
            bare[number] = (unknown - unknown[free].mean()) @ directions
        subtracted = bare - np.roll(bare - included, 1, axis=0)
        return Played(included, scores, subtracted, by_table, made[-1].statement)


def _counts(cells: npt.NDArray[np.intp]) -> Counts:
    return Counts(np.bincount(cells, minlength=tables.CELLS).astype(np.int64))

"""The continuous audit: what the canary game certifies of the real release path, against what is claimed (privacy §6).

Correct code is never found to leak more than claimed, but for the small chance that decision 22 states; code that leaks
more is found. The audit takes the release path as its argument, so that tests can plant a leak into it.
"""

from collections.abc import Sequence
from math import ceil

import msgspec

from tacita.privacy import accountant, lower_bounds, mechanism
from tacita.privacy.bounding import Counts, clip
from tacita.privacy.canaries import MOST_CANARIES, Played, Published, Stage
from tacita.privacy.policy import NanoRho
from tacita.privacy.release import Cohort, Release, Statement, release

CONFIDENCE = 0.95


def published(counts: Sequence[Counts], charge: NanoRho) -> Sequence[Release]:
    """Clip, sum, add noise: the path that `rounds.release` takes, at a charge of the auditor's choice."""
    return [release(Cohort(1, [clip(each) for each in counts]), minimum=len(counts), charge=charge)]


def unpaid(statement: Statement) -> int:
    """Return by how many nano-rho the mechanism's own map exceeds what a statement charges; 0 as it must be."""
    return max(0, mechanism.nano_rho(statement.sigma) - statement.nano_rho)


def understated(statement: Statement) -> float:
    """Return by how much epsilon a statement's charge exceeds what it states; 0 as it must be."""
    return max(0.0, accountant.epsilon(NanoRho(statement.nano_rho), statement.delta) - statement.epsilon)


class Certified(msgspec.Struct, frozen=True):
    """What one audit certifies of a claim; each bound is an epsilon at `delta` with `confidence`.

    Attributes:
        seed: which cohort and which canaries.
        claimed: the epsilon that the releases state, at `delta`.
        gaussian: from all guesses, the mechanism taken for a Gaussian one.
        subtraction: the same, of who subtracts the release before and the free cells.
        one_table: the same, of who looks at a single table, whichever shows most.
        any_mechanism: from all guesses, assuming only that trials are independent.
        one_run: from the clearest guesses, assuming only that canaries were included independently.
        delta, confidence: of claim and bounds.
        releases, canaries: how many releases, and how many canaries in each.
        trials_out, trials_in, false_positives, false_negatives: all guesses.
        unpaid: nano-rho that the mechanism's map asks beyond the stated charge.
    """

    seed: int
    claimed: float
    gaussian: float
    subtraction: float
    one_table: float
    any_mechanism: float
    one_run: float
    delta: float
    confidence: float
    releases: int
    canaries: int
    trials_out: int
    trials_in: int
    false_positives: int
    false_negatives: int
    unpaid: int

    @property
    def epsilon(self) -> float:
        """The highest of the bounds."""
        return max(self.gaussian, self.subtraction, self.one_table, self.any_mechanism, self.one_run)

    @property
    def holds(self) -> bool:
        """Whether nothing was certified beyond the claim, and the stated charge pays for the noise."""
        return self.epsilon <= self.claimed and self.unpaid == 0


def certify(played: Played, seed: int, confidence: float = CONFIDENCE) -> Certified:
    """Return what games certify of the claim that their releases state."""
    claim, guesses = played.statement, played.guesses()
    clearest, right = played.clearest()
    plain, subtracting, *one_table = (
        lower_bounds.gaussian_epsilon(lower_bounds.gaussian_mu(each, confidence), claim.delta)
        for each in (guesses, played.guesses_by_subtraction(), *played.guesses_by_table())
    )
    return Certified(
        seed=seed,
        claimed=claim.epsilon,
        gaussian=plain,
        subtraction=subtracting,
        one_table=max(one_table),
        any_mechanism=lower_bounds.two_arm_epsilon(guesses, claim.delta, confidence),
        one_run=lower_bounds.one_run_epsilon(played.scores.size, clearest, right, claim.delta, confidence),
        delta=claim.delta,
        confidence=confidence,
        releases=played.scores.shape[0],
        canaries=played.scores.shape[1],
        trials_out=guesses.out,
        trials_in=guesses.within,
        false_positives=guesses.false_positives,
        false_negatives=guesses.false_negatives,
        unpaid=unpaid(claim),
    )


def audit(
    path: Published,
    charge: NanoRho,
    seed: int,
    trials: int,
    canaries: int = MOST_CANARIES,
    confidence: float = CONFIDENCE,
) -> Certified:
    """Audit a release path.

    Args:
        path: what is under audit; `published` is the real one.
        charge: what the audited release is charged; only this may differ from a round's.
        seed: which cohort and canaries.
        trials: games an arm, on average (a fair coin chooses the arm).
        canaries: how many games share a release, 1 to `MOST_CANARIES`.
        confidence: of each bound.
    """
    played = Stage.drawn(seed, canaries).play(path, charge, releases_for(trials, canaries))
    return certify(played, seed, confidence)


def releases_for(trials: int, canaries: int) -> int:
    """Return how many releases give `trials` games an arm when `canaries` share each."""
    return 2 * ceil(trials / canaries)

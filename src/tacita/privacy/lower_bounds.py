"""What guesses prove of a mechanism: lower bounds on its epsilon, each with its confidence (privacy §6).

Three, from the most to the least assumed. `gaussian_mu` takes the mechanism for a Gaussian one, as ours claims to be,
and so certifies most of a true claim with few runs (Nasr et al. 2023, "Tight auditing of differentially private machine
learning"). `two_arm_epsilon` needs no such thing (Kairouz, Oh & Viswanath 2015). `one_run_epsilon` asks neither that
canaries are independent in the output (Steinke, Nasr & Jagielski 2023, "Privacy auditing with one training run").
Counts become rates by Clopper & Pearson (1934), each side at half of the error.
"""

from dataclasses import dataclass
from math import exp, inf, log

import numpy as np
from scipy import special

_SEARCH_STEPS = 60
_HIGHEST_EPSILON = 64.0


@dataclass(frozen=True)
class Guesses:
    """How an attacker guessed whether the canary was in.

    Attributes:
        false_positives: "in" guessed, of `out` trials without the canary.
        false_negatives: "out" guessed, of `within` trials with it.
    """

    false_positives: int
    out: int
    false_negatives: int
    within: int


def upper_rate(hits: int, trials: int, error: float) -> float:
    """Return Clopper and Pearson's upper bound on a probability; it is under the truth with a chance of `error`."""
    return 1.0 if hits >= trials else float(special.betaincinv(hits + 1, trials - hits, 1 - error))


def _rates(guesses: Guesses, confidence: float) -> tuple[float, float]:
    error = (1 - confidence) / 2
    return (
        upper_rate(guesses.false_positives, guesses.out, error),
        upper_rate(guesses.false_negatives, guesses.within, error),
    )


def gaussian_mu(guesses: Guesses, confidence: float) -> float:
    """Return a lower bound on the mu of mu-Gaussian DP (Dong, Roth & Su 2022), at least 0.

    mu is the distance of the two arms' means in standard deviations.
    """
    false_positive, false_negative = _rates(guesses, confidence)
    return max(0.0, float(-special.ndtri(false_positive) - special.ndtri(false_negative)))


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Return the exact epsilon of mu-Gaussian DP at `delta` (Balle & Wang 2018, theorem 8), 0 to 64."""

    def spent(epsilon: float) -> float:
        near, far = special.log_ndtr(np.array([mu / 2 - epsilon / mu, -mu / 2 - epsilon / mu]))
        return float(exp(near) - exp(epsilon + far))

    low, high = 0.0, _HIGHEST_EPSILON
    if mu == 0 or spent(low) <= delta:
        return 0.0
    for _ in range(_SEARCH_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if spent(middle) > delta else (low, middle)
    return low


def two_arm_epsilon(guesses: Guesses, delta: float, confidence: float) -> float:
    """Return a lower bound on epsilon at `delta` for any mechanism: its two error rates can't both be low."""
    false_positive, false_negative = _rates(guesses, confidence)

    def needed(miss: float, alarm: float) -> float:
        return log((1 - delta - miss) / alarm) if 1 - delta - miss > alarm else 0.0

    return max(needed(false_negative, false_positive), needed(false_positive, false_negative))


def _p_value(canaries: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """Return the chance of so many correct guesses under (epsilon, delta)-DP (theorem 5.2 of Steinke et al.)."""
    accuracy = float(special.expit(epsilon))
    many = float(special.bdtrc(correct - 1, guesses, accuracy)) if correct > 0 else 1.0
    fewer = special.bdtr(np.arange(correct), guesses, accuracy)  # P[at most 0, 1, … correct - 1]
    below = (fewer[-1] - np.concatenate([fewer[-2::-1], [0.0]])) if correct > 0 else np.zeros(1)
    steepest = float(np.max(below / np.arange(1, below.size + 1)))
    return min(1.0, many + 2 * canaries * delta * steepest)


def one_run_epsilon(canaries: int, guesses: int, correct: int, delta: float, confidence: float) -> float:
    """Return a lower bound on epsilon at `delta` from canaries that were each in or out by a fair coin of their own.

    Args:
        canaries: how many, over all releases.
        guesses: for how many of them the attacker did not abstain; chosen before looking.
        correct: how many guesses were right.
        delta: as claimed.
        confidence: of the bound.
    """
    low, high = 0.0, _HIGHEST_EPSILON
    if _p_value(canaries, guesses, correct, low, delta) > 1 - confidence:
        return 0.0
    if _p_value(canaries, guesses, correct, high, delta) <= 1 - confidence:
        return inf
    for _ in range(_SEARCH_STEPS):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if _p_value(canaries, guesses, correct, middle, delta) <= 1 - confidence else (low, middle)
        )
    return low

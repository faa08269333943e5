"""The judge: how much better a candidate is than the published pack, off-policy, from the newest release alone.

The published pack never saw the newest release; the candidate did. Judging it on the same noisy counts would flatter
it, and holding noise back from it would judge another pack than the one that ships. But the noise is Gaussian of known
variance and the learner is smooth, so the flattery is known exactly: it is the divergence term of Stein's lemma (Stein
1981), and the estimate less that term is unbiased. Its variance follows from the second-order formula (Bellec & Zhang
2021, "Second-order Stein: SURE for SURE"). Sampling noise of the counts is treated as Gaussian too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import msgspec
import numpy as np
import numpy.typing as npt

from tacita.errors import TacitaError
from tacita.models.policy_pack import PolicyPack
from tacita.models.release_file import ReleaseFile
from tacita.privacy import tables
from tacita.privacy.tables import Table
from tacita.training.evidence import Evidence, choice_shares
from tacita.training.learner import emotion_policy, learn, routing_policy

Array = npt.NDArray[np.float64]
Policy = Callable[[Evidence], Array]

LEVEL, QUANTILE = 0.95, 1.959964
"""Two-sided confidence level of every interval, and its standard normal quantile."""

UNIT = "percentage points of conversations continued"
_STEP = 0.05
_HUNDRED = 100.0


class JudgeError(TacitaError):
    """The candidate is not what these releases teach, or they can't judge it."""


class Measured(msgspec.Struct, frozen=True):
    """One measured gain over the published pack with its confidence interval, in `unit`."""

    name: str
    estimate: float
    low: float
    high: float
    level: float = LEVEL
    unit: str = UNIT


class Evaluation(msgspec.Struct, frozen=True):
    """The judge's verdict: `better` only if the whole gain's interval lies above zero."""

    better: bool
    reason: str
    improvements: list[str]
    components: list[Measured]


@dataclass(frozen=True)
class _Gain:
    """An estimate and its variance, in shares of conversations (not per cent)."""

    estimate: float
    variance: float

    def measured(self, name: str) -> Measured:
        margin = QUANTILE * sqrt(self.variance)
        estimate, low, high = (round(_HUNDRED * (self.estimate + x), 3) for x in (0.0, -margin, margin))
        return Measured(name, estimate, low, high)


def evaluate(file: ReleaseFile, base: PolicyPack, candidate: PolicyPack) -> Evaluation:
    """Judge a candidate against the published pack.

    Args:
        file: the releases that the candidate was learned from.
        base: the published pack.
        candidate: what the learner made of them.

    Raises:
        JudgeError: the candidate isn't what the learner makes of this file, or the base saw the newest release too.
        ReleaseFileError: the file lacks a pack that a release's devices ran.
    """
    if candidate != learn(file, base):
        raise JudgeError("the candidate is not what these releases teach; it can't be judged by them")
    if file.releases[-1].digest in base.releases:
        raise JudgeError("the published pack saw the newest release already; it can't judge a newer one")
    routing = _gain(file, base, tables.ROUTING, routing_policy)
    emotion = _gain(file, base, tables.EMOTION, emotion_policy)
    whole = _Gain(routing.estimate + emotion.estimate, routing.variance + emotion.variance)
    components = [gain.measured(name) for name, gain in (("total", whole), ("routing", routing), ("emotion", emotion))]
    return _verdict(components, file.releases[-1].round, base.version)


def _verdict(components: list[Measured], round_number: int, base_version: str) -> Evaluation:
    total, *parts = components
    worse = [part for part in parts if part.high < 0]
    where = f"measured off-policy on the release of round {round_number} against {base_version}"
    if worse:
        reason = f"worse: {_words(worse[0])}, {where}"
        return Evaluation(better=False, reason=reason, improvements=[], components=components)
    if total.low <= 0:
        reason = f"not measurably better: {_words(total)}, {where}"
        return Evaluation(better=False, reason=reason, improvements=[], components=components)
    proved = [part for part in parts if part.low > 0]
    return Evaluation(
        better=True,
        reason=f"{_words(total)}, {where}",
        improvements=[f"{_words(part)}, {where}" for part in [total, *proved]],
        components=components,
    )


_SUBJECT = {
    "total": "conversations continued, by all choices together",
    "routing": "conversations continued, by the choice of the model",
    "emotion": "conversations continued, by the choice of the emotion",
}


def _words(measured: Measured) -> str:
    interval = f"{_HUNDRED * measured.level:.0f} % interval {measured.low:+.1f} to {measured.high:+.1f}"
    return f"{_SUBJECT[measured.name]}: {measured.estimate:+.1f} points ({interval})"


def _gain(file: ReleaseFile, base: PolicyPack, table: Table, policy: Policy) -> _Gain:
    """Estimate the gain in P(continued) of a table's new choices, unbiased though they were learned from the counts."""
    packs = [file.pack(release.model_version) for release in file.releases]
    whole, now = Evidence.of(file.releases, table, packs), choice_shares(base, table)
    newest = whole.newest

    def weights(counts: Array) -> Array:
        evidence = whole.with_newest(counts)
        return importance_weights(evidence.newest, policy(evidence) - now)

    counts, noise = newest.counts[0], float(newest.noise[0])
    centre = weights(counts).ravel()
    slopes = _jacobian(weights, counts, _STEP * sqrt(noise))
    likely = newest.seen()[0][..., None] * np.array([1 - newest.rate, newest.rate])
    variances = (noise + likely).ravel()
    flattery = float(variances @ np.diag(slopes))
    plain = float(variances @ centre**2)
    learned_from = float(np.einsum("j,k,jk,kj->", variances, variances, slopes, slopes, optimize=True))
    estimate = float(centre @ counts.ravel()) - flattery
    return _Gain(estimate, max(plain, plain + learned_from))


def importance_weights(newest: Evidence, change: Array) -> Array:
    """Return what each count of one release adds to the measured gain: its choice's change of probability, weighed up.

    Args:
        newest: the release that measures.
        change: of P(choice | context).
    """
    contexts = Evidence(newest.counts.sum(-2), newest.noise, newest.ages).seen()[0]
    change = change * (contexts / contexts.sum())[..., None] / newest.seen()[0]
    return np.stack([-newest.rate * change, (1 - newest.rate) * change], -1)


def _jacobian(function: Callable[[Array], Array], at: Array, step: float) -> Array:
    """Return the derivative of each output cell (rows) by each input cell (columns), by central differences."""
    columns = []
    for cell in range(at.size):
        moved = np.zeros(at.size)
        moved[cell] = step
        shift = moved.reshape(at.shape)
        columns.append((function(at + shift) - function(at - shift)).ravel() / (2 * step))
    return np.stack(columns, axis=1)

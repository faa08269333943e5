"""What one graph says of its app's honesty: at most five small histograms' bins, and nothing else (privacy §1).

Under the app's own noise (contract §3) each bin has a known chance, whatever the device's data; so histograms of many
devices test the app (`privacy.e_process`). The noise of a metric is recomputed from the nodes that were left.
"""

from dataclasses import dataclass
from math import exp, sqrt
from operator import mul

from tacita.privacy import policy
from tacita.privacy.columns import NodeColumns
from tacita.protocol.graph import AggregateMetrics

NOISE_BINS = 10
RATE, LATENCY = 0, NOISE_BINS
SUCCESS_PHASE = LATENCY + NOISE_BINS
FAST_PHASE = SUCCESS_PHASE + policy.PHASE_BINS
SAMPLING = FAST_PHASE + policy.PHASE_BINS
CELLS = SAMPLING + 2
"""Where each histogram begins, and how many bins they have together."""


@dataclass(frozen=True)
class Remaining:
    """What the nodes that sampling left say of the metrics.

    Attributes:
        nodes: how many there are.
        fast: how many used the fast model.
        mean_s: their mean response time, in seconds.
        spread_s: its standard deviation over them.
    """

    nodes: int
    fast: int
    mean_s: float
    spread_s: float

    @classmethod
    def of(cls, nodes: NodeColumns) -> "Remaining":
        """Return the summary of a graph's nodes, at least one; `fast` is the first of `MODELS`, 0."""
        times = nodes.response_times
        count = len(times)
        mean = sum(times) / count
        variance = max(0.0, sum(map(mul, times, times)) / count - mean * mean)
        return cls(count, nodes.place("model").count(0), mean, sqrt(variance))


def _laplace_cdf(x: float) -> float:
    return exp(x) / 2 if x < 0 else 1 - exp(-x) / 2


def _noise_bin(level: float) -> int:
    return min(NOISE_BINS - 1, int(NOISE_BINS * level))


def _rate_level(rate: float, share: float, luck: float) -> float:
    """Return where a rate's noise lies in its distribution, 0 to 1; a clamped one somewhere in the tail it hides."""
    if rate <= 0:
        return luck * _laplace_cdf(-share / policy.APP_RATE_NOISE)
    if rate >= 1:
        return 1 - luck * _laplace_cdf((share - 1) / policy.APP_RATE_NOISE)
    return _laplace_cdf((rate - share) / policy.APP_RATE_NOISE)


def _phase_bin(rate: float, total: int) -> int:
    points = -(-policy.PHASE_STEPS // total) * total
    return int((rate * points + 0.5 / policy.PHASE_BINS) % 1 * policy.PHASE_BINS)


def bins(metrics: AggregateMetrics, remaining: Remaining, luck: float) -> list[int]:
    """Return the bins that a graph counts in, of `CELLS`; histograms that it says nothing of get none.

    Args:
        metrics: of a graph that broke no rule.
        remaining: the summary of its nodes.
        luck: a number from 0 to 1 as good as random; it spreads clamped rates over the tail that they hide.
    """
    total, missing = metrics.total_interactions, metrics.total_interactions - remaining.nodes
    least, most = policy.COHORT_INTERACTIONS
    if not least <= total <= most:
        return []
    found = [SAMPLING + (missing == 0)]
    if missing <= policy.COHORT_MOST_MISSING * total:
        found.append(RATE + _noise_bin(_rate_level(metrics.fast_model_usage, remaining.fast / remaining.nodes, luck)))
        if remaining.spread_s * sqrt(missing / (total * remaining.nodes)) <= policy.COHORT_MOST_BLUR_S:
            noise = (metrics.avg_response_time - remaining.mean_s) / policy.APP_LATENCY_NOISE_S
            found.append(LATENCY + _noise_bin(_laplace_cdf(noise)))
    if 0 < metrics.success_rate < 1:
        found.append(SUCCESS_PHASE + _phase_bin(metrics.success_rate, total))
    if 0 < metrics.fast_model_usage < 1:
        found.append(FAST_PHASE + _phase_bin(metrics.fast_model_usage, total))
    return found

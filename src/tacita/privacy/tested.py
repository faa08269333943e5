"""The tested privacy rules: what only chance could explain otherwise on one graph (privacy §1; bounds in `policy`).

Each rule refuses only where an honest graph, its noise, time shifts and sampling drawn as contract §3 says, would look
the same with a chance of at most `policy.TESTED_FALSE_POSITIVES`, whatever its data.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from operator import sub

import numpy as np

from tacita.privacy import policy
from tacita.privacy.columns import NodeColumns
from tacita.protocol.dates import unix_seconds
from tacita.protocol.graph import AggregateMetrics, LearningGraph
from tacita.protocol.refusals import Rule, Violation


def lattice_chance(rate: float, total: int) -> float:
    """Return the chance of honest noise to look as unnoised as this rate does: 1 when it is off the lattice or clamped.

    Args:
        rate: as sent.
        total: n, the interactions that it is a share of; unnoised rates are k/n.
    """
    if not 0 < rate < 1 or abs(rate - round(rate * total) / total) > policy.LATTICE_TOLERANCE:
        return 1.0
    return min(1.0, policy.LATTICE_WIDTH * (total + policy.RATE_PEAK_DENSITY))


def mean_chance(metrics: AggregateMetrics, nodes: NodeColumns) -> float:
    """Return the chance of honest noise to be as near to the nodes' mean response time; 1 when nodes are missing."""
    if len(nodes) != metrics.total_interactions:
        return 1.0
    distance = abs(metrics.avg_response_time - float(nodes.response_time.mean(dtype=np.float64)))
    rounding = float(np.spacing(np.float32(abs(metrics.avg_response_time)))) / 2
    return min(1.0, (distance + rounding) / policy.APP_LATENCY_NOISE_S)


def no_noise(metrics: AggregateMetrics, nodes: NodeColumns) -> bool:
    """Tell whether the metrics carry no noise, at a chance of at most four times `policy.NO_NOISE_SPLIT`."""
    success = lattice_chance(metrics.success_rate, metrics.total_interactions)
    fast = lattice_chance(metrics.fast_model_usage, metrics.total_interactions)
    if success == fast == 1 and len(nodes) != metrics.total_interactions:
        return False  # what nearly every honest graph comes to
    mean = mean_chance(metrics, nodes)
    pairs = ((success, fast), (success, mean), (fast, mean))
    chances = [mean, *(one * other for one, other in pairs if one < 1 and other < 1)]
    return min(chances) <= policy.NO_NOISE_SPLIT


def _unshifted(graph: LearningGraph, nodes: NodeColumns) -> Iterator[Violation]:
    times = nodes.times
    if isinstance(graph.last_updated_at, datetime) and not any(time % 1 for time in times):
        return  # written as text in whole seconds, which hides what these tests look at
    if abs(times[-1] - unix_seconds(graph.last_updated_at)) <= policy.SAME_TIME_S:
        yield Violation(Rule.NO_TIME_SHIFT, f"nodes[{len(times) - 1}].timestamp")
    first = times[: policy.REGULAR_NODES]
    gaps = list(map(sub, first[1:], first))
    repeated = len([1 for gap, later in pairwise(gaps) if -policy.SAME_TIME_S <= later - gap <= policy.SAME_TIME_S])
    if repeated >= policy.MIN_REGULAR_GAPS or (len(times) >= policy.MIN_SAME_PHASES and _one_phase(times)):
        yield Violation(Rule.NO_TIME_SHIFT, "nodes")


def _one_phase(times: Sequence[float]) -> bool:
    first = times[0] - 0.5
    return all(abs((time - first) % 1 - 0.5) <= policy.SAME_TIME_S for time in times)


def violations(graph: LearningGraph, nodes: NodeColumns) -> list[Violation]:
    """Return the broken tested rules of a graph, none for nearly every honest one.

    Args:
        graph: broke no proved rule.
        nodes: the columns of its nodes, in its order.
    """
    metrics = graph.aggregate_metrics
    found = list(_unshifted(graph, nodes))
    if no_noise(metrics, nodes):
        found.append(Violation(Rule.NO_NOISE, "aggregateMetrics"))
    if len(nodes) == metrics.total_interactions >= policy.MIN_UNSAMPLED:
        found.append(Violation(Rule.NO_SAMPLING, "nodes"))
    return found

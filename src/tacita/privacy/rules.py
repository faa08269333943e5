"""The proved privacy rules: what can be decided for certain on one graph (privacy §1, contract §2.5, §3, §4).

Closed domains (no free text can pass), the emotion grid, ranges, identity, freshness, inner consistency. Rules that are
only tested statistically are another module's business.
"""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import numpy.typing as npt

from tacita.privacy import policy
from tacita.privacy.columns import OUTSIDE, NodeColumns
from tacita.privacy.soundness import AVERAGE_RANGE, MIN_INTERACTIONS, RANGES, off_grid, sound
from tacita.protocol.dates import unix_seconds
from tacita.protocol.graph import MAX_NODES, AggregateMetrics, LearningGraph
from tacita.protocol.ids import UUID_TEXT
from tacita.protocol.refusals import Rule, Violation

_MAX_REPORTED = 20
_NUMBER_FIELDS = {
    "complexity": "queryComplexity",
    "word_count": "wordCount",
    "response_time": "responseTime",
    "confidence": "confidence",
}
_CODED_FIELDS = {"query_type": "queryType", "emotion": "modelSelectedEmotion", "model": "modelUsed"}
_MOOD_FIELDS = {"pleasure": "pleasureBucket", "arousal": "arousalBucket", "dominance": "dominanceBucket"}


def _at(bad: npt.NDArray[np.bool_], rule: Rule, field: str) -> Iterator[Violation]:
    for index in np.flatnonzero(bad)[:_MAX_REPORTED]:
        yield Violation(rule, f"nodes[{index}].{field}")


def _outside(nodes: NodeColumns, name: str) -> npt.NDArray[np.bool_]:
    low, high = RANGES[name]
    values = nodes.number(name)
    return np.asarray((values < low) | (values > high))


def _domain_violations(nodes: NodeColumns) -> Iterator[Violation]:
    bad_id = np.fromiter((UUID_TEXT.match(i) is None for i in nodes.ids), np.bool_, len(nodes))
    yield from _at(bad_id, Rule.NOT_A_UUID, "id")
    for name, field in _CODED_FIELDS.items():
        yield from _at(nodes.code(name) == OUTSIDE, Rule.NOT_IN_SET, field)
    for name, field in _NUMBER_FIELDS.items():
        yield from _at(_outside(nodes, name), Rule.OUT_OF_RANGE, field)
    for name, field in _MOOD_FIELDS.items():
        outside = _outside(nodes, name)
        yield from _at(outside, Rule.OUT_OF_RANGE, f"userEmotionBucket.{field}")
        within = np.where(outside, np.float32(0), nodes.number(name))
        yield from _at(off_grid(within), Rule.OFF_GRID, f"userEmotionBucket.{field}")


def _metric_violations(metrics: AggregateMetrics) -> Iterator[Violation]:
    shares = (
        ("successRate", metrics.success_rate),
        ("fastModelUsage", metrics.fast_model_usage),
        ("escalationRate", metrics.escalation_rate),
    )
    ranges = [(field, value, 0.0, 1.0) for field, value in shares]
    ranges.append(("avgResponseTime", metrics.avg_response_time, *AVERAGE_RANGE))
    for field, value, low, high in ranges:
        with np.errstate(over="ignore"):
            rounded = np.float32(value)
        if not low <= rounded <= high:
            yield Violation(Rule.OUT_OF_RANGE, f"aggregateMetrics.{field}")
    if metrics.total_interactions < MIN_INTERACTIONS:
        yield Violation(Rule.OUT_OF_RANGE, "aggregateMetrics.totalInteractions")


def _freshness_violations(graph: LearningGraph, nodes: NodeColumns, now: datetime) -> Iterator[Violation]:
    updated, present = unix_seconds(graph.last_updated_at), now.timestamp()
    latest = present + policy.MAX_CLOCK_LEAD.total_seconds()
    if updated > latest:
        yield Violation(Rule.FUTURE_GRAPH, "lastUpdatedAt")
    if updated < present - policy.MAX_GRAPH_AGE.total_seconds():
        yield Violation(Rule.STALE_GRAPH, "lastUpdatedAt")
    too_late = nodes.unix_times > latest + policy.APP_TIME_SHIFT.total_seconds()
    yield from _at(too_late, Rule.FUTURE_NODE, "timestamp")


def _consistency_violations(graph: LearningGraph, nodes: NodeColumns, device_id_hash: str) -> Iterator[Violation]:
    if graph.device_id_hash != device_id_hash:
        yield Violation(Rule.DEVICE_MISMATCH, "deviceIdHash")
    if not 1 <= len(nodes) <= MAX_NODES:
        yield Violation(Rule.NODE_COUNT, "nodes")
    if len(nodes) > graph.aggregate_metrics.total_interactions:
        yield Violation(Rule.NODES_EXCEED_TOTAL, "aggregateMetrics.totalInteractions")
    yield from _at(nodes.follow_up & ~nodes.continued, Rule.FOLLOW_UP_WITHOUT_CONTINUATION, "followUpQuery")


def violations(graph: LearningGraph, nodes: NodeColumns, device_id_hash: str, now: datetime) -> list[Violation]:
    """Return the broken proved rules of a graph, at most 20, none for a sound one.

    Args:
        graph: the decoded graph.
        nodes: the columns of its nodes.
        device_id_hash: the envelope's device, which the graph must name too (contract §2.4).
        now: the server's present moment.
    """
    if sound(graph, nodes, device_id_hash, now):
        return []
    found = [
        *_consistency_violations(graph, nodes, device_id_hash),
        *_freshness_violations(graph, nodes, now),
        *_metric_violations(graph.aggregate_metrics),
        *_domain_violations(nodes),
    ]
    return found[:_MAX_REPORTED]

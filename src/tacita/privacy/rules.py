"""The proved privacy rules: what can be decided for certain on one graph (privacy §1, contract §2.5, §3, §4).

Closed domains (no free text can pass), the emotion grid, ranges, identity, freshness, inner consistency. Rules that are
only tested statistically are another module's business.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from operator import gt

import numpy as np

from tacita.privacy import policy
from tacita.privacy.axes import MAX_WORDS, MOOD_FIELDS, OUTSIDE, mood_bin, mood_in_range
from tacita.privacy.columns import NodeColumns
from tacita.privacy.soundness import AVERAGE_RANGE, MIN_INTERACTIONS, sound
from tacita.protocol.dates import unix_seconds
from tacita.protocol.graph import MAX_NODES, AggregateMetrics, LearningGraph
from tacita.protocol.ids import UUID_TEXT
from tacita.protocol.refusals import Rule, Violation

_MAX_REPORTED = 20
_CLOSED_FIELDS = {"query_type": "queryType", "emotion": "modelSelectedEmotion", "model": "modelUsed"}
_NUMBER_FIELDS = {"complexity": "queryComplexity", "response_time": "responseTime", "confidence": "confidence"}
_MOOD_FIELDS = dict(zip(MOOD_FIELDS, ("pleasureBucket", "arousalBucket", "dominanceBucket"), strict=True))


def _at(bad: Iterable[object], rule: Rule, field: str) -> Iterator[Violation]:
    indices = (index for index, is_bad in enumerate(bad) if is_bad)
    for index in islice(indices, _MAX_REPORTED):
        yield Violation(rule, f"nodes[{index}].{field}")


def _outside(nodes: NodeColumns, axis: str) -> list[bool]:
    return [place == OUTSIDE for place in nodes.place(axis)]


def _domain_violations(nodes: NodeColumns) -> Iterator[Violation]:
    yield from _at((UUID_TEXT.match(i) is None for i in nodes.ids), Rule.NOT_A_UUID, "id")
    for axis, field in _CLOSED_FIELDS.items():
        yield from _at(_outside(nodes, axis), Rule.NOT_IN_SET, field)
    for axis, field in _NUMBER_FIELDS.items():
        yield from _at(_outside(nodes, axis), Rule.OUT_OF_RANGE, field)
    yield from _at((not 0 <= count <= MAX_WORDS for count in nodes.word_counts), Rule.OUT_OF_RANGE, "wordCount")
    for mood_axis, (name, field) in enumerate(_MOOD_FIELDS.items()):
        values = [getattr(mood, name) for mood in nodes.moods]
        far = [not mood_in_range(value) for value in values]
        off_grid = [
            not is_far and mood_bin(value, mood_axis) == OUTSIDE for value, is_far in zip(values, far, strict=True)
        ]
        yield from _at(far, Rule.OUT_OF_RANGE, f"userEmotionBucket.{field}")
        yield from _at(off_grid, Rule.OFF_GRID, f"userEmotionBucket.{field}")


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
    latest_node = latest + policy.APP_TIME_SHIFT.total_seconds()
    yield from _at((time > latest_node for time in nodes.times), Rule.FUTURE_NODE, "timestamp")


def _consistency_violations(graph: LearningGraph, nodes: NodeColumns, device_id_hash: str) -> Iterator[Violation]:
    if graph.device_id_hash != device_id_hash:
        yield Violation(Rule.DEVICE_MISMATCH, "deviceIdHash")
    if not 1 <= len(nodes) <= MAX_NODES:
        yield Violation(Rule.NODE_COUNT, "nodes")
    if len(nodes) > graph.aggregate_metrics.total_interactions:
        yield Violation(Rule.NODES_EXCEED_TOTAL, "aggregateMetrics.totalInteractions")
    yield from _at(
        map(gt, nodes.place("follow_up"), nodes.place("continued")),
        Rule.FOLLOW_UP_WITHOUT_CONTINUATION,
        "followUpQuery",
    )


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

"""The quick verdict on a graph: breaks it any proved rule? If so, `privacy.rules` looks closely and names which."""

from collections.abc import Sequence
from datetime import datetime

from tacita.privacy import policy
from tacita.privacy.axes import MAX_WORDS, OUTSIDE, least_beyond, least_reaching
from tacita.privacy.columns import NodeColumns
from tacita.protocol.dates import unix_seconds
from tacita.protocol.graph import MAX_NODES, AggregateMetrics, LearningGraph

MIN_INTERACTIONS = 5
AVERAGE_RANGE = (-100.0, 3_700.0)
"""`avgResponseTime` in seconds; negative by noise (contract §3)."""

_LEAST_SHARE, _BEYOND_SHARES = least_reaching(0), least_beyond(1)
_LEAST_AVERAGE, _BEYOND_AVERAGES = least_reaching(AVERAGE_RANGE[0]), least_beyond(AVERAGE_RANGE[1])
_UUID_SHAPE = b"X" * 8 + b"-XXXX-XXXX-XXXX-" + b"X" * 12
_HEX_AS_X = bytes.maketrans(b"0123456789ABCDEFX", b"X" * 16 + b"?")


def _uuids(ids: Sequence[str]) -> bool:
    """Tell whether all ids are upper-case canonical UUIDs (contract §1.5): joined by commas they have one shape."""
    shape = b",".join([_UUID_SHAPE] * len(ids))
    return ",".join(ids).encode("utf-8", "surrogatepass").translate(_HEX_AS_X) == shape


def _metrics_sound(metrics: AggregateMetrics) -> bool:
    return (
        metrics.total_interactions >= MIN_INTERACTIONS
        and _LEAST_AVERAGE <= metrics.avg_response_time < _BEYOND_AVERAGES
        and _LEAST_SHARE <= metrics.success_rate < _BEYOND_SHARES
        and _LEAST_SHARE <= metrics.fast_model_usage < _BEYOND_SHARES
        and _LEAST_SHARE <= metrics.escalation_rate < _BEYOND_SHARES
    )


def _fresh(graph: LearningGraph, nodes: NodeColumns, now: datetime) -> bool:
    present = now.timestamp()
    latest = present + policy.MAX_CLOCK_LEAD.total_seconds()
    oldest = present - policy.MAX_GRAPH_AGE.total_seconds()
    latest_node = latest + policy.APP_TIME_SHIFT.total_seconds()
    return oldest <= unix_seconds(graph.last_updated_at) <= latest and max(nodes.times) <= latest_node


def _followed_without_continuation(nodes: NodeColumns) -> bool:
    """Tell whether any node has a follow-up but no continuation; the columns' bytes, 0 or 1, are two integers' bits."""
    return bool(int.from_bytes(nodes.place("follow_up"), "big") & ~int.from_bytes(nodes.place("continued"), "big"))


def sound(graph: LearningGraph, nodes: NodeColumns, device_id_hash: str, now: datetime) -> bool:
    """Tell whether a graph breaks no proved rule; arguments as of `rules.violations`."""
    return (
        graph.device_id_hash == device_id_hash
        and 1 <= len(nodes) <= min(MAX_NODES, graph.aggregate_metrics.total_interactions)
        and _metrics_sound(graph.aggregate_metrics)
        and _fresh(graph, nodes, now)
        and OUTSIDE not in nodes.places
        and min(nodes.word_counts) >= 0
        and max(nodes.word_counts) <= MAX_WORDS
        and not _followed_without_continuation(nodes)
        and _uuids(nodes.ids)
    )

"""The quick verdict on a graph: "breaks no proved rule", in a few vectorised steps, or "look closer".

It names no rule; `privacy.rules` does, for the few graphs that this doesn't pass. What it passes breaks none of them.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from tacita.privacy import policy
from tacita.privacy.columns import NUMBERS, OUTSIDE, NodeColumns
from tacita.protocol.dates import unix_seconds
from tacita.protocol.graph import MAX_NODES, AggregateMetrics, LearningGraph

RANGES = {
    "complexity": (0, 1),
    "response_time": (0, 3_600),
    "confidence": (0, 1),
    "pleasure": (-1, 1),
    "arousal": (-1, 1),
    "dominance": (-1, 1),
    "word_count": (0, 10_000),
}
"""The domain of each numeric node field (contract §3)."""

MIN_INTERACTIONS = 5
AVERAGE_RANGE = (-100.0, 3_700.0)
"""`avgResponseTime` in seconds; negative by noise (contract §3)."""

_LOW, _HIGH = np.array([RANGES[name] for name in NUMBERS], np.float32).T[:, :, None]
_UUID_SHAPE = b"X" * 8 + b"-XXXX-XXXX-XXXX-" + b"X" * 12
_HEX_AS_X = bytes.maketrans(b"0123456789ABCDEFX", b"X" * 16 + b"?")


def off_grid(mood: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Tell, value by value, which finite moods are off the 0.2 grid by more than float32 rounding."""
    steps = np.divide(mood, policy.GRID_STEP, dtype=np.float64)
    return np.asarray(np.abs(steps - np.rint(steps)) * policy.GRID_STEP > policy.GRID_TOLERANCE)


def _uuids(ids: Sequence[str]) -> bool:
    """Tell whether all ids are upper-case canonical UUIDs (contract §1.5): joined by commas they have one shape."""
    shape = b",".join([_UUID_SHAPE] * len(ids))
    return ",".join(ids).encode("utf-8", "surrogatepass").translate(_HEX_AS_X) == shape


def _metrics_sound(metrics: AggregateMetrics) -> bool:
    return (
        metrics.total_interactions >= MIN_INTERACTIONS
        and AVERAGE_RANGE[0] <= metrics.avg_response_time <= AVERAGE_RANGE[1]
        and 0 <= metrics.success_rate <= 1
        and 0 <= metrics.fast_model_usage <= 1
        and 0 <= metrics.escalation_rate <= 1
    )


def _fresh(graph: LearningGraph, nodes: NodeColumns, now: datetime) -> bool:
    present = now.timestamp()
    latest = present + policy.MAX_CLOCK_LEAD.total_seconds()
    return bool(
        present - policy.MAX_GRAPH_AGE.total_seconds() <= unix_seconds(graph.last_updated_at) <= latest
        and nodes.unix_times.max() <= latest + policy.APP_TIME_SHIFT.total_seconds()
    )


def _domains_sound(nodes: NodeColumns) -> bool:
    return bool(
        ((nodes.numbers >= _LOW) & (nodes.numbers <= _HIGH)).all()
        and nodes.codes.max() != OUTSIDE
        and not (nodes.follow_up > nodes.continued).any()
        and not off_grid(nodes.mood).any()
        and _uuids(nodes.ids)
    )


def sound(graph: LearningGraph, nodes: NodeColumns, device_id_hash: str, now: datetime) -> bool:
    """Tell whether a graph certainly breaks no proved rule; arguments as of `rules.violations`.

    A metric over its bound by less than float32 rounding is left to the closer look, which lets it pass.
    """
    return (
        graph.device_id_hash == device_id_hash
        and 1 <= len(nodes) <= min(MAX_NODES, graph.aggregate_metrics.total_interactions)
        and _metrics_sound(graph.aggregate_metrics)
        and _fresh(graph, nodes, now)
        and _domains_sound(nodes)
    )

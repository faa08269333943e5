"""A node's place on each axis as one byte: its place in a closed set, its bin, or `OUTSIDE` its domain (contract §3).

One pass over a column checks its domain and finds the bins that counting needs. Each axis is a function from a column
to as many bytes. All compare as float32 (contract §1.4), without rounding value by value: `least_reaching`.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from tacita.privacy import policy
from tacita.protocol import contexts
from tacita.protocol.graph import EmotionBucket

OUTSIDE = 255
"""The place of what leaves its domain."""

MAX_WORDS = 10_000
MAX_RESPONSE_SECONDS = 3_600
MOOD_FIELDS = ("pleasure_bucket", "arousal_bucket", "dominance_bucket")

Axis = Callable[[Sequence[Any]], bytes]


def least_reaching(edge: float) -> float:
    """Return the least double that float32 rounds to `edge`, as a float32, or beyond it."""
    reached = np.float32(edge)
    middle = (float(np.nextafter(reached, np.float32(-np.inf))) + float(reached)) / 2
    return middle if np.float32(middle) >= reached else math.nextafter(middle, math.inf)


def least_beyond(bound: float) -> float:
    """Return the least double that float32 rounds to more than `bound`."""
    return least_reaching(float(np.nextafter(np.float32(bound), np.float32(np.inf))))


def _ladder(low: float, edges: Sequence[float], high: float) -> list[float]:
    """Return the least doubles of each bin, and the least beyond the domain."""
    return [*map(least_reaching, (low, *edges)), least_beyond(high)]


def _binned(edges: Sequence[float], high: float) -> Axis:
    """Return the axis of values from 0 to `high` in the bins between `edges`."""
    reached = partial(bisect_right, _ladder(0, edges, high))
    by_steps_reached = bytes([OUTSIDE, *range(len(edges) + 1)]).ljust(256, bytes([OUTSIDE]))
    return lambda values: bytes(map(reached, values)).translate(by_steps_reached)


class _Places(dict[str, int]):
    """The place of each text of a closed set."""

    def __missing__(self, text: str) -> int:
        return OUTSIDE


def _closed(names: Sequence[str]) -> Axis:
    place = _Places((name, place) for place, name in enumerate(names)).__getitem__
    return lambda texts: bytes(map(place, texts))


_MOOD_LADDERS = [_ladder(-1, edges, 1) for edges in (contexts.PLEASURE_EDGES, contexts.AROUSAL_EDGES, ())]


def mood_in_range(value: float) -> bool:
    """Tell whether one axis of a mood, as a float32, is within -1 … 1."""
    return _MOOD_LADDERS[-1][0] <= value < _MOOD_LADDERS[-1][-1]


def _on_grid(value: float) -> bool:
    steps = float(np.float32(value)) / policy.GRID_STEP
    return abs(steps - round(steps)) * policy.GRID_STEP <= policy.GRID_TOLERANCE


def mood_bin(value: float, axis: int) -> int:
    """Return the bin of a mood's pleasure (0), arousal (1) or dominance (2); `OUTSIDE` when it is off the 0.2 grid."""
    if not mood_in_range(value) or not _on_grid(value):
        return OUTSIDE
    return bisect_right(_MOOD_LADDERS[axis], value) - 1


class _MoodPlaces(dict[EmotionBucket, int]):
    """The place of each mood on the grid, in both texts of a Float; any other mood is looked at closely."""

    def __init__(self) -> None:
        for text in (float, lambda value: float(np.float32(value))):
            grid = [text(step / 5) for step in range(-5, 6)]
            bins = [[(value, mood_bin(value, axis)) for value in grid] for axis in range(len(MOOD_FIELDS))]
            for (pleasure, row), (arousal, column), (dominance, _) in product(*bins):
                self[EmotionBucket(pleasure, arousal, dominance)] = row * contexts.AROUSAL_BINS + column

    def __missing__(self, mood: EmotionBucket) -> int:
        bins = [mood_bin(getattr(mood, field), axis) for axis, field in enumerate(MOOD_FIELDS)]
        return OUTSIDE if OUTSIDE in bins else bins[0] * contexts.AROUSAL_BINS + bins[1]


_MOOD_PLACE = _MoodPlaces().__getitem__

AXES: dict[str, Axis] = {
    "query_type": _closed(contexts.QUERY_TYPES),
    "complexity": _binned(contexts.COMPLEXITY_EDGES, 1),
    "mood": lambda moods: bytes(map(_MOOD_PLACE, moods)),
    "emotion": _closed(contexts.EMOTIONS),
    "model": _closed(contexts.MODELS),
    "response_time": _binned(contexts.RESPONSE_TIME_EDGES, MAX_RESPONSE_SECONDS),
    "confidence": _binned(contexts.CONFIDENCE_EDGES, 1),
    "continued": bytes,
    "follow_up": bytes,
    "escalated": bytes,
}
"""Each axis by name. A mood's place is its pleasure bin and its arousal bin, in C order."""

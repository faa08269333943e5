"""A graph's nodes, column by column: what the rules check and bounding counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec.structs import astuple

from tacita.privacy.axes import AXES
from tacita.protocol.dates import APPLE_EPOCH_UNIX, unix_seconds
from tacita.protocol.graph import EmotionBucket, Node

_ROWS = {name: row for row, name in enumerate(AXES)}
_FIELDS = len(Node.__struct_fields__)
_RESPONSE_TIME = Node.__struct_fields__.index("response_time")


@dataclass(frozen=True)
class NodeColumns:
    """n nodes. For 90 of them plain sequences are quicker to make and to check than arrays, which are made on demand.

    Attributes:
        ids: as sent.
        times: seconds since 1970.
        word_counts: as sent.
        moods: as sent.
        response_times: as sent, in seconds.
        places: 10n bytes: the columns of `axes.AXES`, in its order, n bytes each.
    """

    ids: Sequence[str]
    times: Sequence[float]
    word_counts: Sequence[int]
    moods: Sequence[EmotionBucket]
    response_times: Sequence[float]
    places: bytes

    def __len__(self) -> int:
        return len(self.ids)

    def place(self, axis: str) -> bytes:
        """Return the n places on an axis of `axes.AXES`."""
        start = _ROWS[axis] * len(self)
        return self.places[start : start + len(self)]

    def _flags(self, axis: str) -> npt.NDArray[np.bool_]:
        return np.frombuffer(self.place(axis), np.bool_)

    @cached_property
    def unix_times(self) -> npt.NDArray[np.float64]:
        """(n,) seconds since 1970."""
        return np.array(self.times, np.float64)

    @property
    def response_time(self) -> npt.NDArray[np.float32]:
        """(n,) seconds; float32, as all its numbers, so that both texts of a Float agree (contract §1.4)."""
        return np.array(self.response_times, np.float32)

    @property
    def model(self) -> npt.NDArray[np.uint8]:
        """(n,) places in `MODELS`."""
        return np.frombuffer(self.place("model"), np.uint8)

    @property
    def continued(self) -> npt.NDArray[np.bool_]:
        """(n,) whether the conversation went on."""
        return self._flags("continued")

    @property
    def follow_up(self) -> npt.NDArray[np.bool_]:
        """(n,) whether it went on within 60 seconds."""
        return self._flags("follow_up")

    @property
    def escalated(self) -> npt.NDArray[np.bool_]:
        """(n,) whether the online model took over."""
        return self._flags("escalated")


def _times(dates: Sequence[Any]) -> list[float]:
    try:
        return [date + APPLE_EPOCH_UNIX for date in dates]
    except TypeError:  # some are text: the app sends numbers only
        return [unix_seconds(date) for date in dates]


def node_columns(nodes: list[Node]) -> NodeColumns:
    """Return the columns of `nodes`, in their order."""
    by_field = list(zip(*map(astuple, nodes), strict=True)) or [()] * _FIELDS
    ids, dates, query_type, complexity, words, moods, *others = by_field
    columns = (query_type, complexity, moods, *others)
    places = b"".join([axis(column) for axis, column in zip(AXES.values(), columns, strict=True)])
    return NodeColumns(ids, _times(dates), words, moods, by_field[_RESPONSE_TIME], places)

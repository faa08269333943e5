"""A graph's nodes as columns of numbers, which the rules check and bounding counts, each in a few vectorised steps.

The columns are rows of two matrices, made in one call each: 90 nodes cost about as much as seven separate arrays would.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from msgspec.structs import astuple

from tacita.protocol.contexts import EMOTIONS, MODELS, QUERY_TYPES
from tacita.protocol.dates import APPLE_EPOCH_UNIX, unix_seconds
from tacita.protocol.graph import Node

OUTSIDE = 255
"""The code of a text that is not in its closed set."""

NUMBERS = ("complexity", "response_time", "confidence", "pleasure", "arousal", "dominance", "word_count")
"""What the rows of `NodeColumns.numbers` hold."""

CODES = ("query_type", "emotion", "model", "continued", "follow_up", "escalated")
"""What the rows of `NodeColumns.codes` hold."""

_FIELDS = len(Node.__struct_fields__)
_HUGE = 1 << 53


class _Codes(dict[str, int]):
    """The code of each text of a closed set; `OUTSIDE` for any other."""

    def __missing__(self, text: str) -> int:
        return OUTSIDE


_QUERY_TYPE = _Codes((name, code) for code, name in enumerate(QUERY_TYPES)).__getitem__
_EMOTION = _Codes((name, code) for code, name in enumerate(EMOTIONS)).__getitem__
_MODEL = _Codes((name, code) for code, name in enumerate(MODELS)).__getitem__


@dataclass(frozen=True)
class NodeColumns:
    """n nodes, column by column. Numbers are float32, so that both texts of a Swift Float agree (contract §1.4).

    Attributes:
        ids: the n ids as sent.
        unix_times: (n,) seconds since 1970.
        numbers: (7, n), rows as `NUMBERS` says. Word counts beyond float32's exact integers stay beyond every bound.
        codes: (6, n), rows as `CODES` says; a closed set's text is its place in the set, or `OUTSIDE`.
    """

    ids: Sequence[str]
    unix_times: npt.NDArray[np.float64]
    numbers: npt.NDArray[np.float32]
    codes: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.ids)

    def number(self, name: str) -> npt.NDArray[np.float32]:
        """Return the row of one of `NUMBERS`."""
        row: npt.NDArray[np.float32] = self.numbers[NUMBERS.index(name)]
        return row

    def code(self, name: str) -> npt.NDArray[np.uint8]:
        """Return the row of one of `CODES`."""
        row: npt.NDArray[np.uint8] = self.codes[CODES.index(name)]
        return row

    @property
    def mood(self) -> npt.NDArray[np.float32]:
        """(3, n): pleasure, arousal, dominance."""
        rows: npt.NDArray[np.float32] = self.numbers[3:6]
        return rows

    @property
    def response_time(self) -> npt.NDArray[np.float32]:
        """(n,) seconds."""
        return self.number("response_time")

    @property
    def model(self) -> npt.NDArray[np.uint8]:
        """(n,) places in `MODELS`."""
        return self.code("model")

    @property
    def continued(self) -> npt.NDArray[np.bool_]:
        """(n,) whether the conversation went on."""
        return self.code("continued").view(np.bool_)

    @property
    def follow_up(self) -> npt.NDArray[np.bool_]:
        """(n,) whether it went on within 60 seconds."""
        return self.code("follow_up").view(np.bool_)

    @property
    def escalated(self) -> npt.NDArray[np.bool_]:
        """(n,) whether the online model took over."""
        return self.code("escalated").view(np.bool_)


def _doubles(values: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.frombuffer(struct.pack(f"{len(values)}d", *values))


def _unix_times(dates: Sequence[object]) -> npt.NDArray[np.float64]:
    try:
        return _doubles(dates) + APPLE_EPOCH_UNIX  # type: ignore[arg-type] # tried: the app sends numbers only
    except struct.error:
        return _doubles([unix_seconds(date) for date in dates])  # type: ignore[arg-type] # WireDate, as decoded


def _clamped(counts: Iterable[int]) -> list[int]:
    return [min(max(count, -1), _HUGE) for count in counts]


def node_columns(nodes: list[Node]) -> NodeColumns:
    """Return the columns of `nodes`, in their order."""
    by_field = list(zip(*map(astuple, nodes), strict=True)) or [()] * _FIELDS
    ids, dates, query, complexity, words, buckets, emotion, model, seconds, confidence, *flags = by_field
    moods = list(zip(*map(astuple, buckets), strict=True)) or [()] * 3
    values = [*complexity, *seconds, *confidence, *moods[0], *moods[1], *moods[2]]
    try:
        numbers = _doubles([*values, *words])
    except struct.error:  # a word count that no double holds
        numbers = _doubles([*values, *_clamped(words)])
    codes = bytes(
        [*map(_QUERY_TYPE, query), *map(_EMOTION, emotion), *map(_MODEL, model), *flags[0], *flags[1], *flags[2]]
    )
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which every range refuses
        return NodeColumns(
            ids=ids,
            unix_times=_unix_times(dates),
            numbers=numbers.astype(np.float32).reshape(len(NUMBERS), len(nodes)),
            codes=np.frombuffer(codes, np.uint8).reshape(len(CODES), len(nodes)),
        )

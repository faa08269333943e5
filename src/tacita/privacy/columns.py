"""A graph's nodes as columns of numbers, which the rules check and bounding counts, each in one vectorised step."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tacita.protocol.contexts import EMOTIONS, MODELS, QUERY_TYPES
from tacita.protocol.dates import unix_seconds
from tacita.protocol.graph import Node

OUTSIDE = -1
"""The code of a text that is not in its closed set, and of a word count that no integer column could hold."""

_QUERY_TYPE_CODES = {name: code for code, name in enumerate(QUERY_TYPES)}
_EMOTION_CODES = {name: code for code, name in enumerate(EMOTIONS)}
_MODEL_CODES = {name: code for code, name in enumerate(MODELS)}
_MAX_INTEGER = 1 << 53


@dataclass(frozen=True)
class NodeColumns:
    """n nodes, column by column. Floats are float32, so that both texts of a Swift Float agree (contract §1.4)."""

    ids: list[str]
    unix_times: npt.NDArray[np.float64]
    query_type: npt.NDArray[np.int64]
    complexity: npt.NDArray[np.float32]
    word_count: npt.NDArray[np.int64]
    mood: npt.NDArray[np.float32]
    """(n, 3): pleasure, arousal, dominance."""
    emotion: npt.NDArray[np.int64]
    model: npt.NDArray[np.int64]
    response_time: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    continued: npt.NDArray[np.bool_]
    follow_up: npt.NDArray[np.bool_]
    escalated: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


def _floats(values: list[float]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which every range refuses
        return np.array(values, np.float32)


def node_columns(nodes: list[Node]) -> NodeColumns:
    """Return the columns of `nodes`, in their order; texts outside their closed set get the code `OUTSIDE`."""
    buckets = [n.user_emotion_bucket for n in nodes]
    mood = [x for b in buckets for x in (b.pleasure_bucket, b.arousal_bucket, b.dominance_bucket)]
    return NodeColumns(
        ids=[n.id for n in nodes],
        unix_times=np.array([unix_seconds(n.timestamp) for n in nodes], np.float64),
        query_type=np.array([_QUERY_TYPE_CODES.get(n.query_type, OUTSIDE) for n in nodes], np.int64),
        complexity=_floats([n.query_complexity for n in nodes]),
        word_count=np.array([w if 0 <= (w := n.word_count) < _MAX_INTEGER else OUTSIDE for n in nodes], np.int64),
        mood=_floats(mood).reshape(-1, 3),
        emotion=np.array([_EMOTION_CODES.get(n.model_selected_emotion, OUTSIDE) for n in nodes], np.int64),
        model=np.array([_MODEL_CODES.get(n.model_used, OUTSIDE) for n in nodes], np.int64),
        response_time=_floats([n.response_time for n in nodes]),
        confidence=_floats([n.confidence for n in nodes]),
        continued=np.array([n.conversation_continued for n in nodes], np.bool_),
        follow_up=np.array([n.follow_up_query for n in nodes], np.bool_),
        escalated=np.array([n.escalated_to_online for n in nodes], np.bool_),
    )

"""Strict decoding of the plaintext: malformed (400), or sound but for unknown keys (403) (contract §2.5)."""

from typing import Any

import msgspec

from tacita.protocol.graph import MAX_DEPTH, AggregateMetrics, EmotionBucket, LearningGraph, Node
from tacita.protocol.refusals import Rule, Violation

_DECODER = msgspec.json.Decoder(LearningGraph)
_MAX_REPORTED = 20


class MalformedGraph(ValueError):  # noqa: N818 - named for the state of the text
    """The plaintext isn't JSON, lacks a key, or holds a value of the wrong type. Says no more than that."""


def _keys(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(kind))


_GRAPH, _NODE, _BUCKET, _METRICS = _keys(LearningGraph), _keys(Node), _keys(EmotionBucket), _keys(AggregateMetrics)


def _strip(value: dict[str, Any], known: frozenset[str], path: str, found: list[str]) -> dict[str, Any]:
    if not known.issuperset(value):
        found.append(path)
    return {key: item for key, item in value.items() if key in known}


def _strip_node(node: Any, path: str, found: list[str]) -> Any:
    if not isinstance(node, dict):
        return node
    stripped = _strip(node, _NODE, path, found)
    bucket = stripped.get("userEmotionBucket")
    if isinstance(bucket, dict):
        stripped["userEmotionBucket"] = _strip(bucket, _BUCKET, f"{path}.userEmotionBucket", found)
    return stripped


def _strip_graph(value: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the graph without unknown keys, and the paths of the objects that had some (never a key's name)."""
    found: list[str] = []
    stripped = _strip(value, _GRAPH, "", found)
    if isinstance(stripped.get("aggregateMetrics"), dict):
        stripped["aggregateMetrics"] = _strip(stripped["aggregateMetrics"], _METRICS, "aggregateMetrics", found)
    if isinstance(stripped.get("nodes"), list):
        stripped["nodes"] = [_strip_node(node, f"nodes[{i}]", found) for i, node in enumerate(stripped["nodes"])]
    return stripped, found


def _deeper_than(levels: int, value: Any) -> bool:
    """Tell whether objects and arrays nest more than `levels` deep."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(levels - 1, item) for item in inner)


def decode_graph(plaintext: bytes) -> tuple[LearningGraph, list[Violation]]:
    """Decode a learning graph (contract §3) and report its unknown keys, which are raw-text risks.

    Raises:
        MalformedGraph: not JSON, deeper than `MAX_DEPTH`, a missing key, or a value of the wrong type (400).
    """
    try:
        return _DECODER.decode(plaintext), []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        value = msgspec.json.decode(plaintext)
        if not isinstance(value, dict) or _deeper_than(MAX_DEPTH, value):
            raise MalformedGraph("not an object, or too deep")
        stripped, found = _strip_graph(value)
        graph = msgspec.convert(stripped, LearningGraph)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedGraph("not a learning graph") from None
    return graph, [Violation(Rule.UNKNOWN_FIELD, path) for path in found[:_MAX_REPORTED]]

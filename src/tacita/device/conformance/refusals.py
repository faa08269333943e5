"""What must be refused because of the graph: it is none (400), or breaks a privacy rule (403) (contract §2.5, §3)."""

from collections.abc import Callable
from typing import Any

import msgspec

from tacita.device.conformance.author import Author, Request, encoded, graph, node, submission
from tacita.device.conformance.case import Case, no_graph, violation
from tacita.protocol.refusals import Rule

Make = Callable[[Author], Request]
OTHER_DEVICE = "cd" * 32
CANARY = "tangerine"
"""A text inside of graphs that no answer may ever repeat (contract §2.7)."""


def _graph(**changes: Any) -> Make:
    return lambda author: submission(author, graph(author, **changes))


def _updated(**past: float) -> Make:
    return lambda author: submission(author, graph(author, lastUpdatedAt=author.ago(**past)))


def _at(*path: str | int, **changes: Any) -> Make:
    """Return the request whose graph has `changes` in the object at `path`; `msgspec.UNSET` leaves a key out."""

    def make(author: Author) -> Request:
        made: Any = graph(author)
        inner = made
        for step in path:
            inner = inner[step]
        inner |= changes
        for name in [name for name, value in changes.items() if value is msgspec.UNSET]:
            del inner[name]
        return submission(author, made)

    return make


def _node(**changes: Any) -> Make:
    return _at("nodes", 2, **changes)


def _mood(**changes: Any) -> Make:
    return _at("nodes", 2, "userEmotionBucket", **changes)


def _metrics(**changes: Any) -> Make:
    return _at("aggregateMetrics", **changes)


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _lower_case_uuid(author: Author) -> Request:
    return _node(id=author.uuid().lower())(author)


def _future_node(author: Author) -> Request:
    return _node(timestamp=author.ago(minutes=-50))(author)


def _unshifted(author: Author) -> Request:
    made = graph(author)
    made["nodes"][2]["timestamp"] = made["lastUpdatedAt"]
    return submission(author, made)


def _unsampled(author: Author) -> Request:
    """Of 132 interactions none was left out: honest sampling does that once in a million."""
    metrics = graph(author)["aggregateMetrics"] | {"totalInteractions": 132}
    return submission(author, graph(author, nodes=[node(author) for _ in range(132)], aggregateMetrics=metrics))


def _too_few(author: Author) -> Request:
    metrics = graph(author)["aggregateMetrics"] | {"totalInteractions": 4}
    return submission(author, graph(author, nodes=[node(author) for _ in range(4)], aggregateMetrics=metrics))


def _too_many(author: Author) -> Request:
    return submission(author, graph(author, nodes=[node(author) for _ in range(7)]))


_NO_GRAPHS: tuple[tuple[str, str, Make], ...] = (
    ("no text at all", "2.5", lambda a: submission(a, b"")),
    ("no JSON", "2.5", lambda a: submission(a, f"{CANARY} in plain words".encode())),
    ("not UTF-8", "2.5", lambda a: submission(a, encoded(graph(a)).replace(b"question", b"\xff\xfe"))),
    ("JSON cut off", "2.5", lambda a: submission(a, encoded(graph(a))[:-1])),
    ("an array", "2.5", lambda a: submission(a, b"[]")),
    ("a missing key of the graph", "2.5", _at(createdAt=msgspec.UNSET)),
    ("a missing key of a node", "2.5", _node(confidence=msgspec.UNSET)),
    ("a missing key of an emotion", "2.5", _mood(arousalBucket=msgspec.UNSET)),
    ("a missing key of the metrics", "2.5", _metrics(successRate=msgspec.UNSET)),
    ("a number as text", "2.5", _node(wordCount="12")),
    ("a fraction where an integer belongs", "2.5", _node(wordCount=1.5)),
    ("a number where a boolean belongs", "2.5", _node(followUpQuery=1)),
    ("null", "2.5", _node(modelUsed=None)),
    ("nested to a depth of 9", "4", _graph(note=_raw("[" * 8 + "]" * 8))),
    ("date text without an offset", "1.2", _graph(lastUpdatedAt="2026-11-24T11:58:00")),
    ("NaN", "1.4", _metrics(avgResponseTime=_raw("NaN"))),
    ("an infinity", "1.4", _metrics(avgResponseTime=_raw("-Infinity"))),
    ("a number beyond every double", "1.4", _node(confidence=_raw("1e999"))),
)

NO_GRAPHS: tuple[Case, ...] = tuple(no_graph(*each) for each in _NO_GRAPHS)

_VIOLATIONS: tuple[tuple[str, str, Make, Rule, str], ...] = (
    ("an unknown key in the graph", "3", _graph(note=CANARY), Rule.UNKNOWN_FIELD, ""),
    ("an unknown key in a node", "3", _node(note=CANARY), Rule.UNKNOWN_FIELD, "nodes[2]"),
    ("an unknown key in an emotion", "3", _mood(note=CANARY), Rule.UNKNOWN_FIELD, "nodes[2].userEmotionBucket"),
    ("an unknown key in the metrics", "3", _metrics(note=CANARY), Rule.UNKNOWN_FIELD, "aggregateMetrics"),
    ("nested to a depth of 8", "4", _graph(note=_raw("[" * 7 + "]" * 7)), Rule.UNKNOWN_FIELD, ""),
    ("a graph of another device", "2.4", _graph(deviceIdHash=OTHER_DEVICE), Rule.DEVICE_MISMATCH, "deviceIdHash"),
    ("updated 31 days ago", "2.5", _updated(days=31), Rule.STALE_GRAPH, "lastUpdatedAt"),
    ("updated 15 minutes from now", "2.5", _updated(minutes=-15), Rule.FUTURE_GRAPH, "lastUpdatedAt"),
    ("an interaction 50 minutes from now", "3", _future_node, Rule.FUTURE_NODE, "nodes[2].timestamp"),
    ("no nodes", "4", _graph(nodes=[]), Rule.NODE_COUNT, "nodes"),
    (
        "more nodes than interactions",
        "3",
        _too_many,
        Rule.NODES_EXCEED_TOTAL,
        "aggregateMetrics.totalInteractions",
    ),
    ("fewer than five", "3", _too_few, Rule.OUT_OF_RANGE, "aggregateMetrics.totalInteractions"),
    ("a UUID in lower case", "1.5", _lower_case_uuid, Rule.NOT_A_UUID, "nodes[2].id"),
    ("an id that is no UUID", "1.5", _node(id=CANARY), Rule.NOT_A_UUID, "nodes[2].id"),
    ("an unknown query type", "3", _node(queryType=CANARY), Rule.NOT_IN_SET, "nodes[2].queryType"),
    (
        "an emotion in lower case",
        "3",
        _node(modelSelectedEmotion="happy"),
        Rule.NOT_IN_SET,
        "nodes[2].modelSelectedEmotion",
    ),
    ("an unknown model", "3", _node(modelUsed=CANARY), Rule.NOT_IN_SET, "nodes[2].modelUsed"),
    ("a complexity over 1", "3", _node(queryComplexity=1.01), Rule.OUT_OF_RANGE, "nodes[2].queryComplexity"),
    ("10,001 words", "3", _node(wordCount=10_001), Rule.OUT_OF_RANGE, "nodes[2].wordCount"),
    ("a negative number of words", "3", _node(wordCount=-1), Rule.OUT_OF_RANGE, "nodes[2].wordCount"),
    ("an answer after over an hour", "3", _node(responseTime=3600.5), Rule.OUT_OF_RANGE, "nodes[2].responseTime"),
    ("a negative confidence", "3", _node(confidence=-0.01), Rule.OUT_OF_RANGE, "nodes[2].confidence"),
    (
        "an emotion off the grid",
        "3",
        _mood(pleasureBucket=0.25),
        Rule.OFF_GRID,
        "nodes[2].userEmotionBucket.pleasureBucket",
    ),
    (
        "an emotion beyond the grid",
        "3",
        _mood(dominanceBucket=1.2),
        Rule.OUT_OF_RANGE,
        "nodes[2].userEmotionBucket.dominanceBucket",
    ),
    (
        "a follow-up of a conversation that did not continue",
        "3",
        _node(followUpQuery=True, conversationContinued=False),
        Rule.FOLLOW_UP_WITHOUT_CONTINUATION,
        "nodes[2].followUpQuery",
    ),
    ("rates without noise", "3", _metrics(successRate=0.5, fastModelUsage=0.5), Rule.NO_NOISE, "aggregateMetrics"),
    ("a time without its shift", "3", _unshifted, Rule.NO_TIME_SHIFT, "nodes[2].timestamp"),
    ("nodes that were not sampled", "3", _unsampled, Rule.NO_SAMPLING, "nodes"),
    *(
        (f"{field} of {value}", "3", _metrics(**{field: value}), Rule.OUT_OF_RANGE, f"aggregateMetrics.{field}")
        for field, value in (
            ("avgResponseTime", 3700.5),
            ("avgResponseTime", -100.5),
            ("successRate", 1.5),
            ("fastModelUsage", -0.5),
            ("escalationRate", 1.25),
        )
    ),
)

VIOLATIONS: tuple[Case, ...] = tuple(violation(*each) for each in _VIOLATIONS)

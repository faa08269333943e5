import json
from datetime import timedelta
from typing import Any

import pytest
from tests.graphs import DEVICE, NOW, graph, plaintext

from tacita.privacy import rules
from tacita.privacy.columns import node_columns
from tacita.privacy.decoding import MalformedGraph, decode_graph
from tacita.protocol.dates import apple_seconds
from tacita.protocol.refusals import Rule, Violation


def found_in(value: Any) -> list[Violation]:
    decoded, unknown = decode_graph(value if isinstance(value, bytes) else plaintext(value))
    return unknown + rules.violations(decoded, node_columns(decoded.nodes), DEVICE, NOW)


def test_a_sound_graph_breaks_no_rule() -> None:
    assert found_in(graph(nodes=90)) == []


NODE_BREAKS: list[tuple[dict[str, Any], Rule, str]] = [
    ({"id": "my mother's name"}, Rule.NOT_A_UUID, "id"),
    ({"id": "0f8fad5b-d9cb-469f-a165-70867728950e"}, Rule.NOT_A_UUID, "id"),
    ({"id": "0F8FAD5B-D9CB-469F-A165-70867728950E\n"}, Rule.NOT_A_UUID, "id"),
    ({"queryType": "what is my salary"}, Rule.NOT_IN_SET, "queryType"),
    ({"modelSelectedEmotion": "happy"}, Rule.NOT_IN_SET, "modelSelectedEmotion"),
    ({"modelUsed": "online"}, Rule.NOT_IN_SET, "modelUsed"),
    ({"queryComplexity": 1.0001}, Rule.OUT_OF_RANGE, "queryComplexity"),
    ({"wordCount": -1}, Rule.OUT_OF_RANGE, "wordCount"),
    ({"wordCount": 10_001}, Rule.OUT_OF_RANGE, "wordCount"),
    ({"wordCount": 10**30}, Rule.OUT_OF_RANGE, "wordCount"),
    ({"wordCount": 10**400}, Rule.OUT_OF_RANGE, "wordCount"),
    ({"responseTime": -0.001}, Rule.OUT_OF_RANGE, "responseTime"),
    ({"responseTime": 1e300}, Rule.OUT_OF_RANGE, "responseTime"),
    ({"confidence": 1.5}, Rule.OUT_OF_RANGE, "confidence"),
    ({"timestamp": apple_seconds(NOW + timedelta(minutes=41))}, Rule.FUTURE_NODE, "timestamp"),
    (
        {"followUpQuery": True, "conversationContinued": False},
        Rule.FOLLOW_UP_WITHOUT_CONTINUATION,
        "followUpQuery",
    ),
]


@pytest.mark.parametrize(("change", "rule", "field"), NODE_BREAKS, ids=[f"{f}-{r}" for _, r, f in NODE_BREAKS])
def test_a_node_that_leaves_its_domain_is_named_by_rule_and_field(
    change: dict[str, Any], rule: Rule, field: str
) -> None:
    value = graph()
    value["nodes"][3] |= change
    assert found_in(value) == [Violation(rule, f"nodes[3].{field}")]


@pytest.mark.parametrize("off", [0.1, 0.2001, -0.99])
def test_an_emotion_off_the_grid_is_refused(off: float) -> None:
    value = graph()
    value["nodes"][0]["userEmotionBucket"]["arousalBucket"] = off
    assert found_in(value) == [Violation(Rule.OFF_GRID, "nodes[0].userEmotionBucket.arousalBucket")]


@pytest.mark.parametrize("text", ["0.2", "0.20000000298023224", "0.6000000238418579", "-1", "1.0", "-0.0"])
def test_both_float_texts_of_a_grid_value_are_on_the_grid(text: str) -> None:
    value = graph()
    value["nodes"][0]["userEmotionBucket"]["pleasureBucket"] = 0.123
    assert found_in(json.dumps(value).replace("0.123", text, 1).encode()) == []


@pytest.mark.parametrize(
    ("metric", "value", "breaks"),
    [
        ("totalInteractions", 19, [Rule.NODES_EXCEED_TOTAL]),
        ("avgResponseTime", -100.1, [Rule.OUT_OF_RANGE]),
        ("avgResponseTime", -99.9, []),
        ("avgResponseTime", 3_700.5, [Rule.OUT_OF_RANGE]),
        ("successRate", 1.01, [Rule.OUT_OF_RANGE]),
        ("fastModelUsage", -0.01, [Rule.OUT_OF_RANGE]),
        ("escalationRate", 2, [Rule.OUT_OF_RANGE]),
    ],
)
def test_metrics_stay_in_their_ranges(metric: str, value: float, breaks: list[Rule]) -> None:
    made = graph()
    made["aggregateMetrics"][metric] = value
    assert [v.rule for v in found_in(made)] == breaks


def test_fewer_than_five_interactions_are_refused() -> None:
    value = graph(nodes=3)
    value["aggregateMetrics"]["totalInteractions"] = 4
    assert found_in(value) == [Violation(Rule.OUT_OF_RANGE, "aggregateMetrics.totalInteractions")]


def test_a_graph_without_nodes_is_refused() -> None:
    assert [v.rule for v in found_in(graph(nodes=0))] == [Rule.NODE_COUNT]


def test_a_graph_of_another_device_is_refused() -> None:
    assert found_in(graph(device="cd" * 32)) == [Violation(Rule.DEVICE_MISMATCH, "deviceIdHash")]


@pytest.mark.parametrize(
    ("age", "breaks"),
    [
        (timedelta(days=30, seconds=1), [Rule.STALE_GRAPH]),
        (timedelta(days=29, hours=23), []),
        (timedelta(minutes=-9), []),
        (timedelta(minutes=-10, seconds=-1), [Rule.FUTURE_GRAPH]),
    ],
)
def test_freshness_is_judged_by_the_inner_last_update(age: timedelta, breaks: list[Rule]) -> None:
    assert [v.rule for v in found_in(graph(lastUpdatedAt=apple_seconds(NOW - age)))] == breaks


def test_iso_dates_are_accepted_wherever_a_date_appears() -> None:
    value = graph(createdAt="2026-11-20T00:00:00Z", lastUpdatedAt="2026-11-24T12:59:00.25+01:00")
    value["nodes"][0]["timestamp"] = "2026-11-24T00:00:00Z"
    assert found_in(value) == []


@pytest.mark.parametrize("path", ["", "nodes[1]", "nodes[1].userEmotionBucket", "aggregateMetrics"])
def test_an_unknown_key_at_any_depth_is_refused_without_its_name(path: str) -> None:
    value = graph()
    holder = {
        "": value,
        "nodes[1]": value["nodes"][1],
        "nodes[1].userEmotionBucket": value["nodes"][1]["userEmotionBucket"],
        "aggregateMetrics": value["aggregateMetrics"],
    }[path]
    holder["rawText"] = "a secret"
    assert found_in(value) == [Violation(Rule.UNKNOWN_FIELD, path)]


@pytest.mark.parametrize(("levels", "deep"), [(8, False), (9, True), (900, True)])
def test_a_graph_nests_at_most_eight_deep(levels: int, deep: bool) -> None:
    below_the_graph = levels - 1
    nested = b"[" * below_the_graph + b"1" + b"]" * below_the_graph
    text = plaintext(graph() | {"extra": 0}).replace(b'"extra": 0', b'"extra": ' + nested)

    if deep:
        with pytest.raises(MalformedGraph):
            decode_graph(text)
    else:
        assert found_in(text) == [Violation(Rule.UNKNOWN_FIELD, "")]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"nodes":' * 5_000,
        plaintext(graph()).replace(b'"totalInteractions": 23', b'"totalInteractions": NaN'),
        plaintext(graph()).replace(b'"totalInteractions": 23', b'"totalInteractions": 1e999'),
        plaintext(graph()).replace(b'"totalInteractions": 23', b'"totalInteractions": "20"'),
        plaintext(graph() | {"createdAt": "2025-01-15T00:00:00"}),
        plaintext({k: v for k, v in graph().items() if k != "createdAt"}),
        plaintext({k: v for k, v in graph().items() if k != "createdAt"} | {"extra": 1}),
    ],
)
def test_text_that_is_no_learning_graph_is_malformed(broken: bytes) -> None:
    with pytest.raises(MalformedGraph):
        decode_graph(broken)


def test_a_report_holds_no_value_of_the_graph() -> None:
    value = graph()
    value["nodes"][0]["queryType"] = "CANARY"
    value["nodes"][1]["CANARY"] = "CANARY"
    assert "CANARY" not in repr(found_in(value))

"""The fast path against the slow, obvious one of tests/reference.py, on sound graphs and on broken ones."""

import math
from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests import reference
from tests.graphs import DEVICE, NOW, graph, plaintext

from tacita.privacy import bounding, rules
from tacita.privacy.axes import least_reaching
from tacita.privacy.cells import cells
from tacita.privacy.columns import node_columns
from tacita.privacy.decoding import decode_graph
from tacita.privacy.soundness import sound
from tacita.protocol.dates import apple_seconds, from_unix
from tacita.protocol.refusals import Violation

SINGLES = st.floats(width=32, allow_nan=False, allow_infinity=False)
EDGES = [0.1, 0.3, 0.6, 0.55, 0.7, 0.83, 0.92, -0.5, 0.0, 0.5, -0.33, 0.33, 1.0, 2.0, 3.0, 4.0]


def neighbours(values: list[float]) -> list[float]:
    """Each value, both its float32 neighbours, and its double expansion."""
    around = [np.nextafter(np.float32(v), np.float32(to)) for v in values for to in (-math.inf, math.inf)]
    return [*values, *map(float, around), *(float(np.float32(v)) for v in values)]


AROUND_EDGES = st.sampled_from(neighbours(EDGES))
SHARES = st.floats(0, 1) | AROUND_EDGES.filter(lambda v: 0 <= v <= 1)
GRID = st.sampled_from(neighbours([k / 5 for k in range(-5, 6)])).filter(lambda v: abs(v) <= 1)
ODD_NUMBERS = SINGLES | st.sampled_from([*neighbours([0.0, 1.0, -1.0, 3_600.0, 3_700.0, -100.0]), 1e300, -1e300, 1e-50])
ODD_MOODS = ODD_NUMBERS | st.sampled_from([0.2 + 9e-7, 0.2 + 1.2e-6, -0.8 - 9e-7, -0.8 - 1.2e-6, 0.1, 1.0000001])
ODD_INTEGERS = st.integers(-3, 12) | st.sampled_from([9_999, 10_000, 10_001, -1, 2**24 + 1, 2**63, 10**400, -(10**400)])
ODD_TEXTS = st.text("aHF-, \x00\u00e9", max_size=5) | st.sampled_from(
    ["HAPPY", "happy", "fast", "search", "", "é", "\x00"]
)
ODD_IDS = ODD_TEXTS | st.sampled_from(
    [
        "0F8FAD5B-D9CB-469F-A165-70867728950E",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "0F8FAD5B-D9CB-469F-A165-70867728950E\n",
        "0F8FAD5BXD9CB-469F-A165-70867728950E",
        "XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX",
        "GF8FAD5B-D9CB-469F-A165-70867728950E",
        "0F8FAD5B-D9CB-469F-A165-70867728950E,0F8FAD5B-D9CB-469F-A165-70867728950E",
        "0F8FAD5B-D9CB-469F-A165-7086772895\u0660E",
    ]
)
DISTANCES = st.sampled_from([-41, -40.0001, -40, -10.0001, -10, -9.9, 0, 60, 43_199, 43_200, 43_200.1, 50_000])
ODD_DATES = DISTANCES.map(lambda minutes: NOW - timedelta(minutes=minutes)).flatmap(
    lambda when: st.sampled_from([apple_seconds(when), when.isoformat(), when.isoformat().replace("+00:00", "Z")])
)
NODE_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "id": ODD_IDS,
    "timestamp": ODD_DATES | ODD_NUMBERS,
    "queryType": ODD_TEXTS,
    "queryComplexity": ODD_NUMBERS,
    "wordCount": ODD_INTEGERS,
    "userEmotionBucket": st.fixed_dictionaries(dict.fromkeys(reference.MOODS, ODD_MOODS | GRID)),
    "modelSelectedEmotion": ODD_TEXTS,
    "modelUsed": ODD_TEXTS,
    "responseTime": ODD_NUMBERS,
    "confidence": ODD_NUMBERS,
    "conversationContinued": st.booleans(),
    "followUpQuery": st.booleans(),
    "escalatedToOnline": st.booleans(),
}
METRIC_FIELDS = dict.fromkeys(reference.METRICS, ODD_NUMBERS) | {"totalInteractions": ODD_INTEGERS}
GRAPH_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "deviceIdHash": ODD_TEXTS,
    "createdAt": ODD_DATES,
    "lastUpdatedAt": ODD_DATES,
    "nodes": st.just([]),
}


CHANGES = st.sampled_from(
    [("graph", field) for field in GRAPH_FIELDS]
    + [("metrics", field) for field in METRIC_FIELDS]
    + [("node", field) for field in NODE_FIELDS] * 2
)


@st.composite
def changed_graphs(draw: st.DrawFn) -> dict[str, Any]:
    """A sound graph in which up to three values are replaced, most often by ones at or beyond a bound."""
    value = graph(seed=draw(st.integers(0, 9)), nodes=draw(st.integers(1, 30)))
    for where, field in draw(st.lists(CHANGES, max_size=3)):
        if where == "graph":
            value[field] = draw(GRAPH_FIELDS[field])
        elif where == "metrics":
            value["aggregateMetrics"][field] = draw(METRIC_FIELDS[field])
        elif value["nodes"]:
            value["nodes"][draw(st.integers(0, 29)) % len(value["nodes"])][field] = draw(NODE_FIELDS[field])
    return value


@st.composite
def countable_nodes(draw: st.DrawFn) -> dict[str, Any]:
    """A sound node at or beside the edges of bins; ids repeat, and some nodes are too old."""
    node: dict[str, Any] = graph(seed=draw(st.integers(0, 12)), nodes=1)["nodes"][0]
    return node | {
        "timestamp": apple_seconds(NOW - timedelta(days=draw(st.integers(0, 33)), seconds=draw(st.integers(0, 9)))),
        "queryType": draw(st.sampled_from(reference.QUERY_TYPES)),
        "modelSelectedEmotion": draw(st.sampled_from(reference.EMOTIONS)),
        "modelUsed": draw(st.sampled_from(reference.MODELS)),
        "queryComplexity": draw(SHARES),
        "confidence": draw(SHARES),
        "responseTime": draw(AROUND_EDGES.map(abs) | st.floats(0, 3_600)),
        "userEmotionBucket": {field: draw(GRID) for field in reference.MOODS},
        "conversationContinued": draw(st.booleans()),
        "escalatedToOnline": draw(st.booleans()),
    }


def verdict(value: dict[str, Any]) -> list[Violation]:
    decoded, _ = decode_graph(plaintext(value))
    return rules.violations(decoded, node_columns(decoded.nodes), DEVICE, NOW)


def by_place(found: list[Violation]) -> list[tuple[str, str]]:
    return sorted((v.field, v.rule) for v in found)


@given(changed_graphs())
def test_the_verdict_names_the_same_rules_and_fields_as_the_slow_one(value: dict[str, Any]) -> None:
    expected = reference.violations(value, DEVICE, NOW)

    found = verdict(value)

    assert len(found) == min(len(expected), 20)
    assert set(by_place(found)) <= set(by_place(expected))


@given(changed_graphs())
def test_a_graph_passes_the_quick_look_only_if_no_rule_is_broken(value: dict[str, Any]) -> None:
    decoded, _ = decode_graph(plaintext(value))

    quick = sound(decoded, node_columns(decoded.nodes), DEVICE, NOW)

    assert quick == (not reference.violations(value, DEVICE, NOW))


def test_a_metric_that_float32_rounds_onto_its_bound_passes() -> None:
    value = graph()
    value["aggregateMetrics"]["successRate"] = 1.00000001

    assert verdict(value) == []


@given(st.floats(allow_nan=False, width=64) | AROUND_EDGES | ODD_MOODS, AROUND_EDGES | SINGLES)
def test_comparing_doubles_with_the_least_reaching_one_is_comparing_as_float32(value: float, edge: float) -> None:
    reaches = value >= least_reaching(edge)

    assert reaches == (reference.single(value) >= reference.single(edge))


@given(SINGLES)
def test_the_least_double_that_reaches_an_edge_rounds_to_it_and_the_one_below_does_not(edge: float) -> None:
    least = least_reaching(edge)

    assert reference.single(least) == edge
    assert reference.single(math.nextafter(least, -math.inf)) < edge


@given(st.lists(countable_nodes(), min_size=1, max_size=20))
def test_every_node_falls_into_the_cells_of_the_slow_path(nodes: list[dict[str, Any]]) -> None:
    decoded, _ = decode_graph(plaintext(graph() | {"nodes": nodes}))

    found = cells(node_columns(decoded.nodes))

    assert found.T.tolist() == [reference.cells(node) for node in nodes]


@given(st.lists(countable_nodes(), min_size=1, max_size=20), st.sets(st.integers(0, 12), max_size=4), st.integers(0, 9))
def test_the_same_nodes_are_chosen_and_counted_as_by_the_slow_path(
    nodes: list[dict[str, Any]], seen: set[int], room: int
) -> None:
    already = {graph(seed=seed, nodes=1)["nodes"][0]["id"] for seed in seen}
    decoded, _ = decode_graph(plaintext(graph() | {"nodes": nodes}))
    names = [node["id"].encode() for node in nodes]

    counts, tags = bounding.count_nodes(
        node_columns(decoded.nodes), NOW, names, {name.encode() for name in already}, room
    )

    expected_counts, expected_ids = reference.counted(nodes, NOW, already, room)
    assert [tag.decode() for tag in tags] == expected_ids
    assert counts.cells.tolist() == expected_counts


def test_both_forms_of_a_date_give_the_same_time() -> None:
    value = graph(nodes=2)
    value["nodes"][0]["timestamp"] = apple_seconds(NOW)
    value["nodes"][1]["timestamp"] = NOW.isoformat()
    decoded, _ = decode_graph(plaintext(value))

    times = node_columns(decoded.nodes).unix_times

    assert [from_unix(float(time)) for time in times] == [NOW, NOW]

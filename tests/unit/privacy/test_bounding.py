from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.graphs import NOW, graph, node, plaintext

from tacita.privacy import bounding, policy, tables
from tacita.privacy.bounding import ContributionVector, Counts, UnboundedContribution
from tacita.privacy.columns import NodeColumns, node_columns
from tacita.privacy.decoding import decode_graph

CELLS = tables.CELLS


def columns(value: object) -> NodeColumns:
    return node_columns(decode_graph(plaintext(value))[0].nodes)


def counted(
    value: dict[str, Any], already: frozenset[bytes] = frozenset(), room: int = 100
) -> tuple[Counts, list[bytes]]:
    return bounding.count_nodes(columns(value), NOW, [n["id"].encode()[:8] for n in value["nodes"]], already, room)


@st.composite
def possible_counts(draw: st.DrawFn) -> Counts:
    nodes = draw(st.integers(0, 100))
    cells = np.zeros(CELLS, np.int64)
    for table in tables.TABLES:
        spread = draw(st.integers(1, table.cells))
        hits = draw(hnp.arrays(np.int64, nodes, elements=st.integers(0, spread - 1)))
        cells[tables.OFFSETS[table.name] :][: table.cells] += np.bincount(hits, minlength=table.cells)
    return Counts(cells)


@given(possible_counts())
def test_the_clipped_vector_never_breaks_the_bound(counts: Counts) -> None:
    vector = bounding.clip(counts).cells
    assert sum(int(x) ** 2 for x in vector) <= policy.CLIP_NORM**2


@given(possible_counts())
def test_clipping_leaves_a_short_vector_as_it_is_and_keeps_the_direction_of_a_long_one(counts: Counts) -> None:
    weighted = counts.cells * tables.WEIGHTS
    clipped = bounding.clip(counts).cells
    norm = float(np.linalg.norm(weighted))
    if norm <= policy.CLIP_NORM:
        assert (clipped == weighted).all()
    else:
        assert np.abs(clipped - weighted * (policy.CLIP_NORM / norm)).max() <= 2


@given(possible_counts())
def test_counts_survive_the_round_trip_through_bytes(counts: Counts) -> None:
    assert (Counts.from_bytes(counts.to_bytes()).cells == counts.cells).all()


def test_a_vector_that_breaks_the_bound_cannot_be_constructed() -> None:
    too_long = np.zeros(CELLS, np.int64)
    too_long[0] = policy.CLIP_NORM + 1
    with pytest.raises(UnboundedContribution):
        ContributionVector(too_long)


def test_counts_of_more_than_a_hundred_nodes_cannot_be_constructed() -> None:
    full, _ = counted(graph(nodes=100))
    one, _ = counted(graph(seed=1, nodes=1))
    with pytest.raises(UnboundedContribution):
        full + one


def test_each_node_adds_one_to_one_cell_of_each_table() -> None:
    counts, _ = counted(graph(nodes=37))
    sums = [counts.cells[tables.OFFSETS[t.name] :][: t.cells].sum() for t in tables.TABLES]
    assert sums == [37] * 5


def test_a_node_lands_in_the_cells_of_its_axes() -> None:
    value = graph(nodes=1)
    value["nodes"][0] |= {
        "queryType": "search",
        "queryComplexity": 0.3,
        "modelUsed": "quality",
        "modelSelectedEmotion": "CALM",
        "responseTime": 4.0,
        "confidence": 0.55,
        "conversationContinued": True,
        "escalatedToOnline": False,
        "userEmotionBucket": {"pleasureBucket": -0.6, "arousalBucket": 0.2, "dominanceBucket": 0},
    }
    counts, _ = counted(value)
    hit = {t.name: np.flatnonzero(counts.cells[tables.OFFSETS[t.name] :][: t.cells]).tolist() for t in tables.TABLES}
    expected = {
        "routing": [np.ravel_multi_index((3, 2, 1, 1), tables.ROUTING.shape)],
        "emotion": [np.ravel_multi_index((0, 1, 3, 1), tables.EMOTION.shape)],
        "calibration": [np.ravel_multi_index((1, 3, 1), tables.CALIBRATION.shape)],
        "latency": [np.ravel_multi_index((4, 3, 1), tables.LATENCY.shape)],
        "escalation": [np.ravel_multi_index((3, 2, 0), tables.ESCALATION.shape)],
    }
    assert hit == expected


def test_both_float_texts_fall_into_one_bin() -> None:
    short, long = graph(nodes=1), graph(nodes=1)
    short["nodes"][0]["queryComplexity"] = 0.6
    long["nodes"][0]["queryComplexity"] = 0.6000000238418579
    assert (counted(short)[0].cells == counted(long)[0].cells).all()


def test_only_the_newest_hundred_nodes_count() -> None:
    value = graph(nodes=150)
    _, tags = counted(value)
    newest = sorted(value["nodes"], key=lambda n: -n["timestamp"])[:100]
    assert set(tags) == {n["id"].encode()[:8] for n in newest}


def test_a_node_counted_before_counts_no_more() -> None:
    value = graph(nodes=10)
    _, tags = counted(value)
    counts, again = counted(value, already=frozenset(tags[:6]))
    assert (counts.nodes, set(again)) == (4, set(tags[6:]))


def test_the_same_node_twice_in_one_graph_counts_once() -> None:
    value = graph(nodes=10)
    value["nodes"][1]["id"] = value["nodes"][0]["id"]
    assert counted(value)[0].nodes == 9


def test_a_node_older_than_thirty_days_does_not_count() -> None:
    import random
    from datetime import timedelta

    value = graph(nodes=5)
    value["nodes"].append(node(random.Random(9), NOW - timedelta(days=30, seconds=1)))
    assert counted(value)[0].nodes == 5

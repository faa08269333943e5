"""What the reference device uploads of what it recorded (contract §3)."""

import random
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import graphs

from tacita.device import recorder
from tacita.device.recorder import TIME_SHIFT_S, TooFewNodes, export
from tacita.device.state import Device
from tacita.device.uploader import WireFormat, seal_submission
from tacita.protocol.dates import apple_seconds
from tacita.protocol.envelope import MAX_BODY_BYTES
from tacita.protocol.graph import MAX_NODES, LearningGraph, Node


def device_with(nodes: int, **changes: Any) -> Device:
    rng = random.Random(nodes)
    made = Device.new(graphs.NOW - timedelta(days=3))
    made.nodes = [msgspec.convert(graphs.node(rng, **changes), Node) for _ in range(nodes)]
    return made


def exported(device: Device, seed: int = 1) -> LearningGraph:
    return export(device, random.Random(seed), graphs.NOW)


def test_metrics_count_all_nodes_and_not_the_sampled_ones() -> None:
    graph = exported(device_with(400))
    assert (graph.aggregate_metrics.total_interactions, len(graph.nodes) < 400) == (400, True)


def test_the_escalation_rate_is_exact_over_all_nodes() -> None:
    device = device_with(300)
    share = sum(node.escalated_to_online for node in device.nodes) / 300
    assert exported(device).aggregate_metrics.escalation_rate == share


def test_the_noised_metrics_scatter_around_the_true_ones() -> None:
    device = device_with(100, responseTime=2.0, conversationContinued=True, modelUsed="fast", followUpQuery=False)
    device.nodes[:50] = device_with(50, responseTime=4.0, conversationContinued=False, modelUsed="quality").nodes
    metrics = [exported(device, seed).aggregate_metrics for seed in range(600)]
    means = [
        sum(getattr(each, name) for each in metrics) / len(metrics)
        for name in ("avg_response_time", "success_rate", "fast_model_usage")
    ]
    assert means == [pytest.approx(3.0, abs=0.3), pytest.approx(0.5, abs=0.03), pytest.approx(0.5, abs=0.03)]


@settings(max_examples=30, deadline=None)
@given(st.integers(), st.integers(5, 30))
def test_shares_stay_between_zero_and_one(seed: int, nodes: int) -> None:
    metrics = exported(device_with(nodes), seed).aggregate_metrics
    assert all(0 <= share <= 1 for share in (metrics.success_rate, metrics.fast_model_usage, metrics.escalation_rate))


def test_about_nine_of_ten_nodes_are_uploaded() -> None:
    device = device_with(100)
    kept = sum(len(exported(device, seed).nodes) for seed in range(40)) / 4_000
    assert kept == pytest.approx(0.9, abs=0.02)


def test_times_are_shifted_by_up_to_half_an_hour_either_way() -> None:
    device = device_with(1_000)
    before = {node.id: node.timestamp for node in device.nodes}
    shifts = [float(n.timestamp) - float(before[n.id]) for n in exported(device).nodes]  # type: ignore[arg-type]
    assert -TIME_SHIFT_S <= min(shifts) < -1_700
    assert 1_700 < max(shifts) <= TIME_SHIFT_S


def test_nothing_of_a_node_changes_but_its_time() -> None:
    device = device_with(50)
    recorded = {node.id: node for node in device.nodes}
    for node in exported(device).nodes:
        assert msgspec.structs.replace(node, timestamp=recorded[node.id].timestamp) == recorded[node.id]


def test_the_device_keeps_what_it_recorded() -> None:
    device = device_with(50)
    before = list(device.nodes)
    exported(device)
    assert device.nodes == before


def test_a_graph_says_who_made_it_and_when() -> None:
    device = device_with(5)
    graph = exported(device)
    told = (graph.device_id_hash, graph.created_at, graph.last_updated_at)
    assert told == (device.id_hash, apple_seconds(device.created_at), apple_seconds(graphs.NOW))


def test_fewer_than_five_interactions_are_not_exported() -> None:
    with pytest.raises(TooFewNodes, match="4 interactions"):
        exported(device_with(4))


def test_a_graph_is_never_empty_however_the_sampling_falls() -> None:
    class Never(random.Random):
        def random(self) -> float:
            return 0.95

    assert len(export(device_with(5), Never(), graphs.NOW).nodes) == 1


def test_a_graph_never_holds_more_nodes_than_the_server_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "MAX_GRAPH_BYTES", 10_000_000)
    device = device_with(100)
    device.nodes *= 60

    assert len(exported(device).nodes) == MAX_NODES


@pytest.mark.parametrize("wire_format", [1, 2])
def test_a_body_of_thousands_of_interactions_fits_the_limit_and_uses_it(wire_format: WireFormat) -> None:
    device = device_with(100)
    device.nodes *= 60

    body = seal_submission(device, exported(device), graphs.NOW, wire_format)

    assert 0.99 * MAX_BODY_BYTES < len(body) <= MAX_BODY_BYTES


def test_of_too_many_interactions_the_newest_are_exported() -> None:
    device = device_with(100)
    newest = {node.id for node in device.nodes[-20:]}
    device.nodes = device.nodes[:-20] * 70 + device.nodes[-20:]

    nodes = exported(device).nodes

    assert nodes[-1].id in newest
    assert len(newest & {node.id for node in nodes}) > 10

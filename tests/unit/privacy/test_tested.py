import json
from typing import Any

import numpy as np
import pytest
from tests.graphs import NOW, graph, plaintext

from tacita.privacy import tested
from tacita.privacy.columns import node_columns
from tacita.privacy.decoding import decode_graph
from tacita.protocol.dates import apple_seconds
from tacita.protocol.refusals import Rule, Violation

NO_NOISE = Violation(Rule.NO_NOISE, "aggregateMetrics")


def found_in(value: Any) -> list[Violation]:
    decoded, unknown = decode_graph(value if isinstance(value, bytes) else plaintext(value))
    assert unknown == []
    return tested.violations(decoded, node_columns(decoded.nodes))


def with_metrics(nodes: int = 90, seed: int = 0, **changes: Any) -> dict[str, Any]:
    value = graph(seed, nodes)
    value["aggregateMetrics"] |= changes
    return value


def with_times(times: list[Any], last_updated: Any = None) -> dict[str, Any]:
    value = graph(nodes=len(times))
    for node, time in zip(value["nodes"], times, strict=True):
        node["timestamp"] = time
    return value if last_updated is None else value | {"lastUpdatedAt": last_updated}


def mean_of(value: dict[str, Any]) -> float:
    return float(np.mean([np.float32(node["responseTime"]) for node in value["nodes"]], dtype=np.float64))


@pytest.mark.parametrize("seed", range(20))
def test_an_honest_graph_breaks_no_tested_rule(seed: int) -> None:
    assert found_in(graph(seed, nodes=90)) == []


@pytest.mark.parametrize("as_float", [float, lambda x: float(np.float32(x)), lambda x: float(str(np.float32(x)))])
def test_two_rates_without_noise_are_refused_in_every_text_of_a_float(as_float: Any) -> None:
    value = with_metrics(totalInteractions=100, successRate=as_float(61 / 100), fastModelUsage=as_float(1 / 3 * 0.99))

    assert found_in(value) == [NO_NOISE]


def test_one_rate_without_noise_is_no_proof_by_itself() -> None:
    assert found_in(with_metrics(totalInteractions=100, successRate=0.61, fastModelUsage=0.4123456)) == []


@pytest.mark.parametrize(("success", "fast"), [(1.0, 0.0), (1.0, 0.5), (0.5, 0.0)])
def test_a_clamped_rate_is_never_held_against_a_graph(success: float, fast: float) -> None:
    assert found_in(with_metrics(totalInteractions=100, successRate=success, fastModelUsage=fast)) == []


def test_so_many_interactions_that_noise_would_often_hit_the_lattice_are_no_proof() -> None:
    assert found_in(with_metrics(totalInteractions=3_000, successRate=0.5, fastModelUsage=0.25)) == []


def test_a_rate_and_the_mean_without_noise_are_refused_where_nothing_was_sampled_away() -> None:
    value = with_metrics(totalInteractions=90, successRate=0.7)
    value["aggregateMetrics"]["avgResponseTime"] = mean_of(value) + 0.001

    assert found_in(value) == [NO_NOISE]


def test_the_exact_mean_of_the_nodes_is_refused_by_itself() -> None:
    value = with_metrics(totalInteractions=90)
    value["aggregateMetrics"]["avgResponseTime"] = float(np.float32(mean_of(value)))

    assert found_in(value) == [NO_NOISE]


def test_the_mean_of_the_nodes_that_were_left_proves_nothing() -> None:
    value = with_metrics(totalInteractions=91)
    value["aggregateMetrics"]["avgResponseTime"] = mean_of(value)

    assert found_in(value) == []


def test_a_last_node_at_the_time_of_the_last_update_was_not_shifted() -> None:
    times = [apple_seconds(NOW) - 7_000.123, apple_seconds(NOW) - 9_000.456, apple_seconds(NOW) - 60.789]

    assert found_in(with_times(times, times[-1] + 0.0005)) == [
        Violation(Rule.NO_TIME_SHIFT, "nodes[2].timestamp"),
    ]
    assert found_in(with_times(times, times[-1] + 0.5)) == []


def test_nodes_of_one_sub_second_phase_were_not_shifted() -> None:
    times = [apple_seconds(NOW) - 977.0 * i**2 - 0.9999 for i in range(5)]

    assert found_in(with_times(times)) == [Violation(Rule.NO_TIME_SHIFT, "nodes")]
    assert found_in(with_times(times[:4])) == []


def test_regular_gaps_were_not_shifted() -> None:
    times = [apple_seconds(NOW) - 61.337 * i for i in range(5, 0, -1)]

    assert found_in(with_times(times)) == [Violation(Rule.NO_TIME_SHIFT, "nodes")]
    assert found_in(with_times([*times[:3], times[3] + 5, times[4] - 7])) == []


def test_text_in_whole_seconds_hides_the_shift_and_is_not_held_against_a_graph() -> None:
    times = [f"2026-11-24T11:{minute:02}:00Z" for minute in range(10, 30)]

    assert found_in(with_times(times, "2026-11-24T11:29:00Z")) == []
    assert found_in(with_times([t.replace("Z", ".25Z") for t in times], "2026-11-24T11:40:00.25Z")) == [
        Violation(Rule.NO_TIME_SHIFT, "nodes")
    ]


@pytest.mark.parametrize(("nodes", "broken"), [(131, []), (132, [Violation(Rule.NO_SAMPLING, "nodes")])])
def test_keeping_all_of_many_nodes_was_no_sampling(nodes: int, broken: list[Violation]) -> None:
    assert found_in(with_metrics(nodes, totalInteractions=nodes)) == broken


def test_the_report_names_a_rule_and_a_field_and_no_value() -> None:
    value = with_metrics(totalInteractions=100, successRate=0.61, fastModelUsage=0.5)

    assert json.loads(json.dumps([[v.rule, v.field] for v in found_in(value)])) == [["no_noise", "aggregateMetrics"]]

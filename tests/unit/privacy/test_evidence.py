import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graphs import graph, plaintext

from tacita.privacy import e_process, evidence
from tacita.privacy.columns import node_columns
from tacita.privacy.decoding import decode_graph
from tacita.privacy.evidence import Remaining
from tacita.protocol.graph import AggregateMetrics

CALM = Remaining(90, 45, 3.0, 1.0)


def bins(success: float = 0.61234, fast: float = 0.5, average: float = 3.0, total: int = 100) -> list[int]:
    return evidence.bins(AggregateMetrics(total, average, success, fast, 0.1), CALM, luck=0.5)


def test_the_summary_is_that_of_the_nodes() -> None:
    nodes = node_columns(decode_graph(plaintext(graph(nodes=50)))[0].nodes)
    seconds = nodes.response_time.astype(float)

    found = Remaining.of(nodes)

    assert (found.nodes, found.fast) == (50, int((nodes.model == 0).sum()))
    assert [found.mean_s, found.spread_s] == pytest.approx([seconds.mean(), seconds.std()])


def test_noise_of_nothing_falls_in_the_middle_and_large_noise_at_the_ends() -> None:
    assert bins(fast=0.5001, average=3.001)[1:3] == [evidence.RATE + 5, evidence.LATENCY + 5]
    assert bins(fast=0.05, average=-5.0)[1:3] == [evidence.RATE, evidence.LATENCY]
    assert bins(fast=0.95, average=12.0)[1:3] == [evidence.RATE + 9, evidence.LATENCY + 9]


def test_a_clamped_rate_falls_somewhere_in_the_tail_that_it_hides_and_has_no_phase() -> None:
    metrics = AggregateMetrics(100, 3.0, 0.61234, 1.0, 0.1)
    always_fast = Remaining(90, 90, 3.0, 1.0)

    found = {evidence.bins(metrics, always_fast, luck)[1] for luck in np.linspace(0, 1, 51).tolist()}

    assert found == {evidence.RATE + place for place in range(5, 10)}
    assert not any(evidence.FAST_PHASE <= cell < evidence.SAMPLING for cell in evidence.bins(metrics, CALM, 0.5))


def test_unnoised_rates_share_one_phase_whatever_they_are() -> None:
    phases = {tuple(bins(success=k / 100, fast=(k + 3) / 100)[3:]) for k in range(1, 96)}

    assert phases == {(evidence.SUCCESS_PHASE, evidence.FAST_PHASE)}


@pytest.mark.parametrize(("total", "cells"), [(49, 0), (130, 3), (5_001, 0)])
def test_graphs_whose_noise_cannot_be_recomputed_say_less_or_nothing(total: int, cells: int) -> None:
    assert len(bins(total=total)) == cells
    assert not any(cell < evidence.SUCCESS_PHASE for cell in bins(total=total))


def test_a_doubtful_mean_says_nothing_of_the_latency() -> None:
    doubtful = Remaining(90, 45, 3.0, 20.0)
    found = evidence.bins(AggregateMetrics(100, 3.0, 0.61234, 0.5, 0.1), doubtful, 0.5)

    assert not any(evidence.LATENCY <= cell < evidence.SUCCESS_PHASE for cell in found)


@pytest.mark.parametrize("histogram", e_process.HISTOGRAMS, ids=lambda histogram: histogram.name)
def test_no_bet_can_gain_on_average_while_the_app_is_honest(histogram: e_process.Histogram) -> None:
    worst = max(sum(bet) for bet in [*histogram.bets, (1.0,)])

    assert worst <= 1 + 1e-12
    assert sum(histogram.bounds) >= 1


@given(st.lists(st.integers(0, 30), min_size=evidence.CELLS, max_size=evidence.CELLS))
def test_one_more_graph_never_gains_on_average_whatever_came_before(counts: list[int]) -> None:
    """The supermartingale's step: the mean of E over the next bin, at its greatest chances, is at most E now."""
    now = np.array(counts)
    for histogram in e_process.HISTOGRAMS:
        places = np.arange(histogram.start, histogram.start + len(histogram.bounds))
        after = histogram.log_stake(now + np.eye(evidence.CELLS, dtype=np.int64)[places])

        gained = np.exp(after - histogram.log_stake(now)) @ np.array(histogram.bounds)

        assert gained <= 1 + 1e-9


def test_evidence_for_nothing_is_no_evidence() -> None:
    assert float(e_process.log_e([0] * evidence.CELLS)) == pytest.approx(0)


def test_the_loudest_evidence_is_named() -> None:
    counts = [0] * evidence.CELLS
    counts[evidence.SAMPLING + 1] = 5

    assert e_process.loudest(counts) == "sampling"
    assert e_process.alarms(counts)

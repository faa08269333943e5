"""Kill -9 of any part of a serving deployment, at random instants: each graph answered 200 counts exactly once."""

import random

import msgspec
import pytest
from tests.simulation.siege import Fortress, Kind
from tests.simulation.verdict import Verdict, besiege

INSTANTS = 200
_WEIGHTS = {Kind.SERVER: 2, Kind.WORKER: 3, Kind.POSTMASTER: 2, Kind.BACKEND: 2, Kind.MACHINE: 1}


def _drawn(seed: int, amount: int) -> list[Kind]:
    return random.Random(seed).choices(list(_WEIGHTS), weights=list(_WEIGHTS.values()), k=amount)


def _assert_each_counted_once(verdict: Verdict) -> None:
    print(msgspec.json.encode(verdict).decode())  # noqa: T201 - the figures, shown with -s or when it fails
    assert (verdict.lost, verdict.doubled, verdict.halved) == (0, 0, 0)
    assert verdict.unexpected == {}


@pytest.mark.timeout(180)
def test_each_graph_answered_200_counts_once_whichever_part_is_killed(fortress: Fortress) -> None:
    verdict = besiege(fortress, 11, [Kind.WORKER, Kind.BACKEND, Kind.POSTMASTER, Kind.SERVER, Kind.WORKER])

    _assert_each_counted_once(verdict)
    assert verdict.answered > 50


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_each_graph_answered_200_counts_once_over_200_instants(fortress: Fortress) -> None:
    verdict = besiege(fortress, 2026, _drawn(2026, INSTANTS))

    _assert_each_counted_once(verdict)
    assert sum(verdict.instants.values()) == INSTANTS


@pytest.mark.timeout(180)
def test_the_siege_finds_an_answer_that_is_given_before_its_commit(fortress: Fortress) -> None:
    fortress.module = "tests.simulation.planted"
    fortress.environment = {"PLANTED_BUG": "acknowledge before commit"}

    verdict = besiege(fortress, 12, [Kind.BACKEND, Kind.WORKER])

    assert verdict.lost > 0


@pytest.mark.timeout(180)
def test_the_siege_finds_a_retry_that_is_counted_again(fortress: Fortress) -> None:
    fortress.module = "tests.simulation.planted"
    fortress.environment = {"PLANTED_BUG": "count a retry again"}

    verdict = besiege(fortress, 13, [Kind.WORKER])

    assert verdict.doubled > 0

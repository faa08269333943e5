"""Frozen cohorts, from the evidence that the front door takes to what the operator decides (privacy §1)."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from tests.front_door import FrontDoor, envelope, opened
from tests.graphs import NOW, graph

from tacita.privacy import evidence
from tacita.rounds import close, cohorts
from tacita.rounds.launchers.local import LocalLauncher
from tacita.rounds.workshop import StepFailed, Workshop
from tacita.store import cohorts as table
from tacita.store import contributions, held, submissions
from tacita.store.cohorts import Evidence, Label, State
from tacita.store.connection import Connection, run_transaction
from tacita.store.errors import StoreError

_Result = TypeVar("_Result")
COHORT = Label("1.4.0", "granite-3b-v1")
OTHER_VERSION = "1.5.0"


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        yield door


def device(number: int) -> str:
    return f"{number:064x}"


def submitted(front: FrontDoor, number: int, value: dict[str, Any] | None = None, **claims: Any) -> int:
    """Enrol a device on its first submission; return the answer's status."""
    if not front.rows(f"SELECT 1 FROM devices WHERE device = decode('{device(number)}', 'hex')"):  # noqa: S608
        front.enrol(device=device(number))
    sent = graph(number, 20) if value is None else value
    return front.submit(envelope(sent | {"deviceIdHash": device(number)}, device=device(number), **claims)).status_code


def with_constant_noise(number: int) -> dict[str, Any]:
    value = graph(number, 90)
    nodes = value["nodes"]
    fast = np.mean([node["modelUsed"] == "fast" for node in nodes])
    seconds = np.mean([node["responseTime"] for node in nodes])
    value["aggregateMetrics"] |= {
        "totalInteractions": 100,
        "fastModelUsage": fast + 0.0317123,
        "avgResponseTime": seconds + 0.317123,
    }
    return value


def with_shop(front: FrontDoor, work: Callable[[Workshop], Awaitable[_Result]], round_size: int = 2) -> _Result:
    door = front.door
    none = LocalLauncher(1)
    shop = Workshop(door.pool, door.keyring, door.blobs, none, Path("/nowhere"), round_size, door.clock)

    async def run() -> _Result:
        return await work(shop)

    return front.runner.run(run())


def in_transaction(front: FrontDoor, work: Callable[[Connection], Awaitable[_Result]]) -> _Result:
    return with_shop(front, lambda shop: run_transaction(shop.pool, work))


def freeze(front: FrontDoor, label: Label = COHORT) -> None:
    """Put 40 graphs of one noise into a cohort's evidence, and let it be judged."""

    async def accuse(connection: Connection) -> None:
        number = (await table.numbers(connection, [label], front.now))[label]
        counts = [0] * evidence.CELLS
        counts[evidence.RATE + 3] = 40
        await submissions.record(connection, 1, [], (0, 0), {number: Evidence(40, counts)}, [], front.now)

    in_transaction(front, accuse)
    assert with_shop(front, cohorts.judge) == [label]


def round_of(front: FrontDoor) -> tuple[int, int]:
    """Return how many devices the collecting round has, by its counter and by its rows."""

    async def count(connection: Connection) -> int:
        return await contributions.count(connection, 1)

    return in_transaction(front, count), len(front.counted())


def test_a_cohort_of_constant_noise_is_frozen_and_what_was_counted_stays_counted(front: FrontDoor) -> None:
    answers = [submitted(front, number, with_constant_noise(number)) for number in range(16)]

    frozen = with_shop(front, cohorts.judge)

    assert answers == [200] * 16
    assert frozen == [COHORT]
    assert round_of(front) == (16, 16)
    assert with_shop(front, cohorts.judge) == []


def test_an_honest_cohort_is_not_frozen(front: FrontDoor) -> None:
    for number in range(16):
        submitted(front, number, graph(number, 90))

    assert with_shop(front, cohorts.judge) == []


def test_a_device_speaks_once_a_round_however_much_it_sends(front: FrontDoor) -> None:
    for seed in range(5):
        submitted(front, 1, graph(seed, 10))
    submitted(front, 1, graph(0, 10))

    [(_, found)] = in_transaction(front, table.everything)
    assert found.graphs == 1


def test_a_frozen_cohorts_graphs_are_answered_and_held_and_not_counted(front: FrontDoor) -> None:
    freeze(front)

    answers = [submitted(front, number) for number in (1, 2, 2)]
    other = submitted(front, 3, appVersion=OTHER_VERSION)

    assert [*answers, other] == [200] * 4
    assert round_of(front) == (1, 1)
    assert in_transaction(front, held.counts) == {1: 2}


def test_cleared_before_the_round_closes_the_held_graphs_count_once(front: FrontDoor) -> None:
    submitted(front, 1, graph(101, 20), appVersion=OTHER_VERSION)
    freeze(front)
    for number in (1, 2):
        submitted(front, number)

    devices = with_shop(front, lambda shop: cohorts.clear(shop, COHORT))
    again = [submitted(front, number) for number in (1, 2, 3)]

    assert (devices, again) == (2, [200] * 3)
    assert round_of(front) == (3, 3)
    assert sorted(counts.nodes for counts in front.counted()) == [20, 20, 40]
    assert in_transaction(front, held.counts) == {}
    with pytest.raises(StepFailed, match="cleared"):
        with_shop(front, lambda shop: cohorts.clear(shop, COHORT))


def test_a_cleared_cohort_is_not_frozen_again_by_the_same_evidence(front: FrontDoor) -> None:
    freeze(front)
    with_shop(front, lambda shop: cohorts.clear(shop, COHORT))

    assert with_shop(front, cohorts.judge) == []


def test_a_held_graph_never_lifts_a_device_over_the_node_limit(front: FrontDoor) -> None:
    freeze(front)
    submitted(front, 1, graph(1, 60))
    submitted(front, 1, graph(2, 60))
    submitted(front, 1, graph(3, 90), appVersion=OTHER_VERSION)

    with_shop(front, lambda shop: cohorts.clear(shop, COHORT))

    assert [counts.nodes for counts in front.counted()] == [90]


def test_a_refused_cohorts_graphs_are_erased_and_later_ones_refused_by_rule_and_field(front: FrontDoor) -> None:
    freeze(front)
    submitted(front, 1)

    devices = with_shop(front, lambda shop: cohorts.refuse(shop, COHORT))
    front.enrol(device=device(2))
    answer = front.submit(envelope(graph(2, 20, device(2)), device=device(2)))

    assert devices == 1
    assert (answer.status_code, answer.json()["violations"]) == (
        403,
        [{"rule": "cohort_refused", "field": "appVersion"}],
    )
    assert round_of(front) == (0, 0)
    assert in_transaction(front, held.counts) == {}


def test_the_retry_of_a_graph_accepted_before_is_still_answered_200(front: FrontDoor) -> None:
    front.enrol(device=device(1))
    body = envelope(graph(1, 20, device(1)), device=device(1))
    front.submit(body)
    freeze(front)
    with_shop(front, lambda shop: cohorts.refuse(shop, COHORT))

    assert front.submit(body).status_code == 200


@pytest.mark.parametrize("ends", [close.close_if_full, lambda shop: close.abandon(shop, "enough")])
def test_what_is_undecided_when_the_round_ends_is_erased(
    front: FrontDoor, ends: Callable[[Workshop], Awaitable[int | None]]
) -> None:
    for number in (1, 2):
        submitted(front, number, appVersion=OTHER_VERSION)
    freeze(front)
    submitted(front, 3)

    with_shop(front, ends)

    assert in_transaction(front, held.counts) == {}
    assert with_shop(front, lambda shop: cohorts.clear(shop, COHORT)) == 0
    assert round_of(front)[1] == 0


def test_only_a_known_cohort_that_was_frozen_can_be_decided_on(front: FrontDoor) -> None:
    submitted(front, 1)

    with pytest.raises(StoreError, match="no cohort"):
        with_shop(front, lambda shop: cohorts.clear(shop, Label("9.9", "granite-3b-v1")))
    with pytest.raises(StepFailed, match="tested"):
        with_shop(front, lambda shop: cohorts.refuse(shop, COHORT))


def test_devices_that_make_versions_up_share_one_cohort_in_the_end(
    front: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MOST_A_DAY", 3)

    for number in range(6):
        submitted(front, number, appVersion=f"made.up.{number}")
    front.now += timedelta(days=1, minutes=1)
    submitted(front, 7, graph(7, 20, now=front.now), appVersion="made.up.7")

    found = [(cohort.label.app_version, seen.graphs) for cohort, seen in in_transaction(front, table.everything)]
    assert found == [("made.up.0", 1), ("made.up.1", 1), ("made.up.2", 1), ("other", 3), ("made.up.7", 1)]


def test_evidence_adds_up_over_batches_and_workers(front: FrontDoor) -> None:
    async def add(connection: Connection) -> None:
        number = (await table.numbers(connection, [COHORT], NOW))[COHORT]
        for shard, cell in ((0, 1), (0, 1), (7, 2)):
            counts = [0] * evidence.CELLS
            counts[cell] = 5
            await submissions.record(connection, 1, [], (shard, 0), {number: Evidence(5, counts)}, [], NOW)

    in_transaction(front, add)

    [(cohort, found)] = in_transaction(front, table.everything)
    assert (cohort.state, found.graphs, found.counts[:4]) == (State.TESTED, 15, [0, 10, 5, 0])


def test_a_cohort_that_nobody_decided_on_is_forgotten_in_time_and_a_decision_is_not(front: FrontDoor) -> None:
    freeze(front)
    submitted(front, 1, appVersion=OTHER_VERSION)

    forgotten = in_transaction(front, lambda connection: table.forget(connection, NOW + timedelta(days=1)))

    assert forgotten == 1
    assert [cohort.label for cohort, _ in in_transaction(front, table.everything)] == [COHORT]

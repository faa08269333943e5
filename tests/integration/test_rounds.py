"""The walk of a round on a real database, with the real trainer: each step once, whatever happens in between."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg.types.json import Jsonb
from tests.graphs import NOW
from tests.packs import pack_bytes
from tests.walk import SIZE, Walk, begun

from tacita.crypto import round_secrets
from tacita.models.approval import NotApproved
from tacita.models.policy_pack import PACK_FORMAT
from tacita.privacy import mechanism, policy
from tacita.rounds import close, driver, publish, release
from tacita.rounds.launchers.local import LocalLauncher
from tacita.rounds.workshop import StepFailed, Workshop
from tacita.store import ledger, ledger_proof, registry, releases, rounds
from tacita.store.connection import Connection, run_transaction
from tacita.store.errors import StoreError
from tacita.store.registry import Model
from tacita.store.rounds import State
from tacita.store.sealing import ledger_tag


@pytest.fixture
def walk(database: str, tmp_path: Path) -> Walk:
    return begun(database, tmp_path)


def test_a_round_closes_at_enough_distinct_devices_and_not_before(walk: Walk) -> None:
    walk.contribute(SIZE - 1)
    assert walk.do(close.close_if_full) is None

    walk.contribute(1, first=SIZE)

    assert walk.do(close.close_if_full) == 1
    assert (walk.state(1), walk.state(2)) == (State.CLOSED, State.COLLECTING)


def test_a_release_charges_every_device_and_leaves_nothing_of_its_contributions(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)

    walk.do(lambda shop: release.release_round(shop, 1))

    assert walk.state(1) is State.RELEASED
    assert walk.rows("SELECT count(*) FROM contributions") == [(0,)]
    assert walk.rows("SELECT sealed_key FROM rounds WHERE round = 1") == [(None,)]
    assert walk.rows("SELECT nano_rho, count(*) FROM ledger GROUP BY 1") == [(policy.ROUND_CHARGE, SIZE)]
    assert walk.transaction(ledger_proof.prove).findings == ()


def test_a_second_release_of_the_same_round_does_nothing(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)
    walk.do(lambda shop: release.release_round(shop, 1))
    first = walk.rows("SELECT digest FROM releases")

    walk.do(lambda shop: release.release_round(shop, 1))

    assert walk.rows("SELECT digest FROM releases") == first
    assert walk.rows("SELECT count(*) FROM ledger") == [(SIZE,)]


def test_a_release_that_dies_before_its_commit_leaves_everything_as_it_was(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)

    async def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(releases, "add_draw", die)
        with pytest.raises(KeyboardInterrupt):
            walk.do(lambda shop: release.release_round(shop, 1))

    assert walk.state(1) is State.CLOSED
    assert walk.rows("SELECT (SELECT count(*) FROM contributions), (SELECT count(*) FROM ledger)") == [(SIZE, 0)]


def test_devices_that_cannot_pay_are_left_out_and_too_few_abandon_the_round(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)

    async def spend(shop: Workshop) -> None:
        tag = ledger_tag(shop.keyring.ledger_key(), (0).to_bytes(32))
        spent = NOW - timedelta(days=10)
        await run_transaction(shop.pool, lambda c: ledger.charge(c, [tag], 2, policy.BUDGET_CAP, spent))

    walk.do(spend)

    walk.do(lambda shop: release.release_round(shop, 1))

    assert walk.state(1) is State.ABANDONED
    assert walk.rows("SELECT count(*) FROM ledger WHERE round = 1") == [(0,)]
    assert walk.rows("SELECT count(*) FROM contributions") == [(0,)]


def test_an_abandoned_round_is_scrubbed_and_charges_nothing(walk: Walk) -> None:
    walk.contribute(SIZE - 2)

    walk.do(lambda shop: close.abandon(shop, "a test"))

    assert (walk.state(1), walk.state(2)) == (State.ABANDONED, State.COLLECTING)
    assert walk.rows("SELECT (SELECT count(*) FROM contributions), (SELECT count(*) FROM ledger)") == [(0, 0)]


def test_a_closed_round_can_be_abandoned_also_when_its_secret_is_lost(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)
    round_secrets.destroy(walk.folder / "keys", 1)
    with pytest.raises(StoreError, match="secret of round 1 is destroyed or missing"):
        walk.do(lambda shop: release.release_round(shop, 1))

    walk.do(lambda shop: release.abandon_unreleased(shop, 1, "its secret is lost"))

    assert walk.state(1) is State.ABANDONED
    assert walk.rows("SELECT (SELECT count(*) FROM contributions), (SELECT count(*) FROM ledger)") == [(0, 0)]


def test_a_draw_that_can_never_be_revealed_can_be_abandoned_and_stays_paid_for(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)

    async def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(releases, "reveal", die)
        with pytest.raises(KeyboardInterrupt):
            walk.do(lambda shop: release.release_round(shop, 1))
    with pytest.raises(StepFailed, match="is released"):
        walk.do(lambda shop: release.abandon_unreleased(shop, 1, "too early"))
    round_secrets.destroy(walk.folder / "keys", 1)

    walk.do(lambda shop: release.abandon_unreleased(shop, 1, "its secret is lost"))

    assert walk.state(1) is State.ABANDONED
    assert walk.transaction(releases.everything) == []
    assert walk.transaction(ledger_proof.prove).findings == ()


def test_what_was_released_cannot_be_abandoned(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)
    walk.do(lambda shop: release.release_round(shop, 1))

    with pytest.raises(StepFailed, match="round 1 is released"):
        walk.do(lambda shop: release.abandon_unreleased(shop, 1, "too late"))


def test_a_model_that_is_not_measurably_better_ends_its_round_and_cannot_be_signed(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(3)  # one draw, since a draw in forty makes six devices look like a gain

    def drawn_before(cells: Sequence[int], sigma: int) -> list[int]:
        return [cell + round(noise.normal(0, sigma)) for cell in cells]

    monkeypatch.setattr(mechanism, "discrete_gaussian", drawn_before)
    walk.contribute(SIZE)

    assert walk.do(driver.drive_to_end) == [1]

    [(state, reason)] = walk.rows("SELECT state, reason FROM rounds WHERE round = 1")
    assert (state, reason[:21]) == ("abandoned", "not measurably better")
    rejected = walk.transaction(lambda connection: registry.get(connection, "granite-3b-v2"))
    assert rejected is not None
    assert rejected.state == "rejected"
    with pytest.raises(NotApproved, match="can't be signed"):
        walk.do(lambda shop: publish._sign(shop, rejected))


@pytest.mark.parametrize("evaluation", [None, {}, {"better": False}, {"better": "yes"}])
def test_a_candidate_without_a_passed_evaluation_cannot_be_signed(
    walk: Walk, evaluation: dict[str, Any] | None
) -> None:
    genesis = walk.transaction(lambda connection: registry.get(connection, "granite-3b-v1"))
    assert genesis is not None
    candidate = replace(genesis, version="granite-3b-v2", number=2, base_version=genesis.version, round=1)

    async def add(connection: Connection) -> None:
        await registry.add_candidate(connection, candidate)
        await connection.execute(
            "UPDATE models SET evaluation = %s WHERE version = %s",
            [None if evaluation is None else Jsonb(evaluation), candidate.version],
        )

    walk.transaction(add)
    before = walk.do(lambda shop: shop.blobs.get_named("metadata/timestamp.json"))

    with pytest.raises(NotApproved, match="can't be signed"):
        walk.do(lambda shop: publish._sign(shop, candidate))

    assert walk.do(lambda shop: shop.blobs.get_named("metadata/timestamp.json")) == before


def test_two_drivers_at_once_make_one_release(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)

    async def twice(shop: Workshop) -> None:
        await asyncio.gather(release.release_round(shop, 1), release.release_round(shop, 1))

    walk.do(twice)

    assert walk.rows("SELECT (SELECT count(*) FROM releases), (SELECT count(*) FROM ledger)") == [(1, SIZE)]


def test_only_one_driver_drives(walk: Walk) -> None:
    async def both(shop: Workshop) -> tuple[bool, bool]:
        async with rounds.driving(shop.pool) as first, rounds.driving(shop.pool) as second:
            return first, second

    assert walk.do(both) == (True, False)


def test_training_that_fails_leaves_the_round_where_it_was_with_the_trainers_last_line(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)
    walk.do(lambda shop: release.release_round(shop, 1))

    async def without_time(shop: Workshop) -> None:
        await driver.step(replace(shop, launcher=LocalLauncher(0.01)))

    with pytest.raises(Exception, match=r"took longer than"):
        walk.do(without_time)

    assert walk.state(1) is State.RELEASED


def test_a_published_model_brings_a_signed_delta_from_the_one_before(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)
    walk.do(lambda shop: release.release_round(shop, 1))
    data = pack_bytes("granite-3b-v2")

    async def publish_twice(shop: Workshop) -> None:
        digest = await shop.blobs.put(data)
        made = Model(
            "granite-3b-v2", 2, "granite-3b-v1", 1, "candidate", PACK_FORMAT, digest, len(data), NOW, None, None, []
        )

        async def judged(connection: Connection) -> None:
            await registry.add_candidate(connection, made)
            await registry.judge(connection, made.version, {"better": True}, [], better=True)
            await rounds.advance(connection, 1, State.RELEASED, State.EVALUATED, NOW)

        await run_transaction(shop.pool, judged)
        current = await run_transaction(shop.pool, lambda connection: rounds.get(connection, 1))
        assert current is not None
        await publish.publish(shop, current)
        await publish.publish(shop, current)

    walk.do(publish_twice)

    [(version, base, size)] = walk.rows("SELECT version, base_version, size_bytes FROM deltas")
    assert (version, base) == ("granite-3b-v2", "granite-3b-v1")
    assert size < len(data)
    [delta] = (walk.folder / "blobs" / "named" / "targets").glob("*.granite-3b-v2.from.granite-3b-v1.delta")
    assert delta.stat().st_size == size

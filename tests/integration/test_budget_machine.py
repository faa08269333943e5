"""No sequence of submissions, rounds, crashes, withdrawals and re-enrolments overspends any device's window.

A state machine does what devices, the driver and accidents can do, on the real application and a real PostgreSQL, over
years of an injected clock. The cap is three rounds, so that it is reached all the time.
"""

import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from psycopg.conninfo import make_conninfo
from tests import front_door
from tests.conftest import fresh_database
from tests.faults import Crash, Faults, end_backend, raise_crash
from tests.front_door import ENROL, SUBMIT, FrontDoor, envelope, opened, sound
from tests.graphs import NOW
from tests.walk import Walk

from tacita.crypto.envelope import sign
from tacita.models import trust
from tacita.privacy import policy
from tacita.protocol.dates import apple_seconds
from tacita.rounds import close, release
from tacita.rounds.workshop import Workshop
from tacita.store import ledger_proof
from tacita.store.connection import run_transaction
from tacita.store.errors import StoreUnavailable
from tacita.store.postgres import EmbeddedPostgres

ROUND_SIZE, CAP = 2, 3
DEVICES = [f"{number:064x}" for number in range(1, 5)]
KEYS = [bytes([number]) * 32 for number in (1, 2)]
who = st.sampled_from(DEVICES)
crashes = st.one_of(st.just(0), st.integers(1, 25))
"""Before which statement a crash comes; 0: none."""


class Deployment(RuleBasedStateMachine):
    """What may happen to a deployment; what the ledger then says is checked after each step."""

    open: Callable[[], Iterator[tuple[FrontDoor, Walk, Faults]]]
    released_in_all = 0
    refused_in_all = 0

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.front, self.walk, self.faults = self._stack.enter_context(contextmanager(type(self).open)())
        self.keys: dict[str, bytes] = {}
        self.seed = 0

    def teardown(self) -> None:
        type(self).released_in_all += len(self.front.rows("SELECT round FROM releases"))
        self._stack.close()

    def _post(self, path: str, body: dict[str, object], crash: int = 0) -> int:
        self.faults.sent.clear()
        self.faults.fault, self.faults.at = end_backend, crash
        try:
            return self.front.post(path, json.dumps(body).encode()).status_code
        finally:
            self.faults.at = 0

    @rule(days=st.one_of(st.floats(0.01, 40), st.floats(100, 400)))
    def time_passes(self, days: float) -> None:
        self.front.now += timedelta(days=days)

    @rule(device=who, key=st.sampled_from(KEYS))
    def enrol(self, device: str, key: bytes) -> None:
        self.enrol_with(device, key)

    def enrol_with(self, device: str, key: bytes) -> None:
        if self._post(ENROL, self.front.enrolment(key, device)) == 201:
            self.keys[device] = key

    def _submit(self, device: str, crash: int) -> None:
        self.seed += 1
        graph = sound(self.seed, device=device, now=self.front.now)
        status = self._post(SUBMIT, envelope(graph, self.keys.get(device, KEYS[0]), device), crash)
        assert status in {200, 401, 429, 503}
        type(self).refused_in_all += status == 429

    @rule(device=who, crash=crashes)
    def submit(self, device: str, crash: int) -> None:
        self._submit(device, crash)

    def _everybody_submits(self) -> None:
        self.front.now += timedelta(minutes=30)  # so that nobody is too fast
        for device in DEVICES:
            if device not in self.keys:
                self.enrol_with(device, KEYS[0])
            self._submit(device, 0)

    @rule(crash=crashes)
    def everybody_submits_and_the_round_closes(self, crash: int) -> None:
        self._everybody_submits()
        self._drive(close.close_if_full, crash)

    @rule(crash=crashes)
    def a_round_is_walked(self, crash: int) -> None:
        self._everybody_submits()
        self._drive(close.close_if_full, 0)
        self._release_oldest(crash)

    @rule(crash=crashes, days=st.floats(1, 30))
    def some_days_later_another_round_is_walked(self, crash: int, days: float) -> None:
        self.front.now += timedelta(days=days)
        self.a_round_is_walked(crash)

    @rule(closed=st.integers(2, CAP + 1), crash=crashes)
    def rounds_close_while_the_driver_is_away(self, closed: int, crash: int) -> None:
        for _ in range(closed):
            self._everybody_submits()
            self._drive(close.close_if_full, 0)
        for _ in range(closed):
            self._release_oldest(crash)

    @rule(device=who, crash=crashes)
    def withdraw(self, device: str, crash: int) -> None:
        self.front.now += timedelta(seconds=1)
        timestamp, key = apple_seconds(self.front.now), self.keys.get(device, KEYS[0])
        text = f"tacita/withdraw/1|{device}|{json.dumps(timestamp)}"
        body: dict[str, object] = {
            "deviceIdHash": device,
            "timestamp": timestamp,
            "signature": sign(key, text.encode()),
        }
        status = self._post("/api/v1/devices/withdraw", body, crash)
        assert status in {200, 401, 503}
        if status == 503:  # it may have been committed; the same request tells
            status = self._post("/api/v1/devices/withdraw", body)
        if status == 200:
            self.keys.pop(device, None)

    def _drive(self, step: Callable[[Workshop], Coroutine[Any, Any, object]], crash: int) -> None:
        self.walk.now = self.front.now
        shop = replace(self.walk.shop(self.front.door.pool), round_size=ROUND_SIZE)
        self.faults.sent.clear()
        self.faults.fault, self.faults.at = raise_crash, crash
        try:
            self.front.runner.run(step(shop))
        except (Crash, StoreUnavailable):
            pass
        finally:
            self.faults.at = 0

    @rule(crash=crashes)
    def the_driver_releases_the_oldest_closed_round(self, crash: int) -> None:
        self._release_oldest(crash)

    def _release_oldest(self, crash: int) -> None:
        [(number,)] = self.front.rows("SELECT coalesce(min(round), 0) FROM rounds WHERE state = 'closed'")
        if number:
            self._drive(partial(release.release_round, number=number), crash)

    @rule()
    def the_driver_reveals_what_a_crash_left(self) -> None:
        for (number,) in self.front.rows("SELECT round FROM releases WHERE vector IS NULL"):
            self._drive(partial(release.reveal, number=number), 0)

    @invariant()
    def no_window_is_overspent(self) -> None:
        charges: dict[bytes, list[tuple[datetime, int]]] = {}
        for tag, when, amount in self.front.rows("SELECT tag, charged_at, nano_rho FROM ledger"):
            charges.setdefault(bytes(tag), []).append((when, amount))
        for history in charges.values():
            for end, _ in history:
                spent = sum(amount for when, amount in history if end - policy.BUDGET_WINDOW < when <= end)
                assert spent <= policy.BUDGET_CAP
        assert len(charges) <= len(DEVICES), "a device has one name in the ledger, whatever it does"

    @invariant()
    def every_release_is_paid_for_by_each_of_its_devices(self) -> None:
        proof = self.front.runner.run(run_transaction(self.front.door.pool, ledger_proof.prove))
        assert proof.findings == ()

    @invariant()
    def what_is_counted_is_there(self) -> None:
        counted = self.front.rows(
            "SELECT coalesce(sum(devices), 0)::int FROM round_devices JOIN rounds USING (round)"
            " WHERE state IN ('collecting', 'closed')"
        )
        assert counted == self.front.rows("SELECT count(*)::int FROM contributions")


def _machine(
    server: EmbeddedPostgres, template: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> type[Deployment]:
    monkeypatch.setattr(policy, "BUDGET_CAP", CAP * policy.ROUND_CHARGE)
    numbers = iter(range(1_000_000))

    def opening() -> Iterator[tuple[FrontDoor, Walk, Faults]]:
        here = folder / str(next(numbers))
        here.mkdir()
        with contextmanager(fresh_database)(server, template) as dsn:
            faults = Faults(make_conninfo(dsn))
            monkeypatch.setattr(front_door, "open_pool", faults.pool)
            with opened(dsn, here) as front:
                for role, secret in trust.generate_role_keys().items():
                    front.door.keyring.put(f"tuf-{role}", secret)
                front.now = NOW
                yield front, Walk(dsn, here), faults

    return type("OneDeployment", (Deployment,), {"open": staticmethod(opening)})


def _run(machine: type[Deployment], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_sequence_of_events_overspends_a_window(
    postgres: EmbeddedPostgres, migrated_template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = _machine(postgres, migrated_template, tmp_path, monkeypatch)

    _run(machine, examples=4, steps=20)

    assert machine.released_in_all >= 5
    assert machine.refused_in_all >= 1, "the cap must have been reached"


@pytest.mark.slow
@pytest.mark.timeout(1_500)
def test_no_long_sequence_of_events_overspends_a_window(
    postgres: EmbeddedPostgres, migrated_template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = _machine(postgres, migrated_template, tmp_path, monkeypatch)

    _run(machine, examples=25, steps=40)

    assert machine.released_in_all >= 60
    assert machine.refused_in_all >= 20

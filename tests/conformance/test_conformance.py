"""Conformance passes against our server, and fails, with a clear line, against one with any single clause broken."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from tests.conformance.mutants import BROKEN, Broken
from tests.conformance.served import Mutant, serving, untouched

from tacita.cli.init import make_deployment
from tacita.clock import system_clock
from tacita.device.conformance.check import Verdict
from tacita.device.conformance.play import play
from tacita.device.conformance.probe import Probe
from tacita.store import withdrawals
from tacita.store.connection import Connection

WIDE = {"COLUMNS": "250"}


@dataclass
class Server:
    url: str
    mutant: Mutant

    def verdicts(self) -> list[Verdict]:
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as http:
            return list(play(Probe(http, system_clock)))

    def failures(self) -> list[tuple[str, str, str]]:
        return [(verdict.clause, verdict.name, verdict.reason) for verdict in self.verdicts() if not verdict.holds]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    deployment = make_deployment(tmp_path_factory.mktemp("conformance") / "deployment", round_size=1_000)
    with deployment.database() as database, serving(deployment, database.dsn) as (url, mutant):
        yield Server(url, mutant)


@pytest.fixture
def server(served: Server) -> Iterator[Server]:
    yield served
    served.mutant.coming = served.mutant.going = untouched


def test_our_server_keeps_every_clause(server: Server) -> None:
    assert server.failures() == []


OFTEN = {"1.2", "2.3", "2.6", "4", "6.2"}
"""Of these clauses the mutants are played in every run of the suite, of the others by `make test-slow`."""


@pytest.mark.parametrize(
    "broken",
    [pytest.param(each, marks=() if each.clause in OFTEN else pytest.mark.slow) for each in BROKEN],
    ids=lambda broken: f"{broken.clause} {broken.how}",
)
def test_a_server_that_breaks_one_clause_fails_by_its_line_and_by_no_other(server: Server, broken: Broken) -> None:
    server.mutant.coming, server.mutant.going = broken.coming, broken.going

    failures = server.failures()

    assert {name for _, name, _ in failures} == broken.noticed_by
    assert broken.clause in {clause for clause, _, _ in failures}
    assert all(reason and "\n" not in reason for _, _, reason in failures)


@pytest.mark.slow
def test_a_server_that_confirms_a_withdrawal_and_erases_nothing_is_noticed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_connection: Connection, _device: bytes) -> int:
        return 0

    monkeypatch.setattr(withdrawals, "erase_device", nothing)

    assert {(clause, name) for clause, name, _ in server.failures()} == {
        ("5.5", "after a withdrawal the device's key is gone")
    }


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "tacita", "conformance", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False, env=os.environ | WIDE)


def test_the_command_shows_what_fails_and_ends_with_1(server: Server) -> None:
    server.mutant.going = next(each.going for each in BROKEN if each.clause == "5.1")

    result = command(server.url)

    [line] = [line for line in result.stdout.splitlines() if "FAILS" in line]
    assert result.returncode == 1
    assert [cell.strip() for cell in line.strip("│ ").split("│")] == [
        "§5.1",
        "keys may be cached",
        "FAILS",
        "keys may not be cached: Cache-Control is ''",
    ]


def test_the_command_prints_json_and_ends_with_0_when_all_holds(server: Server) -> None:
    result = command(server.url, "--json")

    verdicts = json.loads(result.stdout)
    assert result.returncode == 0
    assert {verdict["holds"] for verdict in verdicts} == {True}
    assert {"1.1", "2.6", "5.3", "6.2"} < {verdict["clause"] for verdict in verdicts}


def test_a_server_that_is_not_there_is_one_line() -> None:
    result = command("http://127.0.0.1:9")

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "error: http://127.0.0.1:9 does not answer: ConnectError\n"

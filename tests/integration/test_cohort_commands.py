"""`tacita privacy cohort`: the operator sees what was frozen and why, and decides."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tacita.cli import app
from tacita.cli.parts import with_workshop
from tacita.errors import TacitaError
from tacita.privacy import evidence
from tacita.rounds import cohorts
from tacita.rounds.workshop import Workshop
from tacita.store import cohorts as table
from tacita.store import submissions
from tacita.store.cohorts import Evidence, Label
from tacita.store.connection import Connection, run_transaction

FROZEN, HONEST = Label("1.4.0", "granite-3b-v1"), Label("1.5.0", "granite-3b-v1")


def _said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["privacy", "cohort", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a deployment in which one cohort doesn't sample and one is honest."""
    folder = tmp_path_factory.mktemp("cohorts") / "deployment"
    assert CliRunner().invoke(app, ["init", str(folder), "--round-size", "5"]).exit_code == 0

    async def work(shop: Workshop) -> None:
        async def accuse(connection: Connection) -> None:
            now = shop.clock()
            numbers = await table.numbers(connection, [FROZEN, HONEST], now)
            for label, kept_all in ((FROZEN, 1), (HONEST, 0)):
                counts = [0] * evidence.CELLS
                counts[evidence.SAMPLING + kept_all] = 6
                said = {numbers[label]: Evidence(6, counts)}
                await submissions.record(connection, 1, [], (0, 0), said, [], now)

        await run_transaction(shop.pool, accuse)
        await cohorts.judge(shop)

    with_workshop(folder, work)
    return folder


def test_the_list_says_how_strong_the_evidence_is_and_what_it_is(deployment: Path) -> None:
    listed = json.loads(_said("list", str(deployment), "--json"))

    states = {each["app_version"]: (each["graphs"], each["log10_e"] >= 4, each["loudest"]) for each in listed}
    assert states["1.4.0"] == (6, True, "sampling")
    assert states["1.5.0"][:2] == (6, False)
    assert "1.4.0" in _said("list", str(deployment))


def test_a_decision_is_carried_out_and_can_be_revised(deployment: Path) -> None:
    refused = _said("refuse", str(deployment), *FROZEN)
    cleared = _said("clear", str(deployment), *FROZEN)

    [state] = [e["state"] for e in json.loads(_said("list", str(deployment), "--json")) if e["app_version"] == "1.4.0"]
    assert ("is refused" in refused, "is cleared" in cleared, state) == (True, True, "cleared")


def test_a_cohort_that_was_not_frozen_is_not_decided_on(deployment: Path) -> None:
    with pytest.raises(TacitaError, match="tested"):
        _said("clear", str(deployment), *HONEST)

"""`tacita privacy report`: the figures of chosen releases as a table, as JSON and as a picture."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests import worlds
from tests.walk import add_release
from typer.testing import CliRunner

from tacita import config
from tacita.cli import app
from tacita.cli.init import make_deployment
from tacita.clock import system_clock
from tacita.fleet.world import World
from tacita.models.genesis import genesis_pack
from tacita.privacy import policy, release
from tacita.store import rounds
from tacita.store.connection import Connection, open_pool, run_transaction
from tacita.store.rounds import State

DEVICES = 1_000


def _release(number: int) -> release.Release:
    world = World.drawn(8)
    vector = worlds.release(world, genesis_pack(), number, 8).vector
    statement = release.Statement(
        round=number,
        devices=DEVICES,
        epsilon=1.0,
        delta=policy.DELTA,
        nano_rho=policy.ROUND_CHARGE,
        sigma=worlds.SIGMA,
        clip_norm=policy.CLIP_NORM,
        policy_hash=policy.policy_hash(),
    )
    return release.Release(statement, list(vector))


async def _fill(dsn: str) -> None:
    async def add(connection: Connection) -> None:
        await rounds.advance(connection, 1, State.COLLECTING, State.CLOSED, system_clock())
        await rounds.open_next(connection, 2, b"sealed", system_clock())
        for number in (1, 2):
            await add_release(connection, _release(number), system_clock())

    async with open_pool(dsn, 1) as pool:
        await run_transaction(pool, add)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[int, str]]:
    """Return a call of the command on a deployment with two releases: its exit code and output."""
    folder = tmp_path_factory.mktemp("report") / "deployment"
    make_deployment(folder, DEVICES)
    with config.load(folder).database() as database:
        asyncio.run(_fill(database.dsn))

    def call(*arguments: str) -> tuple[int, str]:
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["privacy", "report", str(folder), *arguments])
        return result.exit_code, result.stdout + str(result.exception or "")

    return call


def test_the_newest_release_is_reported_as_a_table_that_names_its_targets(
    report: Callable[..., tuple[int, str]],
) -> None:
    code, text = report()

    assert code == 0
    assert "rounds: 2; devices: 1,000; % with 95 % intervals" in text
    assert "escalated to the online model" in text
    assert "cohort: the share in these devices' clipped, weighted contributions" in text


def test_releases_add_up_to_narrower_intervals_for_the_cohort(report: Callable[..., tuple[int, str]]) -> None:
    one, both = (json.loads(report(*chosen, "--json")[1]) for chosen in (("--round", "1"), ("--last", "2")))

    widths = [
        np.array([figure["share"]["cohort"]["high"] - figure["share"]["cohort"]["low"] for figure in made["figures"]])
        for made in (one, both)
    ]
    assert (one["rounds"], both["rounds"]) == ([1], [1, 2])
    assert np.median(widths[1] / widths[0]) == pytest.approx(1 / np.sqrt(2), abs=0.1)


@pytest.mark.parametrize("name", ["report.png", "report.svg"])
def test_the_report_is_drawn(report: Callable[..., tuple[int, str]], tmp_path: Path, name: str) -> None:
    code, _ = report("--picture", str(tmp_path / name))

    assert code == 0
    assert (tmp_path / name).stat().st_size > 20_000


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("--round", "9"), 1, "round 9 has no release"),
        (("--round", "1", "--last", "2"), 2, ""),
        (("--picture", "report.doc"), 2, ""),
    ],
)
def test_what_cannot_be_reported_is_said(
    report: Callable[..., tuple[int, str]], arguments: tuple[str, ...], code: int, complaint: str
) -> None:
    found, text = report(*arguments)

    assert found == code
    assert complaint in text

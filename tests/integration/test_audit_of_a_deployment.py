"""`tacita privacy audit DIR`: what a deployment's releases state is checked against the mechanism's own map."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from tests.walk import add_release
from typer.testing import CliRunner

from tacita import config
from tacita.cli import app
from tacita.cli.audit import AuditFailed
from tacita.cli.init import make_deployment
from tacita.clock import system_clock
from tacita.privacy.bounding import Counts, clip
from tacita.privacy.release import Cohort, Release, release
from tacita.store.connection import Connection, open_pool, run_transaction


def _deployment(folder: Path, made: Release) -> Path:
    async def add(connection: Connection) -> None:
        await add_release(connection, made, system_clock())

    async def fill(dsn: str) -> None:
        async with open_pool(dsn, 1) as pool:
            await run_transaction(pool, add)

    make_deployment(folder, 5)
    with config.load(folder).database() as database:
        asyncio.run(fill(database.dsn))
    return folder


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_release_that_states_less_than_its_noise_costs_is_named(tmp_path: Path, share: float) -> None:
    made = release(Cohort(1, [clip(Counts.none())]), 1)
    charge = int(share * made.statement.nano_rho)
    stated = msgspec.structs.replace(made, statement=msgspec.structs.replace(made.statement, nano_rho=charge))
    folder = _deployment(tmp_path / "deployment", stated)

    result = CliRunner().invoke(app, ["privacy", "audit", str(folder), "--runs", "28", "--json"])

    [checked] = json.loads(result.stdout)["releases"]
    assert checked["round"] == 1
    assert (checked["unpaid"] == 0) == (share == 1.0)
    assert isinstance(result.exception, AuditFailed) == (share < 1.0)

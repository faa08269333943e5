"""PostgreSQL is away for ten seconds under load: 503 meanwhile, and success again with no worker restarted."""

import asyncio
import random
from pathlib import Path

import pytest
from tests.simulation.load import Load
from tests.simulation.probes import counted, ledger_names, probes
from tests.simulation.siege import Fortress

AWAY_S = 10.0
_PATIENCE_S = 20.0
"""3 s for the device's key, 10 s in a batch, and what a busy machine adds."""

_GROWTH_MIB = 40


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4_096 / 2**20


async def _through_an_outage(fortress: Fortress, load: Load) -> None:
    senders = asyncio.create_task(load.run())
    await load.served_again()
    workers = {pid: _resident_mib(pid) for pid in fortress.workers()}

    with fortress.database_down():
        await asyncio.sleep(AWAY_S)
    await load.served_again()

    assert set(fortress.workers()) == set(workers), "a worker was restarted"
    for pid, before in workers.items():
        assert _resident_mib(pid) - before < _GROWTH_MIB
    senders.cancel()
    await asyncio.gather(senders, return_exceptions=True)


@pytest.mark.timeout(180)
def test_an_outage_is_answered_503_and_ends_without_a_restart_or_a_loss(fortress: Fortress) -> None:
    load = Load(fortress.url, probes(random.Random(1)), random.Random(2), senders=48)

    with fortress.serving():
        asyncio.run(_through_an_outage(fortress, load))

    assert load.refused["503"] > load.senders / 2
    assert load.slowest_s < _PATIENCE_S, "somebody waited for longer than the outage"
    assert load.unexpected == {}
    names = ledger_names(fortress.folder, [probe.device for probe in load.begun])
    nodes = counted(fortress.folder)
    assert all(nodes[names[probe.device.id_hash], probe.cell] == probe.nodes for probe in load.answered)
    assert sum(nodes.values()) <= sum(probe.nodes for probe in load.begun)

"""Kill -9 of the whole server at any time loses no graph that was answered 200, and counts none twice."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest
from tests.small_fleet import enrol_all

from tacita import config
from tacita.cli.init import make_deployment
from tacita.cli.parts import open_workshop
from tacita.clock import system_clock
from tacita.device.recorder import export
from tacita.device.state import Device
from tacita.device.uploader import seal_submission
from tacita.fleet.world import World, user_rng
from tacita.models.genesis import genesis_pack
from tacita.store import contributions, rounds
from tacita.store.connection import Connection, run_transaction
from tacita.store.sealing import open_round_key

DEVICES, NODES, KILLS = 24, 30, 4


def _start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "tacita", "serve", str(folder), "--port", "0", "--no-driver"]
    with (folder.parent / "serve.log").open("a") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
    assert server.stdout is not None
    return server, server.stdout.readline().split()[1]


def _kill(server: subprocess.Popen[str], folder: Path, *, database_too: bool) -> None:
    if database_too:
        pid = int((next(folder.rglob("postmaster.pid"))).read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


async def _submit(url: str, bodies: dict[str, bytes], until: float) -> set[str]:
    """Submit all bodies at once for `until` seconds; return whose were answered 200."""
    accepted: set[str] = set()
    async with httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as http:

        async def one(name: str, body: bytes) -> None:
            answer = await http.post("/api/v1/learning-graphs/submit", content=body)
            if answer.status_code == httpx.codes.OK:
                accepted.add(name)

        tasks = [asyncio.create_task(one(name, body)) for name, body in bodies.items()]
        await asyncio.wait(tasks, timeout=until)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return accepted


def _counted(folder: Path) -> list[int]:
    deployment = config.load(folder)

    async def read(dsn: str) -> list[int]:
        async with open_workshop(deployment, dsn) as shop:

            async def nodes(connection: Connection) -> list[int]:
                current = await rounds.collecting(connection)
                assert current is not None
                key = open_round_key(shop.keyring, current)
                rows = await contributions.all_of(connection, current.number)
                return [key.open_contribution(tag, sealed).counts.nodes for tag, sealed in rows]

            return await run_transaction(shop.pool, nodes)

    with deployment.database() as database:
        return asyncio.run(read(database.dsn))


def _bodies(devices: list[Device]) -> dict[str, bytes]:
    world, now = World.drawn(1), system_clock()
    made = {}
    for index, device in enumerate(devices):
        device.nodes = world.interactions(user_rng(1, index, 1), genesis_pack(), 0, NODES, now)
        graph = export(device, random.Random(index), now)
        made[device.id_hash] = seal_submission(device, graph, now)
        device.nodes = device.nodes[: len(graph.nodes)]
    return made


@pytest.mark.timeout(120)
def test_kill_9_loses_no_graph_that_was_answered_200_and_counts_none_twice(tmp_path: Path) -> None:
    folder, rng = tmp_path / "deployment", random.Random(11)
    make_deployment(folder, round_size=1_000)
    devices = [Device.new(system_clock()) for _ in range(DEVICES)]
    server, url = _start(folder)
    asyncio.run(enrol_all(url, devices))
    bodies = _bodies(devices)
    answered: Counter[str] = Counter()
    for kill in range(KILLS):
        answered.update(asyncio.run(_submit(url, bodies, rng.uniform(0.02, 0.25))))
        _kill(server, folder, database_too=kill % 2 == 1)
        counted = _counted(folder)
        assert len(counted) >= len(answered), "an answered graph is gone"
        server, url = _start(folder)

    answered.update(asyncio.run(_submit(url, bodies, 30)))
    _kill(server, folder, database_too=False)

    assert len(answered) == DEVICES
    assert sorted(_counted(folder)) == sorted(len(device.nodes) for device in devices)

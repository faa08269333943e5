"""`tacita withdraw` and `tacita receipt verify` on a real server, and kill -9 of it in the middle of withdrawals."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.serving import served
from tests.small_fleet import enrol_all

from tacita import config
from tacita.cli.init import make_deployment
from tacita.clock import system_clock
from tacita.device import state, withdrawal
from tacita.device.recorder import export
from tacita.device.state import Device
from tacita.device.uploader import Uploader, seal_submission
from tacita.fleet.world import World, user_rng
from tacita.models.genesis import genesis_pack

DEVICES, KILLS = 30, 3


def _tacita(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tacita", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_device_withdraws_and_its_receipt_is_verified_offline(tmp_path: Path) -> None:
    folder, device, key = tmp_path / "deployment", tmp_path / "device", tmp_path / "receipt-key.pem"
    make_deployment(folder, round_size=50)
    with served(folder) as url:
        joined = _tacita("device", "run", url, str(device))
        left = _tacita("withdraw", url, str(device))
        refused = _tacita("withdraw", url, str(device))
    key.write_text(_tacita("receipt", "key", str(folder)).stdout)

    verified = _tacita("receipt", "verify", str(device / "receipt.json"), "--key", str(key))
    changed = device / "changed.json"
    changed.write_text(
        (device / "receipt.json").read_text().replace('"accepted_envelopes":1', '"accepted_envelopes":0')
    )
    broken = _tacita("receipt", "verify", str(changed), "--key", str(key))

    assert (joined.returncode, left.returncode, verified.returncode) == (0, 0, 0), left.stderr + verified.stderr
    assert "contributions to rounds: 1" in verified.stdout
    assert (refused.returncode, "401" in refused.stderr) == (1, True), "it is no device any more"
    assert (broken.returncode, "signature" in broken.stderr) == (1, True)
    remembered = state.load(device)
    assert remembered is not None
    assert not remembered.enrolled


async def _submit_all(url: str, devices: list[Device]) -> None:
    world, now = World.drawn(1), system_clock()
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        for index, device in enumerate(devices):
            device.nodes = world.interactions(user_rng(1, index, 1), genesis_pack(), 0, 30, now)
            graph = export(device, random.Random(index), now)
            await Uploader(http, random.Random(index)).submit(seal_submission(device, graph, now))


async def _withdraw_all(url: str, requests: dict[str, bytes], within_s: float) -> dict[str, bytes]:
    """Withdraw all at once; return the receipts that came within so many seconds."""
    receipts: dict[str, bytes] = {}
    async with httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as http:

        async def one(name: str, body: bytes) -> None:
            answer = await http.post("/api/v1/devices/withdraw", content=body)
            if answer.status_code == httpx.codes.OK:
                receipts[name] = answer.content

        tasks = [asyncio.create_task(one(name, body)) for name, body in requests.items()]
        await asyncio.wait(tasks, timeout=within_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return receipts


def _start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "tacita", "serve", str(folder), "--port", "0", "--no-driver"]
    with (folder.parent / "serve.log").open("a") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
    assert server.stdout is not None
    return server, server.stdout.readline().split()[1]


def _left(folder: Path) -> tuple[set[str], int, int]:
    """Return who is enrolled, how many contributions there are, and how many are counted."""
    with config.load(folder).database() as database, psycopg.connect(database.dsn) as connection:
        enrolled = {bytes(row[0]).hex() for row in connection.execute("SELECT device FROM devices").fetchall()}
        found = connection.execute(
            "SELECT (SELECT count(*) FROM contributions), (SELECT coalesce(sum(devices), 0)::int FROM round_devices)"
        ).fetchone()
    assert found is not None
    return enrolled, found[0], found[1]


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_kill_9_in_the_middle_of_withdrawals_finishes_or_undoes_each(tmp_path: Path) -> None:
    folder, rng = tmp_path / "deployment", random.Random(3)
    make_deployment(folder, round_size=1_000)
    devices = [Device.new(system_clock()) for _ in range(DEVICES)]
    requests = {device.id_hash: withdrawal.request(device, system_clock()) for device in devices}
    server, url = _start(folder)
    asyncio.run(enrol_all(url, devices))
    asyncio.run(_submit_all(url, devices))
    receipts: dict[str, bytes] = {}
    undone: list[int] = []
    for _ in range(KILLS):
        answered = asyncio.run(_withdraw_all(url, requests, rng.uniform(0.03, 0.2)))
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        enrolled, rows, counted = _left(folder)
        assert rows == counted == len(enrolled), "a half-done withdrawal"
        assert all(receipts.get(name, receipt) == receipt for name, receipt in answered.items())
        receipts |= answered
        assert not enrolled & set(receipts), "a receipt for what was undone"
        undone.append(len(enrolled))
        server, url = _start(folder)

    again = asyncio.run(_withdraw_all(url, requests, 30))
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()

    assert _left(folder) == (set(), 0, 0)
    assert set(again) == set(requests), "who lost the answer asks again with the same bytes"
    assert all(again[name] == receipt for name, receipt in receipts.items())
    assert undone[0] > 0

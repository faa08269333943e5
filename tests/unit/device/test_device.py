"""The reference device does what the app does (contract §3), keeps its state safe, and retries with the same bytes."""

import asyncio
import random
import stat
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tacita.device import state
from tacita.device.recorder import TooFewNodes, export
from tacita.device.state import Device, StateError
from tacita.device.uploader import RefusedByServer, ServerAway, Uploader, seal_submission
from tacita.fleet.world import World, user_rng
from tacita.models.genesis import genesis_pack
from tacita.protocol.dates import unix_seconds
from tacita.protocol.envelope import Envelope, decode_body

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ACCEPTED = {"status": "accepted", "next_model_version": "granite-3b-v2", "message": "m"}


def _device(nodes: int) -> Device:
    device = Device.new(NOW)
    device.nodes = World.drawn(1).interactions(user_rng(1, 1, 1), genesis_pack(), 0, nodes, NOW)
    return device


def test_an_export_keeps_about_nine_nodes_of_ten_and_shifts_each_within_half_an_hour() -> None:
    device = _device(1_000)
    before = {node.id: unix_seconds(node.timestamp) for node in device.nodes}

    graph = export(device, random.Random(1), NOW)

    shifts = [unix_seconds(node.timestamp) - before[node.id] for node in graph.nodes]
    assert 860 <= len(graph.nodes) <= 940
    assert -1_800 <= min(shifts) < -1_500 < 1_500 < max(shifts) <= 1_800


def test_metrics_are_of_all_nodes_and_the_exact_ones_are_exact() -> None:
    device = _device(500)

    metrics = export(device, random.Random(1), NOW).aggregate_metrics

    assert metrics.total_interactions == 500
    assert metrics.escalation_rate == sum(node.escalated_to_online for node in device.nodes) / 500


def test_the_app_exports_no_graph_of_fewer_than_five_nodes() -> None:
    with pytest.raises(TooFewNodes):
        export(_device(4), random.Random(1), NOW)


def test_a_device_is_read_back_as_it_was_saved_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    device = _device(5)

    state.save(device, tmp_path / "device")

    assert state.load(tmp_path / "device") == device
    assert stat.S_IMODE((tmp_path / "device" / "device.json").stat().st_mode) == 0o600


def test_a_folder_without_a_device_holds_none(tmp_path: Path) -> None:
    assert state.load(tmp_path) is None


def test_a_broken_state_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "device.json").write_text("{")

    with pytest.raises(StateError):
        state.load(tmp_path)


def test_a_submission_is_written_as_the_app_writes_it() -> None:
    device = _device(20)

    body = seal_submission(device, export(device, random.Random(1), NOW), NOW)

    assert b"/" not in body.replace(b"\\/", b"")
    assert decode_body(body, Envelope).device_id_hash == device.id_hash


def _submit(answers: list[httpx.Response | Exception]) -> list[bytes]:
    """Submit against scripted answers; return the bodies that were sent."""
    sent: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        scripted = answers.pop(0)
        if isinstance(scripted, Exception):
            raise scripted
        return scripted

    async def run() -> None:
        async with httpx.AsyncClient(base_url="http://server", transport=httpx.MockTransport(answer)) as http:
            await Uploader(http, random.Random(1)).submit(b"body")

    asyncio.run(run())
    return sent


def test_the_very_same_bytes_are_sent_again_after_a_503_and_a_lost_connection() -> None:
    away = httpx.Response(503, headers={"Retry-After": "0"})

    sent = _submit([away, httpx.ConnectError("lost"), httpx.Response(200, json=ACCEPTED)])

    assert sent == [b"body"] * 3


def test_a_refusal_is_not_repeated() -> None:
    with pytest.raises(RefusedByServer, match="refused with 403: Privacy violation detected"):
        _submit([httpx.Response(403, json={"detail": "Privacy violation detected"})])


def test_a_server_that_stays_away_is_given_up() -> None:
    with pytest.raises(ServerAway):
        _submit([httpx.Response(503, headers={"Retry-After": "0"})] * 8)

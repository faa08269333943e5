"""New enrolment keys while the server runs: an overlap, then the old ones are gone (contract §5.1)."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.front_door import ENROL, FrontDoor, opened
from tests.graphs import NOW
from typer.testing import CliRunner

from tacita.cli import app
from tacita.cli.init import make_deployment
from tacita.cli.parts import open_workshop
from tacita.crypto import enrolment_keys
from tacita.crypto.errors import KeyringError
from tacita.crypto.hpke import SUITES, X25519_SUITE, XWING_SUITE
from tacita.crypto.keyring import Keyring
from tacita.rounds import janitor

OVERLAP = timedelta(days=30)


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        yield door


def offered(front: FrontDoor) -> list[tuple[str, str | None]]:
    return [(key["status"], key["not_after"]) for key in front.get("/api/v1/keys").json()["keys"]]


def rotate(front: FrontDoor) -> None:
    """Rotate as the command does in its own process: through another ring on the same folder."""
    enrolment_keys.rotate(Keyring.load(front.door.keyring.folder), front.now, OVERLAP)


def test_a_running_worker_offers_the_new_keys_and_says_until_when_the_old_ones_hold(front: FrontDoor) -> None:
    assert offered(front) == [("active", None)] * 2

    rotate(front)

    assert offered(front) == [("active", None)] * 2 + [("expiring", "2026-12-24T12:00:00+00:00")] * 2


@pytest.mark.parametrize("suite", SUITES)
def test_an_old_key_is_accepted_until_its_not_after_and_no_longer(front: FrontDoor, suite: str) -> None:
    first, second = front.enrolment(suite=suite), front.enrolment(device="cd" * 32, suite=suite)
    rotate(front)

    front.now = NOW + OVERLAP - timedelta(seconds=1)
    in_time = front.post(ENROL, first)
    front.now = NOW + OVERLAP
    late = front.post(ENROL, second)

    assert in_time.status_code == 201
    assert (late.status_code, late.json()) == (422, {"detail": "Malformed envelope: key_id"})
    assert offered(front) == [("active", None)] * 2


def test_a_new_key_is_accepted_at_once(front: FrontDoor) -> None:
    rotate(front)

    assert front.post(ENROL, front.enrolment(suite=XWING_SUITE)).status_code == 201


def test_a_second_rotation_leaves_the_first_ones_not_after_alone(front: FrontDoor) -> None:
    rotate(front)
    front.now = NOW + timedelta(days=10)
    rotate(front)

    expiring = sorted(until or "" for _, until in offered(front)[2:])
    assert expiring == ["2026-12-24T12:00:00+00:00"] * 2 + ["2027-01-03T12:00:00+00:00"] * 2


def test_keys_may_be_cached_for_less_than_the_shortest_useful_overlap(front: FrontDoor) -> None:
    cache = front.get("/api/v1/keys").headers["Cache-Control"]

    assert cache == "public, max-age=300"


def test_expired_private_keys_are_destroyed_and_the_others_kept(tmp_path: Path) -> None:
    ring = Keyring.create(tmp_path)
    enrolment_keys.add_first(ring)
    old = {pair.key_id for pair in enrolment_keys.everything(ring)}
    new = {pair.key_id for pair in enrolment_keys.rotate(ring, NOW, OVERLAP)}

    early = enrolment_keys.destroy_expired(ring, NOW + OVERLAP - timedelta(seconds=1))
    due = enrolment_keys.destroy_expired(ring, NOW + OVERLAP)

    assert (early, set(due)) == ([], old)
    assert {path.name for path in tmp_path.glob("hpke-*")} == {f"hpke-{key_id}.sealed" for key_id in new}


def test_only_one_command_changes_the_keys_at_a_time(tmp_path: Path) -> None:
    ring = Keyring.create(tmp_path)

    with ring.changing(), pytest.raises(KeyringError, match="another command"), Keyring.load(tmp_path).changing():
        pass


def _keys(folder: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["keys", *arguments[:1], str(folder), *arguments[1:]], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def _listed(folder: Path) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(_keys(folder, "list", "--json"))["keys"]
    return listed


def test_the_commands_rotate_list_and_the_janitor_clears_up(tmp_path: Path) -> None:
    folder = tmp_path / "deployment"
    deployment = make_deployment(folder, round_size=5)
    before = {key["key_id"] for key in _listed(folder)}

    said = _keys(folder, "rotate", "--overlap-days", "0")

    assert X25519_SUITE in said
    assert XWING_SUITE in said
    assert {key["key_id"] for key in _listed(folder) if key["status"] == "expired"} == before
    assert "expired" in _keys(folder, "list")
    with deployment.database() as database:

        async def tidy() -> None:
            async with open_workshop(deployment, database.dsn) as shop:
                await janitor.tidy(shop)

        asyncio.run(tidy())
    assert [key["status"] for key in _listed(folder)] == ["active", "active"]
    assert not before & {key["key_id"] for key in _listed(folder)}


def test_a_key_that_the_janitor_destroys_while_keys_are_read_is_left_out(
    front: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Keyring.names
    monkeypatch.setattr(Keyring, "names", lambda ring, prefix: [*read(ring, prefix), f"{prefix}gone"])

    assert offered(front) == [("active", None)] * 2


def test_keys_that_cannot_be_read_are_a_503_and_nothing_else(front: FrontDoor) -> None:
    [name, _] = front.door.keyring.names("hpke-")
    (front.door.keyring.folder / f"{name}.sealed").write_bytes(bytes(60))
    front.door.keyring.put("another", bytes(32))

    answer = front.get("/api/v1/keys")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")

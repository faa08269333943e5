"""`GET /api/v1/models/latest`: which model, and whether a delta from the device's version will do (contract §6.1)."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg.types.json import Jsonb
from tests.front_door import FrontDoor, opened
from tests.graphs import NOW

from tacita.privacy import policy
from tacita.privacy.release import Statement

LATEST = "/api/v1/models/latest"
WHOLE, DELTA = "ab" * 32, "cd" * 32
STATEMENT = Statement(1, 1_000, 1.0, 1e-6, policy.ROUND_CHARGE, 139_189, policy.CLIP_NORM, "ef" * 32)


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        with psycopg.connect(database) as connection:
            connection.execute(
                "INSERT INTO releases (round, digest, released_at, statement, vector) VALUES (1, 'd', %s, %s, '{1}')",
                [NOW, Jsonb(msgspec.to_builtins(STATEMENT))],
            )
            model = "INSERT INTO models VALUES (%s, %s, %s, %s, 'published', 'pack', %s, 1500, %s, %s, NULL, %s)"
            connection.execute(model, ["granite-3b-v1", 1, None, None, "00" * 32, NOW, NOW, Jsonb([])])
            connection.execute(model, ["granite-3b-v2", 2, "granite-3b-v1", 1, WHOLE, NOW, NOW, Jsonb(["better"])])
            connection.execute("INSERT INTO deltas VALUES ('granite-3b-v2', 'granite-3b-v1', %s, 300)", [DELTA])
        yield door


def test_without_a_current_version_the_whole_file_is_offered(front: FrontDoor) -> None:
    shown = front.get(LATEST).json()

    assert (shown["version"], shown["format"], shown["size_bytes"], shown["sha256"]) == (
        "granite-3b-v2",
        "pack",
        1_500,
        WHOLE,
    )
    assert shown["download_url"].endswith(f"/tuf/targets/{WHOLE}.granite-3b-v2.json")
    assert shown["release"]["devices"] == 1_000


def test_with_a_current_version_that_has_a_delta_the_delta_is_offered(front: FrontDoor) -> None:
    shown = front.get(f"{LATEST}?current=granite-3b-v1").json()

    assert (shown["version"], shown["format"], shown["base_version"]) == (
        "granite-3b-v2",
        "tacita-delta/1",
        "granite-3b-v1",
    )
    assert (shown["size_bytes"], shown["delta_size_mb"], shown["sha256"]) == (300, 0.0003, DELTA)
    assert shown["download_url"].endswith(f"/tuf/targets/{DELTA}.granite-3b-v2.from.granite-3b-v1.delta")


@pytest.mark.parametrize("current", ["granite-3b-v0", "", "%00", "a" * 5_000])
def test_with_any_other_current_version_the_whole_file_is_offered(front: FrontDoor, current: str) -> None:
    answer = front.get(f"{LATEST}?current={current}")

    assert (answer.status_code, answer.json()["sha256"]) == (200, WHOLE)

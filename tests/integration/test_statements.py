"""What is said of a release: as JSON, as a page that people can read, on the command line; and nothing before it."""

import asyncio
import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.front_door import FrontDoor, opened
from tests.graphs import NOW
from tests.walk import add_release
from typer.testing import CliRunner, Result

from tacita.cli import app
from tacita.cli.init import make_deployment
from tacita.privacy import policy
from tacita.privacy.release import Release, Statement
from tacita.privacy.statement import plain_words, users_statement
from tacita.store.connection import Connection, open_pool, run_transaction

STATEMENT = Statement(1, 1_234, 0.9999999, 1e-6, policy.ROUND_CHARGE, 139_189, policy.CLIP_NORM, "<b>policy</b>")


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        yield door


async def _release(connection: Connection) -> None:
    await add_release(connection, Release(STATEMENT, [7] * 452), NOW)


def made(front: FrontDoor) -> FrontDoor:
    front.runner.run(run_transaction(front.door.pool, _release))
    return front


@pytest.mark.parametrize("path", ["/releases/1", "/api/v1/releases/1", "/releases/0", "/releases/x", "/releases/1.0"])
def test_there_is_nothing_to_say_before_a_release(front: FrontDoor, path: str) -> None:
    assert front.get(path).status_code == 404


def test_the_json_has_the_statement_its_digest_and_no_cell(front: FrontDoor) -> None:
    shown = made(front).get("/api/v1/releases/1").json()

    assert (shown["round"], shown["statement"]["devices"], shown["statement"]["sigma"]) == (1, 1_234, 139_189)
    assert shown["digest"] == Release(STATEMENT, [7] * 452).digest()
    assert shown["words"] == plain_words(STATEMENT)
    assert "vector" not in json.dumps(shown)


def test_the_page_says_in_plain_words_what_the_release_guarantees_and_how_to_leave(front: FrontDoor) -> None:
    answer = made(front).get("/releases/1")

    text = html.unescape(answer.text)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "1,234 devices" in text
    assert "2.72 times as likely" in text
    assert "73.2 in 100" in text
    assert "How to leave" in text
    assert users_statement() in text
    assert "24 November 2026, 12:00 UTC" in text


def test_the_page_escapes_what_it_shows(front: FrontDoor) -> None:
    text = made(front).get("/releases/1").text

    assert "&lt;b&gt;policy&lt;/b&gt;" in text
    assert "<b>" not in text


def test_the_page_allows_its_own_style_and_nothing_else(front: FrontDoor) -> None:
    answer = made(front).get("/releases/1")

    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    rules = answer.headers["content-security-policy"].split("; ")
    assert rules[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    assert not re.search(r"<script|\son\w+=|style=|https?://", answer.text)


def test_the_command_shows_each_release(tmp_path: Path) -> None:
    deployment = make_deployment(tmp_path / "deployment", round_size=5)

    async def fill(dsn: str) -> None:
        async with open_pool(dsn, 1) as pool:
            await run_transaction(pool, _release)

    def tacita(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["privacy", "statement", str(deployment.folder), *arguments])

    with deployment.database() as database:
        asyncio.run(fill(database.dsn))
        read, for_machines, missing = tacita("1"), tacita("--json"), tacita("2")

    assert "2.72 times as likely" in read.stdout
    assert json.loads(for_machines.stdout)[0]["statement"]["devices"] == 1_234
    assert (missing.exit_code, str(missing.exception)) == (1, "round 2 has no release")

"""`TACITA_DATABASE_URL`: an own server instead of the embedded one."""

from pathlib import Path

import psycopg
import pytest

from tacita import config
from tacita.cli.init import make_deployment


def test_a_deployment_on_an_own_server_starts_no_embedded_one(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TACITA_DATABASE_URL", empty_database)

    made = make_deployment(tmp_path / "deployment", round_size=5)

    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT version, state FROM models").fetchall() == [("granite-3b-v1", "published")]
    assert not (made.folder / "postgres").exists()


def test_its_address_is_not_written_into_the_deployments_folder(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TACITA_DATABASE_URL", empty_database)

    made = make_deployment(tmp_path / "deployment", round_size=5)

    assert "database_url" not in (made.folder / config.CONFIG_NAME).read_text()

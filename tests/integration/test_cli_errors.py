"""What an operator does wrong gets one clear line on stderr and exit code 1, never a traceback (design §4)."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def _tacita(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tacita", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environment,
    )


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "deployment"
    made = _tacita("init", str(folder), "--round-size", "5")
    assert made.returncode == 0, made.stderr
    return folder


def _said(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the complaint's lines, without the frame that warns of small rounds."""
    return [line for line in result.stderr.splitlines() if line.strip() and line[0] not in "╭│╰"]


@pytest.mark.parametrize("command", ["serve", "round status", "model list"])
def test_a_folder_that_is_no_deployment_is_said_in_one_line(tmp_path: Path, command: str) -> None:
    result = _tacita(*command.split(), str(tmp_path))

    assert result.returncode == 1
    [line] = _said(result)
    assert "is not a deployment" in line


@pytest.mark.parametrize("text", ["round_size = 0\n", "round_size = 'x'\n", "colour = 'red'\n", "= not toml"])
def test_a_wrong_configuration_is_said_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "tacita.toml").write_text(text)

    result = _tacita("serve", str(tmp_path))

    assert result.returncode == 1
    assert len(_said(result)) == 1


def test_a_wrong_setting_of_the_environment_is_said_in_one_line(deployment: Path) -> None:
    result = _tacita("round", "status", str(deployment), TACITA_POOL_SIZE="many")

    assert result.returncode == 1
    [line] = _said(result)
    assert "pool_size" in line


def test_a_port_in_use_is_said_in_one_line(deployment: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        result = _tacita("serve", str(deployment), "--port", str(port))

    assert result.returncode == 1
    [line] = _said(result)
    assert f"cannot listen on 127.0.0.1:{port}" in line


def test_a_dead_database_is_said_in_one_line_without_its_password(deployment: Path) -> None:
    url = "postgresql://tacita:hunter2@127.0.0.1:1/tacita"

    result = _tacita("serve", str(deployment), "--port", "0", TACITA_DATABASE_URL=url)

    assert result.returncode == 1
    assert len(_said(result)) == 1
    assert "hunter2" not in result.stderr


def test_init_leaves_a_folder_with_other_things_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")

    result = _tacita("init", str(tmp_path))

    assert result.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_init_does_not_make_a_deployment_anew(deployment: Path) -> None:
    result = _tacita("init", str(deployment))

    assert result.returncode == 1
    assert "is a deployment already" in result.stderr


def test_wrong_usage_exits_with_2() -> None:
    assert _tacita("serve").returncode == 2


def test_a_server_that_is_away_is_said_in_one_line(tmp_path: Path) -> None:
    result = _tacita("device", "update", "http://127.0.0.1:1", str(tmp_path / "device"))

    assert result.returncode == 1
    assert len(_said(result)) == 1


def test_closing_an_unfilled_round_is_refused(deployment: Path) -> None:
    result = _tacita("round", "close", str(deployment))

    assert result.returncode == 1
    assert "fewer than 5 distinct devices" in result.stderr

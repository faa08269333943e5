"""`tacita device` against a real server: enrol, record, submit; fetch, verify, apply."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving import served

from tacita.cli.init import make_deployment
from tacita.device import state
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import decode_pack


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("device") / "deployment"
    make_deployment(folder, round_size=50)
    return folder


@pytest.fixture(scope="module")
def url(deployment: Path) -> Iterator[str]:
    with served(deployment) as at:
        yield at


def _device(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tacita", "device", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ))


def test_a_device_enrols_records_and_submits_and_does_so_again_in_format_2(url: str, tmp_path: Path) -> None:
    first = _device("run", url, str(tmp_path))
    again = _device("run", url, str(tmp_path), "--interactions", "20", "--format", "2")

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "100 interactions recorded; its round will train granite-3b-v2" in first.stdout
    assert "120 interactions recorded" in again.stdout


def test_a_device_applies_the_latest_model_after_verifying_it(url: str, tmp_path: Path) -> None:
    first = _device("update", url, str(tmp_path))
    again = _device("update", url, str(tmp_path))

    device = state.load(tmp_path)
    assert (first.stdout, again.stdout) == ("applied granite-3b-v1\n", "already at granite-3b-v1\n")
    assert device is not None
    assert device.pack is not None
    assert decode_pack(device.pack) == genesis_pack()


def test_a_root_of_another_deployment_is_not_trusted(url: str, tmp_path: Path) -> None:
    make_deployment(tmp_path / "stranger", round_size=50)
    root = next((tmp_path / "stranger").rglob("1.root.json"))

    result = _device("update", url, str(tmp_path / "device"), "--root", str(root))

    assert result.returncode == 1
    assert "is not trusted" in result.stderr
    assert not (tmp_path / "device" / "device.json").exists()

"""The trainer's process: files in, a file out, whole or not at all; bad input is one line and exit code 1."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests import worlds

from tacita.fleet.world import World
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import decode_pack, encode_pack
from tacita.models.release_file import encode_release_file


def _run(step: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    files = ["--input", str(folder / "releases.json"), "--base", str(folder / "base.json")]
    command = [sys.executable, "-m", "tacita.training", step, *files, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    file, _ = worlds.learned(World.drawn(5), 1, 5)[0]
    (tmp_path / "releases.json").write_bytes(encode_release_file(file))
    (tmp_path / "base.json").write_bytes(encode_pack(genesis_pack()))
    return tmp_path


def test_training_and_evaluation_go_from_files_to_files(folder: Path) -> None:
    trained = _run("train", folder, "--output", str(folder / "pack.json"))
    judged = _run(
        "evaluate", folder, "--candidate", str(folder / "pack.json"), "--output", str(folder / "verdict.json")
    )

    assert (trained.returncode, judged.returncode) == (0, 0)
    assert decode_pack((folder / "pack.json").read_bytes()).version == "granite-3b-v2"
    assert msgspec.json.decode((folder / "verdict.json").read_bytes())["better"] is True


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format":"other"}'])
def test_a_broken_release_file_is_one_line_and_exit_code_1(folder: Path, content: bytes) -> None:
    (folder / "releases.json").write_bytes(content)

    result = _run("train", folder, "--output", str(folder / "pack.json"))

    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
    assert not (folder / "pack.json").exists()


def test_training_loads_neither_the_store_nor_any_key() -> None:
    code = (
        "import sys, tacita.training.__main__;"
        "print([m for m in sys.modules if m.startswith(('tacita.store', 'tacita.crypto', 'psycopg', 'cryptography'))])"
    )

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "[]"

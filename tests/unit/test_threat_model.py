"""The threat model names code and tests that exist: a stop that was renamed or removed must not stay claimed."""

import re
from pathlib import Path
from types import ModuleType

import pytest
from bench import audit, poisoning
from bench.page import put

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`([^`\s]+)`", (ROOT / "docs" / "threat-model.md").read_text())


def test_every_file_that_the_threat_model_names_exists() -> None:
    files = {name for name in NAMED if name.startswith(("src/", "tests/", "bench/", "docs/"))}

    missing = sorted(name for name in files if not (ROOT / name).exists())

    assert len(files) > 10
    assert missing == []


def test_every_test_that_the_threat_model_names_exists() -> None:
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    claimed = {name for name in NAMED if name.startswith("test_")}

    missing = sorted(name for name in claimed if not re.search(rf"def {name}\(", written))

    assert len(claimed) > 10
    assert missing == []


def test_a_measured_table_replaces_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- b -->\nafter\n")

    put(page, "<!-- a -->", "<!-- b -->", ["new", "table"])
    put(page, "<!-- a -->", "<!-- b -->", ["newer"])

    assert page.read_text() == "before\n<!-- a -->\nnewer\n<!-- b -->\nafter\n"


@pytest.mark.parametrize("measuring", [audit, poisoning])
def test_the_threat_model_holds_what_was_measured(measuring: ModuleType) -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text()

    table = page.split(measuring.BEGIN)[1].split(measuring.END)[0].strip().splitlines()

    assert len(table) > 10
    assert all(line.startswith("|") for line in table)

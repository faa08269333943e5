"""A deployment to be besieged."""

from pathlib import Path

import pytest
from tests.simulation.siege import Fortress

from tacita.cli.init import make_deployment


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def fortress(tmp_path: Path, bytecode: Path) -> Fortress:
    make_deployment(tmp_path / "deployment", round_size=1_000)
    return Fortress(tmp_path / "deployment", bytecode)

"""`tacita demo`, whole: two rounds of 1,000 devices; each model truly better than the one before."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_publishes_two_models_each_truly_better_than_the_one_before(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tacita", "demo", "--out", str(tmp_path), "--seed", "11"],
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
        env=os.environ | {"COLUMNS": "160"},
    )

    assert result.returncode == 0, result.stderr
    rows = re.findall(r"│ (granite-3b-v\d) +│ +[\d.]+ +│ +[\d.]+ +│ +([\d.]+) +│", result.stdout)
    regrets = [float(regret) for _, regret in rows]
    assert [version for version, _ in rows] == ["granite-3b-v1", "granite-3b-v2", "granite-3b-v3"]
    assert regrets[0] > regrets[1] > regrets[2]
    assert "48,711,926 of 311,060,000 nano-rho" in result.stdout
    assert (tmp_path / "run-001" / "learned.png").stat().st_size > 10_000

"""The golden deltas of docs/delta-format.md come out right, whatever made them."""

from pathlib import Path

import pytest

from tacita.models.deltas.applier import apply_delta
from tacita.models.deltas.maker import described
from tacita.models.deltas.structure import Operation, read_plan

VECTORS = Path(__file__).parent / "vectors" / "deltas"
NAMES = sorted(path.stem for path in VECTORS.glob("*.delta"))


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_delta_makes_its_target(tmp_path: Path, name: str) -> None:
    target = VECTORS / f"{name}.target"

    apply_delta(VECTORS / f"{name}.base", VECTORS / f"{name}.delta", described(target), tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == target.read_bytes()


def test_the_golden_deltas_show_every_operation() -> None:
    seen = set[Operation]()
    for name in NAMES:
        path = VECTORS / f"{name}.delta"
        with path.open("rb") as file:
            plan = read_plan(file, path.stat().st_size, described(VECTORS / f"{name}.target"))
        seen.update(chunk.operation for chunk in plan.chunks)

    assert seen == set(Operation)

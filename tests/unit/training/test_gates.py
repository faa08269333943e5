"""The robustness gates: quiet on honest rounds, and in the way of devices that lie together."""

from collections.abc import Sequence
from functools import cache

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import worlds

from tacita.fleet.world import World
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PolicyPack
from tacita.models.release_file import Release, ReleaseFile
from tacita.privacy import policy, tables
from tacita.privacy.bounding import Counts, clip
from tacita.training import consistency, gates
from tacita.training.judge import Evaluation, Measured

WORLD = World.drawn(800)


def lying(release: Release, colluders: int, table: tables.Table, cell: tuple[int, ...]) -> Release:
    """Return a release to which devices were added that put all their weight into one cell of one table."""
    counts = np.zeros(tables.CELLS, np.int64)
    counts[tables.OFFSETS[table.name] + np.ravel_multi_index(cell, table.shape)] = policy.MAX_COUNTED_NODES
    vector = np.array(release.vector) + colluders * clip(Counts(counts)).cells
    return msgspec.structs.replace(release, vector=tuple(vector.tolist()), digest=release.digest[::-1])


def with_releases(file: ReleaseFile, releases: Sequence[Release]) -> ReleaseFile:
    return msgspec.structs.replace(file, releases=tuple(releases))


@cache
def honest(rounds: int, seed: int = 800) -> tuple[ReleaseFile, tuple[PolicyPack, ...]]:
    """Return the file of some honest rounds and the packs that were published, the genesis pack first."""
    made = worlds.learned(World.drawn(seed), rounds, seed)
    return made[-1][0], (genesis_pack(), *(pack for _, pack in made))


@pytest.mark.parametrize("seed", range(800, 806))
def test_honest_rounds_are_like_each_other(seed: int) -> None:
    file, _ = honest(3, seed)

    assert consistency.outliers(file) == {}
    assert gates.trusted(file) == file


def test_choices_that_no_pack_makes_are_seen_in_the_first_round_already() -> None:
    file, _ = honest(1)
    bent = lying(file.releases[0], 100, tables.EMOTION, (1, 1, 5, 1))

    assert list(consistency.outliers(with_releases(file, [bent]))) == [bent.digest]


def test_a_fleet_that_updates_slowly_is_not_suspected() -> None:
    file, packs = honest(2)
    [first, second] = file.releases
    late = worlds.release(WORLD, packs[0], 2, 801)
    mixed = msgspec.structs.replace(
        second, vector=tuple((x + y) // 2 for x, y in zip(second.vector, late.vector, strict=True))
    )

    assert consistency.outliers(with_releases(file, [first, mixed])) == {}


def test_handing_over_that_the_other_rounds_do_not_show_is_seen() -> None:
    file, _ = honest(3)
    [*earlier, newest] = file.releases
    bent = lying(newest, 50, tables.ESCALATION, (1, 1, 1))

    assert list(consistency.outliers(with_releases(file, [*earlier, bent]))) == [bent.digest]


def test_of_two_that_disagree_the_newer_is_set_aside() -> None:
    file, _ = honest(2)
    [first, second] = file.releases
    bent = lying(first, 100, tables.ESCALATION, (1, 1, 1))

    assert list(consistency.outliers(with_releases(file, [bent, second]))) == [second.digest]


def test_later_honest_rounds_show_up_a_lie_in_the_first_and_it_teaches_nothing_more() -> None:
    file, _ = honest(4)
    [first, *later] = file.releases
    bent = lying(first, 100, tables.ESCALATION, (1, 1, 1))

    kept = gates.trusted(with_releases(file, [bent, *later]))

    assert kept.releases == tuple(later)


def test_a_round_unlike_the_others_cannot_be_signed() -> None:
    file, packs = honest(3)
    [*earlier, newest] = file.releases
    bent = with_releases(file, [*earlier, lying(newest, 100, tables.EMOTION, (1, 1, 5, 1))])

    verdict = gates.evaluate_robustly(bent, packs[-2], packs[-1])

    assert not verdict.better
    assert verdict.reason.startswith("breaks a robustness gate: the release of round 3 is unlike")


def test_an_honest_first_round_passes_every_gate() -> None:
    file, packs = honest(1)

    assert gates.evaluate_robustly(file, packs[0], packs[1]).better


def test_a_gain_that_few_devices_could_have_feigned_cannot_be_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    file, packs = honest(1)
    measured = Evaluation(better=True, reason="", improvements=["x"], components=[Measured("total", 10.0, 8.0, 12.0)])
    monkeypatch.setattr(gates, "evaluate", lambda *_: measured)
    monkeypatch.setattr(gates, "COLLUDERS", 0.25)

    verdict = gates.evaluate_robustly(file, packs[0], packs[1])

    assert not verdict.better
    assert "250 devices could have feigned" in verdict.reason
    assert (verdict.improvements, verdict.components) == ([], measured.components)


@given(st.lists(st.tuples(st.integers(0, tables.CELLS - 1), st.integers(1, 20)), max_size=5))
def test_no_device_raises_the_measured_gain_beyond_its_bound(hits: list[tuple[int, int]]) -> None:
    file, packs = honest(1)
    cells: npt.NDArray[np.int64] = np.zeros(tables.CELLS, np.int64)
    for cell, count in hits:
        cells[cell] += count

    raised = float(gates.gain_weights(file, packs[0], packs[1]) @ clip(Counts(cells)).cells)

    assert raised <= gates.feigned_gain(file, packs[0], packs[1], 1) + 1e-12


def test_the_bound_on_a_feigned_gain_is_reached_by_the_worst_vector() -> None:
    file, packs = honest(1)
    weights = gates.gain_weights(file, packs[0], packs[1])
    worst = np.maximum(weights, 0)
    worst *= policy.CLIP_NORM / np.linalg.norm(worst)

    assert float(weights @ worst) == pytest.approx(gates.feigned_gain(file, packs[0], packs[1], 1))


@pytest.mark.slow
def test_honest_releases_are_called_unlike_the_others_as_seldom_as_designed() -> None:
    called = sum(len(consistency.outliers(honest(3, seed)[0])) for seed in range(1_000, 1_200))

    print(f"\n{called} of 600 honest releases called unlike the others")  # noqa: T201
    assert called <= 4, "0.6 are expected at the designed rate; 5 have a chance of 4e-4"

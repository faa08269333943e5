"""The short cut to a release (`tests/worlds.py`) shows what real contributions show."""

import numpy as np
import pytest
from tests import populations, worlds

from tacita.fleet import families
from tacita.fleet.families import Family
from tacita.models.genesis import genesis_pack
from tacita.privacy import tables

DEVICES = 240


@pytest.mark.parametrize("learned", [False, True])
def test_the_short_cut_counts_what_the_real_path_counts(learned: bool) -> None:
    world = families.drawn(Family.UNSTRUCTURED, 7)
    pack = worlds.learned(world, 2, 7)[-1][1] if learned else genesis_pack()

    quick = np.array(worlds.release(world, pack, 1, 7, devices=DEVICES, sigma=1).vector)
    real = np.sum([vector.cells for vector in populations.contributions(world, 8, DEVICES, pack=pack)], axis=0)

    for table in (tables.ROUTING, tables.EMOTION, tables.LATENCY, tables.ESCALATION):
        one, other = tables.table_counts(quick, table), tables.table_counts(real, table)
        assert one.sum() == pytest.approx(other.sum(), rel=0.02)
        assert ((one - other) ** 2 / (one + other + 1)).mean() < 1.5


@pytest.mark.parametrize("family", list(Family))
def test_every_family_loses_what_the_privacy_design_says_under_todays_policy(family: Family) -> None:
    regrets = [families.drawn(family, seed).regret(genesis_pack()) for seed in range(40)]

    assert 1.8 < np.mean([regret.routing for regret in regrets]) < 3
    assert 13 < np.mean([regret.emotion for regret in regrets]) < 17


def test_interactions_have_no_margins_to_learn_from() -> None:
    emotion = families.drawn(Family.INTERACTIONS, 5).emotion

    for axes in ((0,), (1,), (2,)):
        assert np.abs(emotion.mean(axes)).max() < 0.03


def test_a_drifting_world_starts_as_it_was_and_loses_its_memory() -> None:
    first, twelfth = (families.drifted(Family.UNSTRUCTURED, 5, number, 0.1).emotion.ravel() for number in (1, 12))

    np.testing.assert_array_equal(first, families.drawn(Family.UNSTRUCTURED, 5).emotion.ravel())
    assert 0.3 < np.corrcoef(first, twelfth)[0, 1] < 0.8

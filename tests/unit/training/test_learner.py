"""The learner: shrinks by the noise it knows of, reaches privacy §5's figures, and never stops exploring."""

from dataclasses import astuple

import msgspec
import numpy as np
import pytest
from tests import worlds

from tacita.fleet import families
from tacita.fleet.families import Family
from tacita.fleet.world import World
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import check_pack
from tacita.models.release_file import ReleaseFileError
from tacita.training.learner import learn

HELD_OUT = range(2000, 2010)


def test_without_noise_the_best_choices_are_found() -> None:
    regrets = []
    for seed in HELD_OUT:
        world = World.drawn(seed)
        _, pack = worlds.learned(world, 1, seed, sigma=1.0)[0]
        regrets.append(world.belief_regret(pack))

    assert np.mean([regret.routing for regret in regrets]) < 0.15
    assert np.mean([regret.emotion for regret in regrets]) < 0.3


def test_releases_at_epsilon_one_reach_the_figures_of_the_privacy_design() -> None:
    regrets = []
    for seed in HELD_OUT:
        world = World.drawn(seed)
        packs = [pack for _, pack in worlds.learned(world, 12, seed)]
        regrets.append([astuple(world.belief_regret(pack)) for pack in (packs[0], packs[-1])])

    (routing, emotion), (routing_of_twelve, emotion_of_twelve) = np.mean(regrets, axis=0)
    assert routing <= 0.73
    assert emotion <= 4.8
    assert routing_of_twelve <= 0.16
    assert emotion_of_twelve <= 2.1


def test_one_release_reaches_them_where_every_cell_goes_its_own_way() -> None:
    regrets = []
    for seed in HELD_OUT:
        world = families.drawn(Family.UNSTRUCTURED, seed)
        regrets.append(astuple(world.belief_regret(worlds.learned(world, 1, seed)[0][1])))

    routing, emotion = np.mean(regrets, axis=0)
    assert routing <= 0.73
    assert emotion <= 4.8


def test_each_round_loses_less_than_the_one_before_over_held_out_worlds() -> None:
    for seed in HELD_OUT:
        world = World.drawn(seed)
        packs = [genesis_pack(), *(pack for _, pack in worlds.learned(world, 2, seed))]

        regrets = [world.regret(pack).total for pack in packs]

        assert regrets[0] > regrets[1] > regrets[2], seed


def test_the_same_releases_teach_the_same_pack() -> None:
    file, pack = worlds.learned(World.drawn(1), 1, 1)[0]

    assert learn(file, genesis_pack()) == pack


def test_a_learned_pack_is_a_policy_that_still_tries_every_choice() -> None:
    _, pack = worlds.learned(World.drawn(1), 2, 1)[-1]

    check_pack(pack)
    assert min(np.array(pack.emotion).min(), np.array(pack.routing).min(), 1 - np.array(pack.routing).max()) >= 0.003


def test_a_pack_names_what_it_was_made_from() -> None:
    [(_, first), (file, second)] = worlds.learned(World.drawn(1), 2, 1)

    assert (second.version, second.base_version) == ("granite-3b-v3", first.version)
    assert second.releases == tuple(release.digest for release in file.releases)


def test_calibration_and_escalation_follow_the_released_rates() -> None:
    world = World.drawn(3)

    _, pack = worlds.learned(world, 1, 3, sigma=1.0)[0]

    assert np.abs(np.array(pack.escalation) - world.escalation).max() < 0.03
    assert np.abs(np.array(pack.calibration) - 0.5).max() < 0.05


def test_a_file_without_the_pack_that_devices_ran_is_refused() -> None:
    file, _ = worlds.learned(World.drawn(1), 1, 1)[0]

    with pytest.raises(ReleaseFileError, match="granite-3b-v1"):
        learn(msgspec.structs.replace(file, packs=()), genesis_pack())


@pytest.mark.parametrize("broken", [0, 10**12, -(10**12)])
def test_absurd_releases_still_make_a_policy(broken: int) -> None:
    file, _ = worlds.learned(World.drawn(1), 1, 1)[0]
    absurd = msgspec.structs.replace(file.releases[0], vector=(broken,) * len(file.releases[0].vector))

    pack = learn(msgspec.structs.replace(file, releases=(absurd,)), genesis_pack())

    check_pack(pack)

"""The learner: shrinks by the noise it knows of, reaches privacy §5's figures, and never stops exploring."""

import msgspec
import numpy as np
import pytest
from tests import worlds

from tacita.fleet.world import World
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import check_pack
from tacita.models.release_file import ReleaseFileError
from tacita.training.effects import posterior
from tacita.training.learner import learn

HELD_OUT = range(200, 210)


def test_estimates_without_noise_are_believed() -> None:
    estimates = np.random.default_rng(0).normal(0, 0.05, (4, 3, 6))

    belief = posterior(estimates, np.full(estimates.shape, 1e-12))

    np.testing.assert_allclose(belief.mean, estimates, atol=1e-5)


def test_pure_noise_shrinks_to_the_grand_mean() -> None:
    estimates = np.random.default_rng(0).normal(0.02, 0.5, (7, 4, 2))

    belief = posterior(estimates, np.full(estimates.shape, 0.25))

    assert belief.mean.std() < 0.1 * estimates.std()


def test_a_column_that_stands_out_survives_noise_that_hides_its_cells() -> None:
    truth = np.zeros((7, 4, 2))
    truth[:, :, 1] += 0.1
    estimates = truth + np.random.default_rng(1).normal(0, 0.15, truth.shape)

    belief = posterior(estimates, np.full(truth.shape, 0.15**2))

    assert np.abs(belief.mean - truth).mean() < 0.5 * np.abs(estimates - truth).mean()


def test_the_posterior_covariance_is_symmetric_and_smaller_than_the_noise() -> None:
    belief = posterior(np.random.default_rng(2).normal(0, 0.1, (5, 7)), np.full((5, 7), 0.01))

    np.testing.assert_allclose(belief.covariance, belief.covariance.T, atol=1e-12)
    assert (np.diag(belief.covariance) < 0.01).all()


def test_without_noise_the_best_choices_are_found() -> None:
    regrets = []
    for seed in HELD_OUT:
        world = World.drawn(seed)
        _, pack = worlds.learned(world, 1, seed, sigma=1.0)[0]
        regrets.append(world.belief_regret(pack))

    assert np.mean([regret.routing for regret in regrets]) < 0.15
    assert np.mean([regret.emotion for regret in regrets]) < 0.3


def test_one_release_at_epsilon_one_reaches_the_figures_of_the_privacy_design() -> None:
    regrets = []
    for seed in HELD_OUT:
        world = World.drawn(seed)
        _, pack = worlds.learned(world, 1, seed)[0]
        regrets.append(world.belief_regret(pack))

    assert np.mean([regret.routing for regret in regrets]) <= 0.73
    assert np.mean([regret.emotion for regret in regrets]) <= 4.8


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
    assert min(np.array(pack.emotion).min(), np.array(pack.routing).min(), 1 - np.array(pack.routing).max()) >= 0.019


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

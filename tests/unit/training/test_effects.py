"""What is believed of a noisy table: as much as it supports, of margins as of single cells."""

import numpy as np
import pytest

from tacita.training import effects
from tacita.training.effects import posterior

RNG = np.random.default_rng


def test_estimates_without_noise_are_believed() -> None:
    estimates = RNG(0).normal(0, 0.05, (4, 3, 6))

    belief = posterior(estimates, np.full(estimates.shape, 1e-12), choice=True)

    np.testing.assert_allclose(belief.mean, estimates, atol=1e-5)


def test_pure_noise_shrinks_to_what_all_choices_have_in_common() -> None:
    estimates = RNG(0).normal(0.02, 0.5, (7, 4, 2))

    belief = posterior(estimates, np.full(estimates.shape, 0.25), choice=True)

    assert np.diff(belief.mean).std() < 0.1 * np.diff(estimates).std()


def test_a_column_that_stands_out_survives_noise_that_hides_its_cells() -> None:
    truth = np.zeros((7, 4, 2))
    truth[:, :, 1] += 0.1
    errors = []
    for seed in range(10):
        estimates = truth + RNG(seed).normal(0, 0.15, truth.shape)
        belief = posterior(estimates, np.full(truth.shape, 0.15**2), choice=True)
        errors.append([np.abs(np.diff(table) - 0.1).mean() for table in (belief.mean, estimates)])

    believed, raw = np.mean(errors, axis=0)
    assert believed < 0.5 * raw


def test_cells_that_go_their_own_way_are_not_shrunk_to_margins() -> None:
    truth = RNG(2).choice([-0.1, 0.1], (4, 3, 6))
    estimates = truth + RNG(3).normal(0, 0.05, truth.shape)

    belief = posterior(estimates, np.full(truth.shape, 0.05**2), choice=True)

    assert np.abs(belief.mean - truth).mean() < 1.1 * np.abs(estimates - truth).mean()


@pytest.mark.parametrize("choice", [False, True])
def test_errors_are_as_large_as_the_posterior_says_when_its_hypotheses_hold(choice: bool) -> None:
    rng, shape, errors, stated = RNG(4), (4, 3, 2), list[float](), list[float]()
    priors = effects._priors(shape, choice=choice)
    for _ in range(300):
        truth = rng.multivariate_normal(np.zeros(24), rng.choice(priors)).reshape(shape)
        estimates = truth + rng.normal(0, 0.07, shape)
        belief = posterior(estimates, np.full(shape, 0.07**2), choice=choice)
        errors.append(float(((truth - belief.mean) ** 2).mean()))
        stated.append(float(np.diag(belief.covariance).mean()))

    assert np.mean(errors) == pytest.approx(np.mean(stated), rel=0.1)


def test_the_posterior_covariance_is_symmetric_and_smaller_than_the_noise() -> None:
    belief = posterior(RNG(2).normal(0, 0.1, (5, 7)), np.full((5, 7), 0.01), choice=False)

    np.testing.assert_allclose(belief.covariance, belief.covariance.T, atol=1e-12)
    assert (np.diag(belief.covariance) < 0.01).all()

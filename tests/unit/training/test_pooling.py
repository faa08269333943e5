"""Several releases as one estimate: informative ones weigh more, and good times flatter nobody."""

import numpy as np

from tacita.training.evidence import Array, Evidence
from tacita.training.pooling import pooled

CONTEXTS = (3, 2)
NOISE = 68.0**2


def evidence(rates: Array, logged: Array, *, noise: float, seed: int = 0) -> Evidence:
    """Return releases of 60,000 interactions each, every context equally frequent; without noise, as expected.

    Args:
        rates: the true rate of yes, release x choice.
        logged: P(choice) in every context, release x choice.
        noise: the variance of each count.
        seed: of the noise.
    """
    releases = len(rates)
    shares = np.broadcast_to(logged[:, None, None, :], (releases, *CONTEXTS, 2))
    seen = 60_000 / np.prod(CONTEXTS) * shares
    p = rates[:, None, None, :]
    counts = np.stack([seen * (1 - p), seen * p], -1)
    if noise:
        rng = np.random.default_rng(seed)
        counts = rng.poisson(counts) + rng.normal(0, np.sqrt(noise), counts.shape)
    ages = np.arange(releases - 1, -1, -1, dtype=np.float64)
    return Evidence(counts, np.full(releases, max(noise, 1e-6)), ages, np.array(shares))


def test_a_choice_made_more_often_in_good_times_does_not_look_better() -> None:
    level = np.array([[0.3], [0.6]])
    rates = level + np.array([0.02, 0.0])
    logged = np.array([[0.5, 0.5], [0.05, 0.95]])

    effects, _ = pooled(evidence(rates, logged, noise=0.0), drift=0.0)

    np.testing.assert_allclose(effects[..., 0] - effects[..., 1], 0.02, atol=0.002)


def test_releases_that_hardly_tried_a_choice_hardly_count() -> None:
    rates = np.full((6, 2), 0.5)
    logged = np.array([[0.5, 0.5], *[[0.01, 0.99]] * 5])

    _, alone = pooled(evidence(rates[:1], logged[:1], noise=NOISE), drift=0.0)
    _, together = pooled(evidence(rates, logged, noise=NOISE), drift=0.0)

    assert 0.95 < together[..., 0].mean() / alone[..., 0].mean() <= 1
    assert together[..., 1].mean() < 0.1 * alone[..., 1].mean()


def test_the_stated_variance_is_that_of_the_estimates() -> None:
    rates, logged = np.full((3, 2), 0.5), np.array([[0.5, 0.5], [0.2, 0.8], [0.1, 0.9]])
    drawn = [pooled(evidence(rates, logged, noise=NOISE, seed=seed), drift=0.0) for seed in range(400)]

    differences = np.array([effects[..., 1] - effects[..., 0] for effects, _ in drawn])
    stated = np.mean([variance.sum(-1) for _, variance in drawn], axis=0)
    assert 0.9 < (differences.var(0) / stated).mean() < 1.1


def test_with_drift_the_newest_release_counts_most() -> None:
    rates, logged = np.array([[0.5, 0.4], [0.5, 0.6]]), np.full((2, 2), 0.5)

    steady, _ = pooled(evidence(rates, logged, noise=0.0), drift=0.0)
    drifting, _ = pooled(evidence(rates, logged, noise=0.0), drift=1e-3)

    assert abs(np.diff(steady).mean()) < 0.005
    assert np.diff(drifting).mean() > 0.05


def test_a_table_without_a_choice_is_pooled_too() -> None:
    counts = np.broadcast_to(np.array([700.0, 300.0]), (2, 5, 7, 2)).copy()
    counts[:, 0, 0] = [300, 700]

    effects, _ = pooled(Evidence(counts, np.full(2, 1e-6), np.array([1.0, 0.0])), drift=0.0)

    assert abs(effects[0, 0] - effects[1, 1] - 0.4) < 0.01

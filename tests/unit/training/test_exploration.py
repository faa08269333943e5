"""How often each choice is made: as often as it is believed to be the best, and never never."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.training import exploration
from tacita.training.effects import Posterior

RNG = np.random.default_rng


def belief(mean: list[float], deviations: list[float]) -> Posterior:
    return Posterior(np.array([mean]), np.diag(np.square(deviations)))


@pytest.mark.parametrize("choices", [2, 6])
def test_the_probability_of_being_the_best_is_that_of_samples_of_the_posterior(choices: int) -> None:
    rng = RNG(choices)
    mean, deviation = rng.normal(0, 0.05, choices), np.full(choices, 0.05)
    samples = rng.normal(mean, deviation, (200_000, choices)).argmax(1)

    best = exploration._best(belief(mean.tolist(), deviation.tolist()))[0]

    np.testing.assert_allclose(best, np.bincount(samples, minlength=choices) / 200_000, atol=0.01)


def test_what_all_choices_of_a_context_have_in_common_does_not_matter() -> None:
    mean, own = np.array([[0.0, 0.02, 0.05]]), 0.03**2 * np.eye(3)

    alone = exploration.shares(Posterior(mean, own), 1, 0.01)
    shifted = exploration.shares(Posterior(mean + 7, own + 0.5), 1, 0.01)

    np.testing.assert_allclose(alone, shifted, atol=1e-6)


def test_packs_sharpen_as_releases_add_up() -> None:
    believed = belief([0.0, 0.01, 0.05], [0.03, 0.03, 0.03])

    most = [exploration.shares(believed, releases, 0.005).max() for releases in (1, 2, 3, 6, 12)]

    assert most == sorted(most)
    assert most[0] < 0.7
    assert most[-1] > 0.95


@given(
    st.lists(st.floats(-1, 1), min_size=6, max_size=6),
    st.lists(st.floats(1e-4, 1), min_size=6, max_size=6),
    st.integers(1, 100),
)
def test_shares_are_probabilities_above_their_floor(mean: list[float], deviations: list[float], releases: int) -> None:
    made = exploration.shares(belief(mean, deviations), releases, 0.005)

    assert made.sum() == pytest.approx(1)
    assert made.min() >= 0.005 / np.sqrt(releases) * (1 - 1e-9)


def test_shares_move_smoothly_with_the_belief() -> None:
    step, mean = 1e-5, np.array([0.0, 0.03, 0.05, -0.1, 0.049, 0.02])
    moves = []
    for place in np.linspace(-0.2, 0.2, 300):
        made = [
            exploration.shares(Posterior((mean + shift)[None], 0.02**2 * np.eye(6)), 3, 0.005)[0]
            for shift in (np.eye(6)[0] * (place + h) for h in (-step, 0.0, step))
        ]
        moves.append((made[2] - made[0]) / (2 * step))

    assert np.abs(np.diff(moves, axis=0)).max() < 0.1 * np.abs(moves).max()

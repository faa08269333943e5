"""Lower bounds against textbook values, second opinions, and their promised coverage."""

import math

import numpy as np
import pytest
from dp_accounting import get_epsilon_gaussian
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tacita.privacy import lower_bounds
from tacita.privacy.lower_bounds import Guesses


def test_the_upper_rate_is_clopper_and_pearsons() -> None:
    bound = lower_bounds.upper_rate(7, 50, 0.025)

    assert bound == pytest.approx(stats.binomtest(7, 50).proportion_ci(0.95).high)


@given(st.integers(1, 2_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_upper_rate_is_a_probability_above_the_observed_one(hits_of: tuple[int, int]) -> None:
    hits, trials = hits_of

    bound = lower_bounds.upper_rate(hits, trials, 0.05)

    assert hits / trials <= bound <= 1


@pytest.mark.parametrize("mu", [0.1, 0.2207, 0.7887, 1.6, 5.0])
def test_a_gaussians_epsilon_is_that_of_dp_accounting(mu: float) -> None:
    assert lower_bounds.gaussian_epsilon(mu, 1e-6) == pytest.approx(get_epsilon_gaussian(1 / mu, 1e-6), rel=1e-6)


def test_no_guesses_at_all_prove_nothing() -> None:
    nothing = Guesses(0, 0, 0, 0)

    assert lower_bounds.gaussian_mu(nothing, 0.95) == 0
    assert lower_bounds.two_arm_epsilon(nothing, 1e-6, 0.95) == 0


def test_the_bound_on_mu_is_over_the_truth_less_often_than_promised() -> None:
    rng = np.random.default_rng(1)
    mu, trials, over = 0.8, 500, 0
    rate = stats.norm.sf(mu / 2)
    for _ in range(2_000):
        wrong = rng.binomial(trials, rate, 2)
        over += lower_bounds.gaussian_mu(Guesses(wrong[0], trials, wrong[1], trials), 0.95) > mu

    assert over / 2_000 <= 0.05


def test_two_arms_of_randomised_response_certify_most_of_its_epsilon_and_never_more() -> None:
    epsilon, trials = 1.0, 100_000
    wrong = round(trials / (1 + math.exp(epsilon)))

    bound = lower_bounds.two_arm_epsilon(Guesses(wrong, trials, wrong, trials), 0.0, 0.95)

    assert 0.95 * epsilon < bound < epsilon


def _stated_in_the_paper(canaries: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """Return the p-value as the loop in appendix D of Steinke et al. 2023 computes it."""
    accuracy = 1 / (1 + math.exp(-epsilon))
    steepest = below = 0.0
    for step in range(1, correct + 1):
        below += float(stats.binom.pmf(correct - step, guesses, accuracy))
        steepest = max(steepest, below / step)
    return min(float(stats.binom.sf(correct - 1, guesses, accuracy)) + 2 * canaries * delta * steepest, 1.0)


@given(st.integers(1, 60), st.floats(0, 5), st.floats(0, 0.1), st.data())
def test_the_one_run_p_value_is_that_of_the_paper(
    guesses: int, epsilon: float, delta: float, data: st.DataObject
) -> None:
    correct = data.draw(st.integers(0, guesses))

    value = lower_bounds._p_value(100, guesses, correct, epsilon, delta)

    assert value == pytest.approx(_stated_in_the_paper(100, guesses, correct, epsilon, delta), rel=1e-6, abs=1e-12)


def test_one_run_certifies_randomised_response_but_never_more() -> None:
    epsilon, canaries = 2.0, 5_000
    right = round(canaries / (1 + math.exp(-epsilon)))

    bound = lower_bounds.one_run_epsilon(canaries, canaries, right, 0.0, 0.95)

    assert 0.9 * epsilon < bound < epsilon


def test_chance_certifies_nothing_in_one_run() -> None:
    assert lower_bounds.one_run_epsilon(400, 400, 200, 1e-6, 0.95) == 0


def test_a_delta_takes_from_what_one_run_certifies() -> None:
    bounds = [lower_bounds.one_run_epsilon(400, 100, 95, delta, 0.95) for delta in (0.0, 1e-4, 1e-2)]

    assert bounds[0] > bounds[1] > bounds[2]

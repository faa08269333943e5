import math
from datetime import timedelta

import numpy as np
import pytest
from dp_accounting import dp_event
from dp_accounting.rdp import rdp_privacy_accountant as rdp
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tests.graphs import NOW

from tacita.privacy import accountant, mechanism, policy, tables
from tacita.privacy.bounding import ContributionVector
from tacita.privacy.policy import NanoRho
from tacita.privacy.release import Cohort, CohortTooSmall, release


def vectors(count: int, value: int = 100) -> list[ContributionVector]:
    return [ContributionVector(np.full(tables.CELLS, value, np.int64)) for _ in range(count)]


def test_the_round_charge_is_epsilon_one_and_the_cap_epsilon_four() -> None:
    claimed = [accountant.epsilon(rho, policy.DELTA) for rho in (policy.ROUND_CHARGE, policy.BUDGET_CAP)]
    assert claimed == pytest.approx([1, 4], abs=1e-4)


def test_twelve_full_rounds_fit_into_the_cap_and_thirteen_do_not() -> None:
    assert 12 * policy.ROUND_CHARGE <= policy.BUDGET_CAP < 13 * policy.ROUND_CHARGE


def test_dp_accounting_agrees_that_the_release_costs_no_more_than_stated() -> None:
    sigma = mechanism.sigma_for(policy.ROUND_CHARGE)
    orders = [1 + x / 4 for x in range(1, 1200)]
    second = rdp.RdpAccountant(orders).compose(dp_event.GaussianDpEvent(sigma / policy.CLIP_NORM))
    opinion = second.get_epsilon(policy.DELTA)
    stated = accountant.epsilon(policy.ROUND_CHARGE, policy.DELTA)
    assert stated == pytest.approx(opinion, rel=2e-3)
    assert opinion <= stated * (1 + 1e-3)


def test_sigma_is_the_smallest_integer_scale_within_the_charge() -> None:
    sigma = mechanism.sigma_for(policy.ROUND_CHARGE)
    assert mechanism.nano_rho(sigma) <= policy.ROUND_CHARGE < mechanism.nano_rho(sigma - 1)


def test_a_cohort_under_the_minimum_is_never_released() -> None:
    with pytest.raises(CohortTooSmall):
        release(Cohort(1, vectors(9)), minimum=10)


def test_the_statement_names_what_was_done() -> None:
    statement = release(Cohort(3, vectors(10)), minimum=10).statement
    assert (statement.round, statement.devices, statement.nano_rho, statement.delta, statement.policy_hash) == (
        3,
        10,
        policy.ROUND_CHARGE,
        1e-6,
        policy.policy_hash(),
    )


def test_released_cells_carry_discrete_gaussian_noise_of_the_stated_scale() -> None:
    made = release(Cohort(1, vectors(50)), minimum=1)
    residuals = (np.array(made.vector) - 50 * 100) / made.statement.sigma
    assert stats.kstest(residuals, "norm").pvalue > 1e-6
    assert float(np.std(residuals)) == pytest.approx(1, abs=0.2)


def test_two_releases_draw_different_noise() -> None:
    assert release(Cohort(1, vectors(5)), 1).digest() != release(Cohort(1, vectors(5)), 1).digest()


@given(st.lists(st.floats(0, 800), max_size=30))
def test_a_device_that_waits_until_it_is_eligible_never_overspends(gaps: list[float]) -> None:
    history: list[accountant.Charge] = []
    now = NOW
    for gap in gaps:
        now += timedelta(days=gap)
        now = max(now, accountant.next_eligible(history, now) or now)
        history.append((now, policy.ROUND_CHARGE))
        window = [int(amount) for when, amount in history if when > now - policy.BUDGET_WINDOW]
        assert sum(window) <= policy.BUDGET_CAP


def test_a_device_with_room_is_eligible_now() -> None:
    history = [(NOW - timedelta(days=d), policy.ROUND_CHARGE) for d in range(11)]
    assert accountant.next_eligible(history, NOW) is None


def test_a_device_without_room_is_eligible_when_its_oldest_charge_leaves_the_window() -> None:
    history = [(NOW - timedelta(days=d), policy.ROUND_CHARGE) for d in range(12)]
    assert accountant.next_eligible(history, NOW) == NOW - timedelta(days=11) + policy.BUDGET_WINDOW


def test_epsilon_grows_with_the_charge() -> None:
    values = [accountant.epsilon(NanoRho(c), 1e-6) for c in (1, 10**6, 10**8, 10**9)]
    assert values == sorted(values)
    assert math.isfinite(values[-1])

"""The rates that `privacy.catalogue` promises, derived again from simulation of the app's noise (contract §3)."""

import numpy as np
import pytest
from tests.bin_chances import greatest_rate_bins

from tacita.fleet.exports import App, simulate
from tacita.fleet.measurement import TOTALS, Rate, cohort_alarms, refusal_rates, unbucketed_rates
from tacita.privacy import policy, tested
from tacita.protocol.refusals import Rule


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def silent(_: int) -> None:
    """Nobody looks at a test's progress."""


def rates(app: App, graphs: int, *totals: int, inside: bool = True) -> dict[Rule, Rate]:
    return refusal_rates(rng(), app, graphs, totals, silent, inside=inside)


@pytest.mark.parametrize("graphs", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
def test_honest_graphs_are_refused_no_more_often_than_designed(graphs: int) -> None:
    found = rates(App.HONEST, graphs, *TOTALS, inside=False)

    lowest = {rule: rate.interval[0] for rule, rate in found.items()}
    assert all(low <= policy.TESTED_FALSE_POSITIVES for low in lowest.values()), found


@pytest.mark.parametrize("total", [100, 1_000, 2_700])
def test_honest_rates_hit_the_lattice_as_rarely_as_the_rule_assumes_and_not_much_more_rarely(total: int) -> None:
    source = rng()
    shares = source.integers(0, total + 1, 3_000_000) / total
    sent = np.clip(shares + policy.APP_RATE_NOISE * source.laplace(size=shares.size), 0, 1).astype(np.float32)
    near = sent[np.abs(sent - np.round(sent * total) / total) <= 4 * policy.LATTICE_TOLERANCE].astype(float)

    chances = [tested.lattice_chance(rate, total) for rate in near.tolist()]
    found = Rate(sum(chance < 1 for chance in chances), shares.size)

    assumed = min(chances)
    assert found.interval[0] <= assumed
    assert found.interval[1] >= assumed / 3


def test_the_honest_mean_is_as_rarely_near_the_nodes_mean_as_the_rule_assumes() -> None:
    exports = simulate(rng(), App.NO_SAMPLING, 40_000, 20)
    chances = np.array([tested.mean_chance(g.aggregate_metrics, nodes) for g, nodes in exports.graphs()])

    for level in (0.001, 0.01, 0.1):
        found = Rate(int((chances <= level).sum()), len(chances))
        assert found.interval[0] <= level


@pytest.mark.parametrize("total", [20, 100, 1_000])
def test_rates_without_noise_are_refused_in_998_of_1000_graphs(total: int) -> None:
    assert rates(App.NO_NOISE, 6_000, total)[Rule.NO_NOISE].interval[0] >= 0.998


@pytest.mark.parametrize(
    ("app", "total", "rule", "least"),
    [
        (App.NO_TIME_SHIFT, 100, Rule.NO_TIME_SHIFT, 0.9),
        (App.WHOLE_SECONDS, 100, Rule.NO_TIME_SHIFT, 0.99),
        (App.REGULAR_TIMES, 100, Rule.NO_TIME_SHIFT, 0.99),
        (App.NO_SAMPLING, 150, Rule.NO_SAMPLING, 0.99),
        (App.NOTHING, 100, Rule.NO_NOISE, 0.99),
    ],
)
def test_a_named_cheat_is_refused(app: App, total: int, rule: Rule, least: float) -> None:
    assert rates(app, 2_000, total)[rule].interval[0] >= least


def test_unbucketed_emotions_are_refused_and_bucketed_ones_never() -> None:
    honest, unbucketed = unbucketed_rates(3, 60)

    assert (honest.hits, unbucketed.hits) == (0, unbucketed.trials)


@pytest.mark.parametrize("total", [50, 100, 400])
def test_no_bin_of_the_rates_noise_is_likelier_than_the_policy_says_whatever_the_data(total: int) -> None:
    assert np.all(greatest_rate_bins(total) <= np.array(policy.RATE_BIN_BOUNDS))


@pytest.mark.parametrize(("cohorts", "length"), [(200, 100), pytest.param(10_000, 300, marks=pytest.mark.slow)])
@pytest.mark.timeout(1_200)
def test_honest_cohorts_raise_no_more_alarms_than_designed_at_whatever_moment_one_looks(
    cohorts: int, length: int
) -> None:
    alarms = cohort_alarms(rng(), App.HONEST, cohorts, length, (100, 60, 100, 200), silent)

    assert alarms.raised.interval[0] <= 1 / policy.COHORT_ALARM


@pytest.mark.parametrize(
    ("app", "within"),
    [
        (App.NO_NOISE, 15),
        (App.NO_SAMPLING, 5),
        (App.CONSTANT_NOISE, 20),
        (App.ONE_SEED, 20),
        (App.HALF_SCALE, 250),
    ],
)
def test_a_cheating_cohort_raises_the_alarm(app: App, within: int) -> None:
    alarms = cohort_alarms(rng(), app, 60, within, (100, 60, 100, 200), silent)

    assert alarms.raised.interval[0] >= 0.9

"""Figures of a fleet: their intervals cover what they say they cover, by simulation of real contributions and noise."""

from collections.abc import Callable
from functools import cache

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from tests import populations

from tacita.fleet.world import World, user_kind, user_rng
from tacita.models.genesis import genesis_pack
from tacita.privacy import analytics, shares, tables
from tacita.privacy.analytics import NothingToReport, Report
from tacita.privacy.bounding import ContributionVector
from tacita.privacy.release import Cohort, Release, release
from tacita.privacy.shares import Interval, Share, Sums

Vectors = list[ContributionVector]
QUICK, LONG = 60, 1_000
DEVICES = 1_000


@cache
def mixed() -> tuple[ContributionVector, ...]:
    """Return a population whose devices differ as the simulated users do."""
    return tuple(populations.contributions(World.drawn(5), 5, 300))


@cache
def uniform_within() -> tuple[ContributionVector, ...]:
    """Return a population in which all interactions of a device are of one query type, model and outcome."""
    world, vectors = World.drawn(6), []
    for user in range(300):
        nodes = world.interactions(user_rng(6, user, 1), genesis_pack(), user_kind(user), 100, populations.NOW)
        alike = {name: getattr(nodes[0], name) for name in ("query_type", "model_used", "conversation_continued")}
        vectors.append(populations.contributed([msgspec.structs.replace(node, **alike) for node in nodes]))
    return tuple(vectors)


def truth(total: npt.NDArray[np.int64]) -> list[float]:
    """Return each figure's share in a sum that has no noise."""
    exact = Release(made(list(mixed())[:1]).statement, total.tolist())
    return [figure.share.estimate for figure in analytics.report([exact]).figures]


def made(vectors: Vectors, number: int = 1) -> Release:
    return release(Cohort(number, vectors), minimum=len(vectors))


def covered(report: Report, true: list[float], target: Callable[[Share], Interval]) -> npt.NDArray[np.bool_]:
    intervals = [target(figure.share) for figure in report.figures]
    return np.array([i.low - 1e-12 <= t <= i.high + 1e-12 for i, t in zip(intervals, true, strict=True)])


def cohorts_coverage(repetitions: int, rounds: int = 1) -> npt.NDArray[np.bool_]:
    """Return, for each repetition and figure, whether the cohort's interval held the share without noise."""
    rng, held = np.random.default_rng(1), []
    for _ in range(repetitions):
        drawn = [populations.drawn(mixed(), DEVICES, rng) for _ in range(rounds)]
        report = analytics.report([made(vectors, i + 1) for i, (vectors, _) in enumerate(drawn)])
        held.append(covered(report, truth(np.sum([total for _, total in drawn], axis=0)), lambda share: share.cohort))
    return np.array(held)


def populations_coverage(
    pool: tuple[ContributionVector, ...], repetitions: int, rounds: int = 1
) -> npt.NDArray[np.bool_]:
    """Return, for each repetition and figure, whether the population's interval held; one cohort is in all rounds."""
    rng, held = np.random.default_rng(2), []
    true = truth(np.sum([vector.cells for vector in pool], axis=0))
    for _ in range(repetitions):
        vectors, _ = populations.drawn(pool, DEVICES, rng)
        report = analytics.report([made(vectors, i + 1) for i in range(rounds)])
        held.append(covered(report, true, lambda share: share.population))
    return np.array(held)


def test_the_cohorts_intervals_cover_as_often_as_they_say() -> None:
    held = cohorts_coverage(QUICK)

    assert 0.93 <= held.mean() <= 0.97
    assert held.mean(0).min() >= 0.75, "fewer than 45 of 60 has a chance of 1e-7 a figure"


def test_the_cohorts_intervals_cover_the_sum_of_several_releases() -> None:
    held = cohorts_coverage(QUICK // 3, rounds=3)

    assert 0.92 <= held.mean() <= 0.98


@pytest.mark.parametrize("pool", [mixed, uniform_within])
def test_the_populations_intervals_cover_at_least_as_often_as_they_say(
    pool: Callable[[], tuple[ContributionVector, ...]],
) -> None:
    held = populations_coverage(pool(), QUICK // 2)

    assert held.mean() >= 0.95


def test_one_cohort_in_every_round_is_no_larger_sample() -> None:
    held = populations_coverage(uniform_within(), QUICK // 3, rounds=3)

    assert held.mean() >= 0.95


def test_the_cohorts_intervals_say_nothing_of_a_population_whose_devices_are_uniform_within() -> None:
    rng, held = np.random.default_rng(3), []
    true = truth(np.sum([vector.cells for vector in uniform_within()], axis=0))
    for _ in range(10):
        vectors, _ = populations.drawn(uniform_within(), DEVICES, rng)
        held.append(covered(analytics.report([made(vectors)]), true, lambda share: share.cohort)[:7])

    assert np.mean(held) < 0.9


@pytest.mark.slow
def test_each_of_the_cohorts_intervals_covers_within_its_binomial_interval() -> None:
    held = cohorts_coverage(LONG)
    each = held.mean(0)

    print(f"\ncohort: {held.mean():.4f} of all, {each.min():.3f} to {each.max():.3f} figure by figure")  # noqa: T201
    four_deviations = 4 * np.sqrt(0.95 * 0.05 / LONG)
    assert each.min() >= 0.95 - four_deviations
    assert np.median(each) <= 0.95 + four_deviations, "a share near 0 or 1 may be held more often"


@pytest.mark.slow
@pytest.mark.parametrize("pool", [mixed, uniform_within])
def test_each_of_the_populations_intervals_covers(pool: Callable[[], tuple[ContributionVector, ...]]) -> None:
    held = populations_coverage(pool(), LONG)
    each = held.mean(0)

    print(f"\npopulation: {held.mean():.4f} of all, {each.min():.3f} to {each.max():.3f} figure by figure")  # noqa: T201
    assert each.min() >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / LONG)


def test_shares_of_one_question_sum_to_one() -> None:
    figures = analytics.report([made(list(mixed()))]).by_question()

    for answers in (figures["query type"], figures["response time"], figures["user's mood"]):
        assert sum(each.share.estimate for each in answers) == pytest.approx(1)


def test_without_noise_the_cohorts_interval_is_the_share() -> None:
    vector, part = np.zeros(tables.CELLS), np.zeros(tables.ESCALATION.shape, np.bool_)
    part[..., 1] = True
    vector[tables.OFFSETS["escalation"] :] = 3
    vector[-1] = 31

    found = shares.share(Sums(vector, 1e-12, 1), tables.ESCALATION, part, np.ones_like(part))

    assert found.estimate == pytest.approx((27 * 3 + 31) / (55 * 3 + 31))
    assert found.cohort.high - found.cohort.low < 1e-6


def test_a_whole_that_drowns_in_noise_says_nothing() -> None:
    part = np.zeros(tables.ROUTING.shape, np.bool_)
    part[0] = True

    found = shares.share(Sums(np.ones(tables.CELLS), 139_189.0**2, 1), tables.ROUTING, part, np.ones_like(part))

    assert found.cohort == found.population == Interval(0, 1)


def test_the_estimate_lies_in_its_intervals_and_the_populations_is_the_wider() -> None:
    for figure in analytics.report([made(list(mixed()))]).figures:
        share = figure.share

        assert 0 <= share.population.low <= share.cohort.low <= share.estimate
        assert share.estimate <= share.cohort.high <= share.population.high <= 1


def test_releases_of_another_policy_are_not_reported_on() -> None:
    other = made(list(mixed())[:1])
    other = msgspec.structs.replace(other, statement=msgspec.structs.replace(other.statement, policy_hash="ab" * 32))

    with pytest.raises(NothingToReport, match="another privacy policy"):
        analytics.report([other])


def test_no_release_is_no_report() -> None:
    with pytest.raises(NothingToReport):
        analytics.report([])

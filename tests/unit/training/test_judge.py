"""The judge: unbiased on the counts that taught the candidate, and hard to fool."""

import msgspec
import numpy as np
import pytest
from tests import worlds

from tacita.fleet.world import World
from tacita.models.genesis import genesis_pack
from tacita.training.judge import JudgeError, evaluate


def test_a_candidate_of_a_world_with_effects_is_measurably_better() -> None:
    file, pack = worlds.learned(World.drawn(201), 1, 201)[0]

    verdict = evaluate(file, genesis_pack(), pack)

    assert verdict.better
    assert verdict.components[0].low > 0
    assert f"{verdict.components[0].estimate:+.1f} points" in verdict.improvements[0]


def test_a_candidate_of_a_world_without_effects_is_not_better() -> None:
    world = worlds.without_effects(World.drawn(202))
    file, pack = worlds.learned(world, 1, 202)[0]

    verdict = evaluate(file, genesis_pack(), pack)

    assert (verdict.better, verdict.improvements) == (False, [])
    assert verdict.reason.startswith("not measurably better")


def test_a_candidate_that_the_releases_do_not_teach_is_not_judged() -> None:
    file, pack = worlds.learned(World.drawn(1), 1, 1)[0]
    forged = msgspec.structs.replace(pack, routing=genesis_pack().routing)

    with pytest.raises(JudgeError, match="not what these releases teach"):
        evaluate(file, genesis_pack(), forged)


def test_a_base_that_saw_the_newest_release_cannot_be_compared_with() -> None:
    file, pack = worlds.learned(World.drawn(1), 1, 1)[0]
    base = msgspec.structs.replace(genesis_pack(), releases=pack.releases)

    with pytest.raises(JudgeError, match="saw the newest release"):
        evaluate(file, base, pack)


@pytest.mark.slow
@pytest.mark.timeout(1_500)
def test_the_judge_is_seldom_fooled_by_a_world_without_effects() -> None:
    fooled, covered, errors = 0, 0, []
    seeds = range(300, 400)
    for seed in seeds:
        world = worlds.without_effects(World.drawn(seed))
        file, pack = worlds.learned(world, 1, seed)[0]
        verdict = evaluate(file, genesis_pack(), pack)
        total = verdict.components[0]
        fooled += verdict.better
        covered += total.low <= 0 <= total.high
        errors.append(total.estimate)

    print(f"\nfooled {fooled}, covered {covered} of {len(seeds)}; mean error {np.mean(errors):.3f} points")  # noqa: T201
    assert fooled <= 7, "at most 2.5 % are expected; 8 of 100 has a chance of 0.4 %"
    assert covered >= 88


@pytest.mark.slow
@pytest.mark.timeout(1_500)
def test_the_intervals_of_two_rounds_cover_the_true_gain() -> None:
    covered, published, errors = [], [], []
    for seed in range(400, 420):
        world, base = World.drawn(seed), genesis_pack()
        for file, pack in worlds.learned(world, 2, seed):
            verdict = evaluate(file, base, pack)
            gain, total = world.regret(base).total - world.regret(pack).total, verdict.components[0]
            covered.append(total.low <= gain <= total.high)
            published.append(verdict.better)
            errors.append(total.estimate - gain)
            base = pack

    print(f"\ncovered {np.mean(covered):.3f}, published {np.mean(published):.3f}, bias {np.mean(errors):.3f}")  # noqa: T201
    assert np.mean(covered) >= 0.85
    assert np.mean(published) >= 0.9

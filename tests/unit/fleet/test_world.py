"""The simulated world: its truth is a probability everywhere, its regret is exact, its interactions follow it."""

from datetime import UTC, datetime
from random import Random

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tacita.device.recorder import export
from tacita.device.state import Device
from tacita.fleet.world import INCLINATION, World, user_rng
from tacita.models.genesis import genesis_pack
from tacita.privacy.columns import node_columns
from tacita.privacy.rules import violations

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@given(st.integers(0, 10_000))
def test_every_sum_of_effects_is_a_probability(seed: int) -> None:
    world = World.drawn(seed)

    lowest = INCLINATION.min() + world.routing.min() + world.emotion.min()
    highest = INCLINATION.max() + world.routing.max() + world.emotion.max()

    assert lowest >= 0
    assert highest <= 1


@given(st.integers(0, 10_000))
def test_the_weights_of_contexts_sum_to_one(seed: int) -> None:
    world = World.drawn(seed)

    np.testing.assert_allclose([world.routing_weights.sum(), world.emotion_weights.sum()], 1)


def test_the_logging_policy_loses_about_what_the_privacy_design_says() -> None:
    regrets = [World.drawn(seed).regret(genesis_pack()) for seed in range(40)]

    assert 2 < np.mean([regret.routing for regret in regrets]) < 3
    assert 13 < np.mean([regret.emotion for regret in regrets]) < 17


def test_the_best_policy_has_no_regret() -> None:
    world = World.drawn(3)
    best = np.eye(6)[world.emotion.argmax(-1)]
    quality = (world.routing[..., 1] > world.routing[..., 0]).astype(float)
    pack = msgspec.structs.replace(
        genesis_pack(),
        routing=tuple(map(tuple, quality.tolist())),
        emotion=tuple(tuple(map(tuple, rows)) for rows in best.tolist()),
    )

    regret = world.regret(pack)

    assert abs(regret.total) < 1e-9


def test_interactions_break_no_rule_and_are_the_same_for_the_same_seed() -> None:
    world, device = World.drawn(1), Device.new(NOW)
    device.nodes = world.interactions(user_rng(1, 5, 1), genesis_pack(), 1, 200, NOW)

    graph = export(device, Random(1), NOW)

    assert violations(graph, node_columns(graph.nodes), device.id_hash, NOW) == []
    assert device.nodes == world.interactions(user_rng(1, 5, 1), genesis_pack(), 1, 200, NOW)


def test_conversations_go_on_as_often_as_the_truth_says() -> None:
    world, pack, kind = World.drawn(2), genesis_pack(), 1
    nodes = world.interactions(np.random.default_rng(0), pack, kind, 40_000, NOW)

    gain = [
        np.mean([n.conversation_continued for n in nodes if n.model_selected_emotion == emotion])
        for emotion in ("HAPPY", "ANGRY")
    ]
    by_truth = [_expected(world, pack_emotion, kind) for pack_emotion in (0, 5)]

    assert abs((gain[0] - gain[1]) - (by_truth[0] - by_truth[1])) < 0.03


def _expected(world: World, emotion: int, kind: int) -> float:
    """Return P(continued | emotion shown) of one kind of user under the genesis pack."""
    pleasure = np.bincount(np.searchsorted([-0.5, 0, 0.5], np.arange(-5, 6) / 5, "right"), world.pleasure_mix[kind])
    arousal = np.bincount(np.searchsorted([-0.33, 0.33], np.arange(-5, 6) / 5, "right"), world.arousal_mix)
    shown = np.outer(pleasure, arousal) * np.array(genesis_pack().emotion)[..., emotion]
    return float((shown * world.emotion[..., emotion]).sum() / shown.sum())

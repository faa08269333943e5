"""Kinds of simulated truths, from easy to unkind: a learner that shrinks towards margins must not live off structure.

All are scaled so that today's logging policy loses what privacy §5 says on average (routing 2.48, emotion 15.2 points),
so that regrets compare across families; who asks and in which mood is drawn as in `World.drawn`.
"""

from dataclasses import replace
from enum import StrEnum

import numpy as np

from tacita.fleet.world import EMOTION_BOUND, ROUTING_BOUND, Array, World
from tacita.protocol import contexts

_ROUTING = (len(contexts.QUERY_TYPES), contexts.COMPLEXITY_BINS)
_EMOTION = (contexts.PLEASURE_BINS, contexts.AROUSAL_BINS, len(contexts.EMOTIONS))
_AFFECTED = 1 / 3


class Family(StrEnum):
    """How the effects of a world hang together.

    STRUCTURED: mostly effects of single axes (`World.drawn`). UNSTRUCTURED: every cell by itself. SPARSE: one context
    in three has a better model, one emotion in each mood helps, the rest is all the same. INTERACTIONS: every margin
    is exactly zero, so that whoever looks at margins learns nothing.
    """

    STRUCTURED = "structured"
    UNSTRUCTURED = "unstructured"
    SPARSE = "sparse"
    INTERACTIONS = "interactions"


_SCALES = {
    Family.UNSTRUCTURED: (0.0615, 0.1229),
    Family.SPARSE: (0.1493, 0.1825),
    Family.INTERACTIONS: (0.0774, 0.1704),
}
"""Of the gain of "quality" and of the emotions' effects; found on seeds 1000 to 1199."""


def drawn(family: Family, seed: int) -> World:
    """Draw a world of a family; the same seed gives the same users in every family."""
    world = World.drawn(seed)
    if family is Family.STRUCTURED:
        return world
    rng = np.random.default_rng([seed, 3, list(Family).index(family)])
    by_model, by_emotion = _SCALES[family]
    gain, emotion = by_model * _gains(family, rng), by_emotion * _emotions(family, rng)
    return replace(
        world,
        routing=np.clip(np.stack([-gain / 2, gain / 2], axis=-1), -ROUTING_BOUND, ROUTING_BOUND),
        emotion=np.clip(emotion, -EMOTION_BOUND, EMOTION_BOUND),
    )


def drifted(family: Family, seed: int, number: int, step: float) -> World:
    """Return a world of a family as it is in round `number`, when tastes drift.

    Args:
        family: how its effects hang together, in every round.
        seed: of the world.
        number: the round, from 1; in the first, nothing has drifted.
        step: the share of the effects' variance that is new in each round.
    """
    world = drawn(family, seed)
    routing, emotion = world.routing, world.emotion
    for later in range(2, number + 1):
        fresh = drawn(family, 1_000_000 * later + seed)
        routing = np.sqrt(1 - step) * routing + np.sqrt(step) * fresh.routing
        emotion = np.sqrt(1 - step) * emotion + np.sqrt(step) * fresh.emotion
    return replace(
        world,
        routing=np.clip(routing, -ROUTING_BOUND, ROUTING_BOUND),
        emotion=np.clip(emotion, -EMOTION_BOUND, EMOTION_BOUND),
    )


def _gains(family: Family, rng: np.random.Generator) -> Array:
    if family is Family.SPARSE:
        return np.where(rng.random(_ROUTING) < _AFFECTED, rng.choice([-1.0, 1.0], _ROUTING), 0.0)
    gain = rng.normal(size=_ROUTING)
    return _without_margins(gain) if family is Family.INTERACTIONS else gain


def _emotions(family: Family, rng: np.random.Generator) -> Array:
    if family is Family.SPARSE:
        return np.eye(_EMOTION[-1])[rng.integers(_EMOTION[-1], size=_EMOTION[:-1])]
    effect = rng.normal(size=_EMOTION)
    return _without_margins(effect) if family is Family.INTERACTIONS else effect


def _without_margins(effects: Array) -> Array:
    """Return the interaction of all axes alone: the mean along each axis is zero."""
    for axis in range(effects.ndim):
        effects = effects - effects.mean(axis, keepdims=True)
    return effects

"""The ground truth of a simulated population: how likely each kind of user goes on after each choice.

P(continued) = the kind's own inclination + the effect of the model in (query type, complexity) + the effect of the
emotion shown in (pleasure, arousal). The effects are bounded so that the sum is a probability without clipping. They
are drawn from a seed; a learner never sees them. Regret is what a policy loses against the best choice everywhere.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from tacita.models.policy_pack import PolicyPack
from tacita.protocol import contexts
from tacita.protocol.dates import apple_seconds
from tacita.protocol.graph import EmotionBucket, Node

Array = npt.NDArray[np.float64]

INCLINATION = np.array([0.45, 0.5, 0.55])
"""Each kind of user's own P(continued)."""

ROUTING_BOUND, EMOTION_BOUND = 0.1, 0.3
_QUERY_MIX = np.array([0.08, 0.24, 0.14, 0.14, 0.08, 0.14, 0.18])
COMPLEXITY_MIX = np.array([0.22, 0.30, 0.28, 0.20])
_GRID = np.round(np.arange(-5, 6) / 5, 1)
LATENCY_S, LATENCY_SPREAD = np.array([1.1, 2.6]), 0.4
"""Each model's median response time, and the spread of its logarithm."""

_DAY_S = 86_400.0
_FOLLOW_UP = 0.6


@dataclass(frozen=True)
class Regret:
    """What a policy loses against the best one, in percentage points of "conversation continued"."""

    routing: float
    emotion: float

    @property
    def total(self) -> float:
        """Both together: the effects add up."""
        return self.routing + self.emotion


@dataclass(frozen=True)
class World:
    """One ground truth.

    Attributes:
        routing: effect of each model, query type 7 x complexity bin 4 x model 2.
        emotion: effect of each emotion shown, pleasure bin 4 x arousal bin 3 x emotion 6.
        query_mix: P(query type) of each kind of user, kind 3 x 7.
        pleasure_mix: P(pleasure grid point) of each kind of user, kind 3 x 11.
        arousal_mix: P(arousal grid point), 11.
        escalation: P(handed over), query type 7 x complexity bin 4.
    """

    routing: Array
    emotion: Array
    query_mix: Array
    pleasure_mix: Array
    arousal_mix: Array
    escalation: Array

    @classmethod
    def drawn(cls, seed: int) -> "World":
        """Draw a world: each effect is a sum of its axes' own effects and a smaller one of the exact context."""
        rng = np.random.default_rng([seed, 1])
        types, complexities = len(contexts.QUERY_TYPES), contexts.COMPLEXITY_BINS
        gain = (
            rng.normal(0, 0.030, (types, 1))
            + rng.permutation(np.array([-0.05, -0.015, 0.015, 0.05]))
            + rng.normal(0, 0.020, (types, complexities))
        )
        shape = (contexts.PLEASURE_BINS, contexts.AROUSAL_BINS, len(contexts.EMOTIONS))
        emotion = (
            rng.normal(0, 0.08, (shape[0], 1, shape[2]))
            + rng.normal(0, 0.06, (1, shape[1], shape[2]))
            + rng.normal(0, 0.05, shape)
        )
        kinds = len(INCLINATION)
        return cls(
            routing=np.clip(np.stack([-gain / 2, gain / 2], axis=-1), -ROUTING_BOUND, ROUTING_BOUND),
            emotion=np.clip(emotion, -EMOTION_BOUND, EMOTION_BOUND),
            query_mix=rng.dirichlet(40 * _QUERY_MIX, kinds),
            pleasure_mix=rng.dirichlet(np.full(len(_GRID), 8.0), kinds),
            arousal_mix=rng.dirichlet(np.full(len(_GRID), 8.0)),
            escalation=np.clip(rng.beta(2, 14, (types, 1)) * np.array([0.5, 0.8, 1.2, 2.0]), 0.01, 0.9),
        )

    @property
    def routing_weights(self) -> Array:
        """P(query type, complexity bin), 7 x 4, kinds of users being equally many."""
        return np.asarray(self.query_mix.mean(0)[:, None] * COMPLEXITY_MIX)

    @property
    def emotion_weights(self) -> Array:
        """P(pleasure bin, arousal bin), 4 x 3, kinds of users being equally many."""
        return np.asarray(np.mean([self.mood_weights(kind) for kind in range(len(INCLINATION))], axis=0))

    def mood_weights(self, kind: int) -> Array:
        """Return P(pleasure bin, arousal bin), 4 x 3, of one kind of user."""
        pleasure = np.bincount(contexts.bins(_GRID, contexts.PLEASURE_EDGES), self.pleasure_mix[kind])
        arousal = np.bincount(contexts.bins(_GRID, contexts.AROUSAL_EDGES), self.arousal_mix)
        return np.asarray(np.outer(pleasure, arousal), np.float64)

    def regret(self, pack: PolicyPack) -> Regret:
        """Return the regret of the policy as it runs, its exploration included."""
        quality = np.array(pack.routing)
        return self._regret(np.stack([1 - quality, quality], -1), np.array(pack.emotion))

    def belief_regret(self, pack: PolicyPack) -> Regret:
        """Return the regret of always taking the choice that the pack believes in."""
        quality = (np.array(pack.routing) > 0.5).astype(float)
        chosen = np.eye(len(contexts.EMOTIONS))[np.array(pack.emotion).argmax(-1)]
        return self._regret(np.stack([1 - quality, quality], -1), chosen)

    def _regret(self, routing: Array, emotion: Array) -> Regret:
        lost_by_model = self.routing.max(-1) - (self.routing * routing).sum(-1)
        lost_by_emotion = self.emotion.max(-1) - (self.emotion * emotion).sum(-1)
        return Regret(
            100 * float((self.routing_weights * lost_by_model).sum()),
            100 * float((self.emotion_weights * lost_by_emotion).sum()),
        )

    def interactions(
        self, rng: np.random.Generator, pack: PolicyPack, kind: int, count: int, until: datetime
    ) -> list[Node]:
        """Return what `count` interactions of one user left in the graph, oldest first.

        Args:
            rng: this user's randomness.
            pack: the policy that chooses the model and the emotion.
            kind: which kind of user, 0 to 2.
            count: how many interactions.
            until: the time of the last one; they cover the week before.
        """
        asked = self._asked(rng, kind, count)
        model = (rng.random(count) < np.array(pack.routing)[asked.query, asked.complexity_bin]).astype(np.intp)
        cumulative = np.cumsum(np.array(pack.emotion)[asked.mood_bins], axis=1)[:, :-1]
        emotion = (rng.random((count, 1)) >= cumulative).sum(1)
        p_continued = (
            INCLINATION[kind]
            + self.routing[asked.query, asked.complexity_bin, model]
            + self.emotion[*asked.mood_bins, emotion]
        )
        continued = rng.random(count) < p_continued
        follow_up = continued & (rng.random(count) < _FOLLOW_UP)
        escalated = rng.random(count) < self.escalation[asked.query, asked.complexity_bin]
        latency = np.minimum(LATENCY_S[model] * rng.lognormal(0, LATENCY_SPREAD, count), 3_600)
        confidence = np.clip(0.25 + 0.9 * p_continued + rng.normal(0, 0.15, count), 0, 1)
        times = np.sort(rng.uniform(-7 * _DAY_S, 0, count)) + apple_seconds(until)
        return [
            Node(
                id=str(uuid.UUID(bytes=rng.bytes(16), version=4)).upper(),
                timestamp=float(times[i]),
                query_type=contexts.QUERY_TYPES[asked.query[i]],
                query_complexity=round(float(asked.complexity[i]), 4),
                word_count=max(1, int(30 * asked.complexity[i])),
                user_emotion_bucket=EmotionBucket(*asked.mood[i].tolist()),
                model_selected_emotion=contexts.EMOTIONS[emotion[i]],
                model_used=contexts.MODELS[model[i]],
                response_time=round(float(latency[i]), 4),
                confidence=round(float(confidence[i]), 4),
                conversation_continued=bool(continued[i]),
                follow_up_query=bool(follow_up[i]),
                escalated_to_online=bool(escalated[i]),
            )
            for i in range(count)
        ]

    def _asked(self, rng: np.random.Generator, kind: int, count: int) -> "_Asked":
        query = rng.choice(len(contexts.QUERY_TYPES), count, p=self.query_mix[kind])
        complexity_bin = rng.choice(contexts.COMPLEXITY_BINS, count, p=COMPLEXITY_MIX)
        edges = np.array((0.0, *contexts.COMPLEXITY_EDGES, 1.0))
        complexity = rng.uniform(edges[complexity_bin] + 0.001, edges[complexity_bin + 1] - 0.001)
        pleasure = rng.choice(_GRID, count, p=self.pleasure_mix[kind])
        arousal = rng.choice(_GRID, count, p=self.arousal_mix)
        return _Asked(query, complexity_bin, complexity, np.stack([pleasure, arousal, rng.choice(_GRID, count)], 1))


@dataclass(frozen=True)
class _Asked:
    """What users brought, before any choice was made: `mood` is n x 3, pleasure, arousal, dominance."""

    query: npt.NDArray[np.int64]
    complexity_bin: npt.NDArray[np.int64]
    complexity: Array
    mood: Array

    @property
    def mood_bins(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """The bins of pleasure and of arousal."""
        pleasure, arousal, _ = self.mood.T
        return contexts.bins(pleasure, contexts.PLEASURE_EDGES), contexts.bins(arousal, contexts.AROUSAL_EDGES)


def user_rng(seed: int, user: int, round_number: int) -> np.random.Generator:
    """Return the randomness of one user in one round: the same for the same seed, whoever runs it."""
    return np.random.default_rng([seed, 2, user, round_number])


def user_kind(user: int) -> int:
    """Return a user's kind; kinds are equally many."""
    return user % len(INCLINATION)

"""The policy pack: what a phone downloads and lets decide (privacy §5 says what it is learned from).

Four small tables over the same bins that contributions are counted in. A pack always explores: every model and every
emotion keeps some probability in every context, because what is never tried is never learned about again. `greedy`
readings are the choice that a pack believes in; regret is computed for them.
"""

import itertools
from collections.abc import Iterable
from typing import Protocol

import msgspec

from tacita.errors import TacitaError
from tacita.protocol import contexts
from tacita.protocol.ids import Version

PACK_FORMAT = "tacita/policy-pack/1"
GENESIS_VERSION = "granite-3b-v1"
_SUM_TOLERANCE = 1e-4

Row = tuple[float, ...]
Table2 = tuple[Row, ...]
Table3 = tuple[Table2, ...]


class PackError(TacitaError):
    """A policy pack can't be read, or holds something that isn't a policy."""


class Uniform(Protocol):
    """A source of uniform numbers: `random.Random`, `random.SystemRandom` and numpy's `Generator` are such."""

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...


class PolicyPack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One version of the assistant's policy; every number is a probability.

    Attributes:
        version: this pack's model version.
        base_version: the version that it was learned from and measured against; None for the genesis pack.
        releases: hex digests of the releases that it learned from, oldest first.
        routing: P("quality" model), query type 7 x complexity bin 4.
        emotion: P(emotion), pleasure bin 4 x arousal bin 3 x emotion 6; the last axis sums to one.
        calibration: P(conversation continued), confidence bin 5 x query type 7.
        escalation: P(handed to the online model), query type 7 x complexity bin 4.
        format: the format's name, a constant.
    """

    version: Version
    base_version: Version | None
    releases: tuple[str, ...]
    routing: Table2
    emotion: Table3
    calibration: Table2
    escalation: Table2
    format: str = PACK_FORMAT

    def quality_probability(self, query_type: str, complexity: float) -> float:
        """Return the probability of the "quality" model for a query of this type and complexity (0 to 1)."""
        return self.routing[_query_type(query_type)][_bin(complexity, contexts.COMPLEXITY_EDGES)]

    def choose_model(self, query_type: str, complexity: float, rng: Uniform) -> str:
        """Draw "fast" or "quality" for a query of this type and complexity (0 to 1)."""
        return contexts.MODELS[rng.random() < self.quality_probability(query_type, complexity)]

    def greedy_model(self, query_type: str, complexity: float) -> str:
        """Return the model that this pack believes in."""
        return contexts.MODELS[self.quality_probability(query_type, complexity) > 0.5]

    def emotion_probabilities(self, pleasure: float, arousal: float) -> Row:
        """Return P(emotion) in the order of `contexts.EMOTIONS` for a user's mood (each -1 to 1)."""
        row = self.emotion[_bin(pleasure, contexts.PLEASURE_EDGES)]
        return row[_bin(arousal, contexts.AROUSAL_EDGES)]

    def choose_emotion(self, pleasure: float, arousal: float, rng: Uniform) -> str:
        """Draw the emotion to show to a user of this mood (each -1 to 1)."""
        point = rng.random()
        cumulative = itertools.accumulate(self.emotion_probabilities(pleasure, arousal))
        index = sum(point >= edge for edge in cumulative)
        return contexts.EMOTIONS[min(index, len(contexts.EMOTIONS) - 1)]

    def greedy_emotion(self, pleasure: float, arousal: float) -> str:
        """Return the emotion that this pack believes in for a user of this mood."""
        row = self.emotion_probabilities(pleasure, arousal)
        return contexts.EMOTIONS[row.index(max(row))]

    def calibrated_confidence(self, confidence: float, query_type: str) -> float:
        """Return P(the conversation continues) when the model reports `confidence` (0 to 1)."""
        return self.calibration[_bin(confidence, contexts.CONFIDENCE_EDGES)][_query_type(query_type)]

    def expected_escalation(self, query_type: str, complexity: float) -> float:
        """Return the share of such queries that end up with the online model."""
        return self.escalation[_query_type(query_type)][_bin(complexity, contexts.COMPLEXITY_EDGES)]

    def should_escalate(self, query_type: str, complexity: float) -> bool:
        """Return whether such a query is more likely handed over than not, so that the phone need not try first."""
        return self.expected_escalation(query_type, complexity) > 0.5


def encode_pack(pack: PolicyPack) -> bytes:
    """Return the pack as JSON with sorted keys: the same pack always gives the same bytes."""
    return msgspec.json.encode(pack, order="sorted")


def decode_pack(data: bytes) -> PolicyPack:
    """Read a pack and check that it is a policy.

    Raises:
        PackError: not JSON, a wrong key or type, another format, a table of another shape, a number that is no
            probability, emotions that don't sum to one, or a choice without exploration.
    """
    try:
        pack = msgspec.json.decode(data, type=PolicyPack)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PackError(f"The policy pack can't be read: {error}") from None
    check_pack(pack)
    return pack


def check_pack(pack: PolicyPack) -> None:
    """Check a pack's format, shapes and probabilities.

    Raises:
        PackError: as `decode_pack`.
    """
    if pack.format != PACK_FORMAT:
        raise PackError(f"The policy pack's format isn't {PACK_FORMAT}")
    types, complexities = len(contexts.QUERY_TYPES), contexts.COMPLEXITY_BINS
    _check_table("routing", pack.routing, (types, complexities))
    _check_table("calibration", pack.calibration, (contexts.CONFIDENCE_BINS, types))
    _check_table("escalation", pack.escalation, (types, complexities))
    if len(pack.emotion) != contexts.PLEASURE_BINS:
        raise PackError("The policy pack's emotion table has another shape")
    for rows in pack.emotion:
        _check_table("emotion", rows, (contexts.AROUSAL_BINS, len(contexts.EMOTIONS)))
        if any(abs(sum(row) - 1) > _SUM_TOLERANCE for row in rows):
            raise PackError("The policy pack's emotions don't sum to one")
    tried = itertools.chain(_numbers(pack.routing), *(_numbers(rows) for rows in pack.emotion))
    if not all(0 < p < 1 for p in tried):
        raise PackError("The policy pack never tries some choice: routing and emotion must lie strictly within 0 and 1")


def _check_table(name: str, table: Table2, shape: tuple[int, int]) -> None:
    if len(table) != shape[0] or any(len(row) != shape[1] for row in table):
        raise PackError(f"The policy pack's {name} table has another shape")
    if not all(0 <= p <= 1 for p in _numbers(table)):
        raise PackError(f"The policy pack's {name} table holds a number that is no probability")


def _numbers(table: Table2) -> Iterable[float]:
    return itertools.chain.from_iterable(table)


def _query_type(name: str) -> int:
    try:
        return contexts.QUERY_TYPES.index(name)
    except ValueError:
        raise PackError("No such query type") from None


def _bin(value: float, edges: tuple[float, ...]) -> int:
    return int(contexts.bins(value, edges))

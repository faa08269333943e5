"""The genesis pack: the policy that the app logs under today, before anything was learned."""

from itertools import pairwise

from tacita.models.policy_pack import GENESIS_VERSION, PolicyPack, Row
from tacita.protocol import contexts

_MIRROR = (
    ("SAD", "SAD", "ANGRY"),
    ("CALM", "SAD", "SURPRISED"),
    ("CALM", "HAPPY", "EXCITED"),
    ("HAPPY", "HAPPY", "EXCITED"),
)
"""The app's heuristic, pleasure bin x arousal bin: show the user their own mood."""

_MIRROR_SHARE = 0.25
_QUALITY_BY_COMPLEXITY = (0.35, 0.45, 0.55, 0.65)
_QUALITY_BY_QUERY_TYPE = (-0.10, 0.05, -0.05, 0.0, -0.05, 0.10, 0.05)
_ESCALATION_BY_COMPLEXITY = (0.1, 0.1, 0.2, 0.2)


def genesis_pack() -> PolicyPack:
    """Return today's logging policy: simple heuristics, each mixed with chance so that every choice is tried.

    The confidence that a model reports is taken at its word (the middle of its bin).
    """
    edges = (0.3, *contexts.CONFIDENCE_EDGES, 1.0)
    middles = [round((low + high) / 2, 6) for low, high in pairwise(edges)]
    return PolicyPack(
        version=GENESIS_VERSION,
        base_version=None,
        releases=(),
        routing=tuple(
            tuple(round(by_complexity + by_type, 6) for by_complexity in _QUALITY_BY_COMPLEXITY)
            for by_type in _QUALITY_BY_QUERY_TYPE
        ),
        emotion=tuple(tuple(_mirror_row(shown) for shown in row) for row in _MIRROR),
        calibration=tuple((middle,) * len(contexts.QUERY_TYPES) for middle in middles),
        escalation=(_ESCALATION_BY_COMPLEXITY,) * len(contexts.QUERY_TYPES),
    )


def _mirror_row(shown: str) -> Row:
    rest = (1 - _MIRROR_SHARE) / (len(contexts.EMOTIONS) - 1)
    return tuple(_MIRROR_SHARE if emotion == shown else rest for emotion in contexts.EMOTIONS)

"""The learning graph, the plaintext of a submission (contract §3). Seen by privacy, api.submit, device and fleet only.

Types alone are decoded here: whatever parses but leaves its domain is for `privacy.rules` to refuse with a rule and a
field. So closed sets are plain strings in these structs, and dates may be any moment.
"""

import msgspec

from tacita.protocol.dates import WireDate

MAX_NODES = 5_000
"""Nodes per graph (contract §4)."""

MAX_DEPTH = 8
"""How deep objects and arrays may nest (contract §4); a sound graph nests 4 deep."""


class EmotionBucket(msgspec.Struct, forbid_unknown_fields=True, rename="camel", gc=False, frozen=True):
    """The user's emotion in the PAD model, each on the grid -1.0, -0.8 … 1.0."""

    pleasure_bucket: float
    arousal_bucket: float
    dominance_bucket: float


class Node(msgspec.Struct, forbid_unknown_fields=True, rename="camel", gc=False, frozen=True):
    """One interaction; fields and domains as in contract §3's table."""

    id: str
    timestamp: WireDate
    query_type: str
    query_complexity: float
    word_count: int
    user_emotion_bucket: EmotionBucket
    model_selected_emotion: str
    model_used: str
    response_time: float
    confidence: float
    conversation_continued: bool
    follow_up_query: bool
    escalated_to_online: bool


class AggregateMetrics(msgspec.Struct, forbid_unknown_fields=True, rename="camel", gc=False, frozen=True):
    """The app's noised summary of all its nodes, before sampling (contract §3)."""

    total_interactions: int
    avg_response_time: float
    success_rate: float
    fast_model_usage: float
    escalation_rate: float


class LearningGraph(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """A device's whole graph (contract §3)."""

    device_id_hash: str
    nodes: list[Node]
    aggregate_metrics: AggregateMetrics
    created_at: WireDate
    last_updated_at: WireDate

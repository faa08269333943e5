"""The floor: one graph, taken in by straight-line Python without HTTP and without a store.

What a competent engineer writes first, with the libraries that one would choose: msgspec for both JSONs, `hmac`,
AES-GCM of `cryptography`, an if-check for each domain and a bisect for each bin. It is stingy where it may be (one
signature form, float64 bins, no message for a refusal), so that a ratio to it flatters nobody.
"""

import base64
import hmac
import re
from bisect import bisect_right

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

QUERY_TYPES = ("greeting", "question", "command", "search", "timeBased", "emotional", "conversational")
EMOTIONS = ("HAPPY", "SAD", "EXCITED", "CALM", "SURPRISED", "ANGRY")
MODELS = ("fast", "quality")
COMPLEXITY = (0.1, 0.3, 0.6)
PLEASURE = (-0.5, 0.0, 0.5)
AROUSAL = (-0.33, 0.33)
RESPONSE_TIME = (1.0, 2.0, 3.0, 4.0)
CONFIDENCE = (0.55, 0.7, 0.83, 0.92)
UUID = re.compile(r"[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}")
APPLE_EPOCH = 978_307_200.0
MAX_AGE_S, MAX_LEAD_S, TIME_SHIFT_S = 30 * 86_400.0, 600.0, 1_800.0
CELLS = 452


class Refused(Exception):  # noqa: N818 - what happened
    """The graph is not taken in."""


class Envelope(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The submitted body."""

    device_id_hash: str
    app_version: str
    model_version: str
    encrypted_data: str
    signature: str
    timestamp: float


class EmotionBucket(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The user's mood."""

    pleasure_bucket: float
    arousal_bucket: float
    dominance_bucket: float


class Node(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """One interaction."""

    id: str
    timestamp: float
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


class Metrics(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The summary of all interactions."""

    total_interactions: int
    avg_response_time: float
    success_rate: float
    fast_model_usage: float
    escalation_rate: float


class Graph(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The plaintext."""

    device_id_hash: str
    nodes: list[Node]
    aggregate_metrics: Metrics
    created_at: float
    last_updated_at: float


ENVELOPES = msgspec.json.Decoder(Envelope)
GRAPHS = msgspec.json.Decoder(Graph)


def authenticate(envelope: Envelope, key: bytes) -> bytes:
    """Return the sealed bytes whose signature holds."""
    sealed = base64.b64decode(envelope.encrypted_data)
    expected = base64.b64encode(hmac.new(key, sealed, "sha256").digest()).decode()
    if not hmac.compare_digest(expected, envelope.signature):
        raise Refused("signature")
    return sealed


def open_graph(sealed: bytes, key: bytes) -> bytes:
    """Return the plaintext."""
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], None)


def on_grid(value: float) -> bool:
    """Tell whether a mood is one of -1.0, -0.8 … 1.0."""
    return -1 <= value <= 1 and abs(value * 5 - round(value * 5)) <= 5e-6


def check_node(node: Node, latest: float) -> None:
    """Refuse a node that leaves its domain."""
    bucket = node.user_emotion_bucket
    if not UUID.fullmatch(node.id):
        raise Refused("id")
    if node.timestamp > latest + TIME_SHIFT_S:
        raise Refused("timestamp")
    if node.query_type not in QUERY_TYPES or node.model_selected_emotion not in EMOTIONS:
        raise Refused("set")
    if node.model_used not in MODELS:
        raise Refused("modelUsed")
    if not 0 <= node.query_complexity <= 1 or not 0 <= node.confidence <= 1:
        raise Refused("range")
    if not 0 <= node.word_count <= 10_000 or not 0 <= node.response_time <= 3_600:
        raise Refused("range")
    if not (on_grid(bucket.pleasure_bucket) and on_grid(bucket.arousal_bucket) and on_grid(bucket.dominance_bucket)):
        raise Refused("grid")
    if node.follow_up_query and not node.conversation_continued:
        raise Refused("followUpQuery")


def check(graph: Graph, device_id_hash: str, now: float) -> None:
    """Refuse a graph that breaks a privacy rule."""
    metrics, latest = graph.aggregate_metrics, now - APPLE_EPOCH + MAX_LEAD_S
    if graph.device_id_hash != device_id_hash:
        raise Refused("device")
    if not 1 <= len(graph.nodes) <= min(5_000, metrics.total_interactions) or metrics.total_interactions < 5:
        raise Refused("count")
    if not now - APPLE_EPOCH - MAX_AGE_S <= graph.last_updated_at <= latest:
        raise Refused("freshness")
    if not (0 <= metrics.success_rate <= 1 and 0 <= metrics.fast_model_usage <= 1):
        raise Refused("metrics")
    if not (0 <= metrics.escalation_rate <= 1 and -100 <= metrics.avg_response_time <= 3_700):
        raise Refused("metrics")
    for node in graph.nodes:
        check_node(node, latest)


def name_nodes(graph: Graph, key: bytes) -> list[bytes]:
    """Return the keyed, truncated name of each node id."""
    return [hmac.digest(key, node.id.encode(), "sha256")[:8] for node in graph.nodes]


def choose(graph: Graph, names: list[bytes], counted: set[bytes], now: float) -> dict[bytes, Node]:
    """Return the newest nodes that were not counted before, by name."""
    chosen: dict[bytes, Node] = {}
    named = zip(names, graph.nodes, strict=True)
    for name, node in sorted(named, key=lambda pair: pair[1].timestamp, reverse=True):
        if len(chosen) == 100 or node.timestamp + APPLE_EPOCH < now - MAX_AGE_S:
            break
        if name not in counted and name not in chosen:
            chosen[name] = node
    return chosen


def count(graph: Graph, names: list[bytes], counted: set[bytes], now: float) -> tuple[list[int], list[bytes]]:
    """Return the 452 counts of the nodes that count, and their names."""
    cells = [0] * CELLS
    chosen = choose(graph, names, counted, now)
    for node in chosen.values():
        query = QUERY_TYPES.index(node.query_type)
        model = MODELS.index(node.model_used)
        emotion = EMOTIONS.index(node.model_selected_emotion)
        continued = int(node.conversation_continued)
        complexity = bisect_right(COMPLEXITY, node.query_complexity)
        pleasure = bisect_right(PLEASURE, node.user_emotion_bucket.pleasure_bucket)
        arousal = bisect_right(AROUSAL, node.user_emotion_bucket.arousal_bucket)
        confidence = bisect_right(CONFIDENCE, node.confidence)
        response_time = bisect_right(RESPONSE_TIME, node.response_time)
        cells[((query * 4 + complexity) * 2 + model) * 2 + continued] += 1
        cells[112 + ((pleasure * 3 + arousal) * 6 + emotion) * 2 + continued] += 1
        cells[256 + (confidence * 7 + query) * 2 + continued] += 1
        cells[326 + (response_time * 7 + query) * 2 + model] += 1
        cells[396 + (query * 4 + complexity) * 2 + node.escalated_to_online] += 1
    return cells, list(chosen)

"""The walk in as slow, obvious Python: one node, one check, one bin at a time, on plain JSON values.

It follows the contract's words and shares no code with the fast path, which tests hold against it.
"""

import re
import struct
from bisect import bisect_right
from datetime import datetime, timedelta
from typing import Any

from tacita.protocol.refusals import Rule, Violation

QUERY_TYPES = ["greeting", "question", "command", "search", "timeBased", "emotional", "conversational"]
EMOTIONS = ["HAPPY", "SAD", "EXCITED", "CALM", "SURPRISED", "ANGRY"]
MODELS = ["fast", "quality"]
UUID = re.compile(r"[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}")
MOODS = ("pleasureBucket", "arousalBucket", "dominanceBucket")
SETS = {"queryType": QUERY_TYPES, "modelSelectedEmotion": EMOTIONS, "modelUsed": MODELS}
RANGES = {"queryComplexity": (0, 1), "wordCount": (0, 10_000), "responseTime": (0, 3_600), "confidence": (0, 1)}
METRICS = {
    "successRate": (0, 1),
    "fastModelUsage": (0, 1),
    "escalationRate": (0, 1),
    "avgResponseTime": (-100, 3_700),
}
SHAPES = ((7, 4, 2, 2), (4, 3, 6, 2), (5, 7, 2), (5, 7, 2), (7, 4, 2))
Found = list[Violation]


def single(value: float) -> float:
    """Return the value rounded to float32 (contract §1.4)."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def moment(date: float | str) -> float:
    """Return Unix seconds of either form of a date (contract §1.2)."""
    if isinstance(date, str):
        return datetime.fromisoformat(date).timestamp()
    return date + datetime.fromisoformat("2001-01-01T00:00:00+00:00").timestamp()


def off_grid(value: float) -> bool:
    return abs(value - 0.2 * round(value / 0.2)) > 1e-6


def graph_violations(value: dict[str, Any], device: str, now: datetime) -> Found:
    count, total = len(value["nodes"]), value["aggregateMetrics"]["totalInteractions"]
    updated = moment(value["lastUpdatedAt"])
    broken = [
        (value["deviceIdHash"] != device, Rule.DEVICE_MISMATCH, "deviceIdHash"),
        (not 1 <= count <= 5_000, Rule.NODE_COUNT, "nodes"),
        (count > total, Rule.NODES_EXCEED_TOTAL, "aggregateMetrics.totalInteractions"),
        (total < 5, Rule.OUT_OF_RANGE, "aggregateMetrics.totalInteractions"),
        (updated > (now + timedelta(minutes=10)).timestamp(), Rule.FUTURE_GRAPH, "lastUpdatedAt"),
        (updated < (now - timedelta(days=30)).timestamp(), Rule.STALE_GRAPH, "lastUpdatedAt"),
    ]
    for field, (low, high) in METRICS.items():
        outside = not low <= single(value["aggregateMetrics"][field]) <= high
        broken.append((outside, Rule.OUT_OF_RANGE, f"aggregateMetrics.{field}"))
    return [Violation(rule, field) for bad, rule, field in broken if bad]


def node_violations(node: dict[str, Any], now: datetime) -> Found:
    found: Found = []
    if node["followUpQuery"] and not node["conversationContinued"]:
        found.append(Violation(Rule.FOLLOW_UP_WITHOUT_CONTINUATION, "followUpQuery"))
    if moment(node["timestamp"]) > (now + timedelta(minutes=40)).timestamp():
        found.append(Violation(Rule.FUTURE_NODE, "timestamp"))
    for field, allowed in SETS.items():
        if node[field] not in allowed:
            found.append(Violation(Rule.NOT_IN_SET, field))
    return found + number_violations(node)


def number_violations(node: dict[str, Any]) -> Found:
    found: Found = [] if UUID.fullmatch(node["id"]) else [Violation(Rule.NOT_A_UUID, "id")]
    for field, (low, high) in RANGES.items():
        rounded = node[field] if field == "wordCount" else single(node[field])
        if not low <= rounded <= high:
            found.append(Violation(Rule.OUT_OF_RANGE, field))
    for field in MOODS:
        mood = single(node["userEmotionBucket"][field])
        if not -1 <= mood <= 1:
            found.append(Violation(Rule.OUT_OF_RANGE, f"userEmotionBucket.{field}"))
        elif off_grid(mood):
            found.append(Violation(Rule.OFF_GRID, f"userEmotionBucket.{field}"))
    return found


def violations(value: dict[str, Any], device: str, now: datetime) -> Found:
    """Return every broken rule, however many, in no particular order."""
    found = graph_violations(value, device, now)
    for i, node in enumerate(value["nodes"]):
        found += [Violation(v.rule, f"nodes[{i}].{v.field}") for v in node_violations(node, now)]
    return found


def reached(value: float, *edges: float) -> int:
    """Return the bin of a value, compared as float32."""
    return bisect_right([single(edge) for edge in edges], single(value))


def axes(node: dict[str, Any]) -> list[tuple[int, ...]]:
    """Return a node's place in each of the five tables (privacy §3)."""
    query, model = QUERY_TYPES.index(node["queryType"]), MODELS.index(node["modelUsed"])
    emotion = EMOTIONS.index(node["modelSelectedEmotion"])
    continued, escalated = int(node["conversationContinued"]), int(node["escalatedToOnline"])
    complexity = reached(node["queryComplexity"], 0.1, 0.3, 0.6)
    pleasure = reached(node["userEmotionBucket"]["pleasureBucket"], -0.5, 0, 0.5)
    arousal = reached(node["userEmotionBucket"]["arousalBucket"], -0.33, 0.33)
    confidence = reached(node["confidence"], 0.55, 0.7, 0.83, 0.92)
    response_time = reached(node["responseTime"], 1, 2, 3, 4)
    return [
        (query, complexity, model, continued),
        (pleasure, arousal, emotion, continued),
        (confidence, query, continued),
        (response_time, query, model),
        (query, complexity, escalated),
    ]


def cells(node: dict[str, Any]) -> list[int]:
    """Return the cell that a node hits in each table, tables one after the other, each in C order."""
    hit, start = [], 0
    for place, shape in zip(axes(node), SHAPES, strict=True):
        index, size = 0, 1
        for at, length in zip(place, shape, strict=True):
            index, size = index * length + at, size * length
        hit.append(start + index)
        start += size
    return hit


def counted(nodes: list[dict[str, Any]], now: datetime, already: set[str], room: int) -> tuple[list[int], list[str]]:
    """Return the 452 counts of the newest nodes not counted yet, and their ids, newest first."""
    counts = [0] * 452
    chosen: list[str] = []
    for node in sorted(nodes, key=lambda n: moment(n["timestamp"]), reverse=True):
        too_old = moment(node["timestamp"]) < (now - timedelta(days=30)).timestamp()
        if too_old or node["id"] in already or node["id"] in chosen or len(chosen) == room:
            continue
        chosen.append(node["id"])
        for cell in cells(node):
            counts[cell] += 1
    return counts, chosen

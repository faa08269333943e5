"""What the app does between an interaction and its upload: keep every node; noise and sample a copy (contract §3).

The noise imitates the app's, so that the server meets what it will meet. It is no privacy mechanism of ours and proves
nothing (privacy §1); hence an ordinary seeded generator.
"""

import math
import random
from bisect import bisect_right
from datetime import datetime
from itertools import accumulate

import msgspec

from tacita.device.state import Device
from tacita.errors import TacitaError
from tacita.protocol.dates import apple_seconds
from tacita.protocol.graph import MAX_NODES, AggregateMetrics, LearningGraph, Node

MIN_NODES = 5
"""The app exports no graph with fewer nodes."""

MAX_GRAPH_BYTES = 770_000
"""A graph's JSON that always fits a body of 1 MiB (contract §4).

Base64 makes 1,026,704 characters of it, of which one in 64 is a slash that is escaped: 16,042 more. 5,000 stay for the
rest of the envelope and for chance (one sigma is 125).
"""

TIME_SHIFT_S = 1_800.0
KEEP_NODE = 0.9
RATE_NOISE = 0.1


class TooFewNodes(TacitaError):  # noqa: N818 - what the graph has
    """The device has recorded fewer than 5 interactions; the app exports no such graph."""


def _laplace(rng: random.Random) -> float:
    """Return Laplace noise of scale 1: the difference of two exponentials."""
    return rng.expovariate(1) - rng.expovariate(1)


def _noised_share(rng: random.Random, hits: int, total: int) -> float:
    return min(1.0, max(0.0, hits / total + RATE_NOISE * _laplace(rng)))


def _metrics(nodes: list[Node], rng: random.Random) -> AggregateMetrics:
    total = len(nodes)
    return AggregateMetrics(
        total_interactions=total,
        avg_response_time=math.fsum(n.response_time for n in nodes) / total + _laplace(rng),
        success_rate=_noised_share(rng, sum(n.conversation_continued for n in nodes), total),
        fast_model_usage=_noised_share(rng, sum(n.model_used == "fast" for n in nodes), total),
        escalation_rate=sum(n.escalated_to_online for n in nodes) / total,
    )


def export(device: Device, rng: random.Random, now: datetime) -> LearningGraph:
    """Return the graph that the app would upload: metrics on all nodes, noised; nodes sampled, their times shifted.

    Where by chance no node was sampled, the first is sent: a graph has at least one. Of more than 5,000, or than a body
    of 1 MiB takes, the newest are sent (contract §4).

    Raises:
        TooFewNodes: fewer than 5 recorded.
    """
    if len(device.nodes) < MIN_NODES:
        raise TooFewNodes(f"{len(device.nodes)} interactions recorded; {MIN_NODES} are needed")
    kept = [node for node in device.nodes if rng.random() < KEEP_NODE] or device.nodes[:1]
    kept = kept[-MAX_NODES:]
    shifted = [
        msgspec.structs.replace(node, timestamp=_seconds(node.timestamp) + rng.uniform(-TIME_SHIFT_S, TIME_SHIFT_S))
        for node in kept
    ]
    graph = LearningGraph(
        device_id_hash=device.id_hash,
        nodes=[],
        aggregate_metrics=_metrics(device.nodes, rng),
        created_at=apple_seconds(device.created_at),
        last_updated_at=apple_seconds(now),
    )
    room = MAX_GRAPH_BYTES - len(msgspec.json.encode(graph))
    return msgspec.structs.replace(graph, nodes=_newest_that_fit(shifted, room))


def _newest_that_fit(nodes: list[Node], room: int) -> list[Node]:
    """Return the last of `nodes` whose JSON takes at most `room` bytes together."""
    sizes = list(accumulate(len(msgspec.json.encode(node)) + 1 for node in reversed(nodes)))
    return nodes[len(nodes) - bisect_right(sizes, room) :]


def _seconds(date: float | datetime) -> float:
    return apple_seconds(date) if isinstance(date, datetime) else date

"""Sound learning graphs for tests: as plain JSON values, so that a test can break any one part of them.

Sound means noised too, as the app would have (contract §3): of a tenth more interactions than the nodes that are left,
with Laplace noise on three metrics. A graph without noise breaks a tested rule (privacy §1).
"""

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tacita.protocol.contexts import EMOTIONS, MODELS, QUERY_TYPES
from tacita.protocol.dates import apple_seconds

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DEVICE = "ab" * 32


def node(rng: random.Random, when: datetime = NOW, **changes: Any) -> dict[str, Any]:
    continued = rng.random() < 0.6
    made: dict[str, Any] = {
        "id": str(uuid.UUID(int=rng.getrandbits(128), version=4)).upper(),
        "timestamp": apple_seconds(when - timedelta(hours=rng.random() * 24)),
        "queryType": rng.choice(QUERY_TYPES),
        "queryComplexity": round(rng.random(), 2),
        "wordCount": rng.randrange(30),
        "userEmotionBucket": {
            "pleasureBucket": rng.randrange(-5, 6) / 5,
            "arousalBucket": rng.randrange(-5, 6) / 5,
            "dominanceBucket": rng.randrange(-5, 6) / 5,
        },
        "modelSelectedEmotion": rng.choice(EMOTIONS),
        "modelUsed": rng.choice(MODELS),
        "responseTime": round(rng.random() * 6, 3),
        "confidence": round(rng.random(), 3),
        "conversationContinued": continued,
        "followUpQuery": continued and rng.random() < 0.5,
        "escalatedToOnline": rng.random() < 0.1,
    }
    return made | changes


def metrics(rng: random.Random, nodes: int) -> dict[str, Any]:
    """Return the metrics of a graph whose `nodes` are what sampling left."""

    def laplace() -> float:
        return rng.expovariate(1) - rng.expovariate(1)

    total = max(5, nodes + 1 + nodes // 9)
    return {
        "totalInteractions": total,
        "avgResponseTime": 3.0 + laplace(),
        "successRate": min(1.0, max(0.0, 0.6 + 0.1 * laplace())),
        "fastModelUsage": min(1.0, max(0.0, 0.5 + 0.1 * laplace())),
        "escalationRate": rng.randrange(1 + total // 5) / total,
    }


def graph(seed: int = 0, nodes: int = 20, device: str = DEVICE, now: datetime = NOW, **changes: Any) -> dict[str, Any]:
    rng = random.Random(seed)
    made: dict[str, Any] = {
        "deviceIdHash": device,
        "nodes": [node(rng, now) for _ in range(nodes)],
        "aggregateMetrics": metrics(rng, nodes),
        "createdAt": apple_seconds(now - timedelta(days=2)),
        "lastUpdatedAt": apple_seconds(now - timedelta(minutes=1)),
    }
    return made | changes


def plaintext(value: Any) -> bytes:
    return json.dumps(value).encode()

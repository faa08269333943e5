"""Sound learning graphs for tests: as plain JSON values, so that a test can break any one part of them."""

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


def graph(seed: int = 0, nodes: int = 20, device: str = DEVICE, now: datetime = NOW, **changes: Any) -> dict[str, Any]:
    rng = random.Random(seed)
    made: dict[str, Any] = {
        "deviceIdHash": device,
        "nodes": [node(rng, now) for _ in range(nodes)],
        "aggregateMetrics": {
            "totalInteractions": max(5, nodes),
            "avgResponseTime": 1.7,
            "successRate": 0.61,
            "fastModelUsage": 0.4,
            "escalationRate": 0.1,
        },
        "createdAt": apple_seconds(now - timedelta(days=2)),
        "lastUpdatedAt": apple_seconds(now - timedelta(minutes=1)),
    }
    return made | changes


def plaintext(value: Any) -> bytes:
    return json.dumps(value).encode()

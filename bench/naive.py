"""The naive peer: the handler that one would write first, with FastAPI, pydantic and psycopg.

One model per JSON object, one INSERT and one COUNT(*) a request, a commit a request. It checks what the contract asks
for and keeps what a round needs; it does not dedupe, sign in two forms, count refusals or batch.
"""

import base64
import hashlib
import hmac
import json
from bisect import bisect_right
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import FastAPI, HTTPException, Request
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

SCHEMA = """
CREATE TABLE naive_devices (device text PRIMARY KEY, key bytea NOT NULL);
CREATE TABLE naive_contributions (
    id bigserial PRIMARY KEY, device text NOT NULL, round integer NOT NULL, cells jsonb NOT NULL, created_at timestamptz
);
CREATE INDEX naive_contributions_by_round ON naive_contributions (round);
"""
ROUND_SIZE = 10_000_000
QueryType = Literal["greeting", "question", "command", "search", "timeBased", "emotional", "conversational"]
Emotion = Literal["HAPPY", "SAD", "EXCITED", "CALM", "SURPRISED", "ANGRY"]
ModelUsed = Literal["fast", "quality"]
Share = Annotated[float, Field(ge=0, le=1)]
Bucket = Annotated[float, Field(ge=-1, le=1)]


class Strict(BaseModel):
    """Camel-cased, no unknown keys."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class Submission(Strict):
    """The body."""

    device_id_hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    app_version: Annotated[str, Field(max_length=64)]
    model_version: Annotated[str, Field(max_length=64)]
    encrypted_data: str
    signature: str
    timestamp: float | datetime


class EmotionBucket(Strict):
    """The user's mood."""

    pleasure_bucket: Bucket
    arousal_bucket: Bucket
    dominance_bucket: Bucket


class Node(Strict):
    """One interaction."""

    id: Annotated[str, Field(pattern="^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$")]
    timestamp: float | datetime
    query_type: QueryType
    query_complexity: Share
    word_count: Annotated[int, Field(ge=0, le=10_000)]
    user_emotion_bucket: EmotionBucket
    model_selected_emotion: Emotion
    model_used: ModelUsed
    response_time: Annotated[float, Field(ge=0, le=3_600)]
    confidence: Share
    conversation_continued: bool
    follow_up_query: bool
    escalated_to_online: bool


class Metrics(Strict):
    """The summary."""

    total_interactions: Annotated[int, Field(ge=5)]
    avg_response_time: Annotated[float, Field(ge=-100, le=3_700)]
    success_rate: Share
    fast_model_usage: Share
    escalation_rate: Share


class Graph(Strict):
    """The plaintext."""

    device_id_hash: str
    nodes: Annotated[list[Node], Field(min_length=1, max_length=5_000)]
    aggregate_metrics: Metrics
    created_at: float | datetime
    last_updated_at: float | datetime


def cells_of(graph: Graph) -> dict[str, int]:
    """Return how often each cell is hit."""
    cells: dict[str, int] = {}
    for node in graph.nodes:
        mood = node.user_emotion_bucket
        complexity = bisect_right((0.1, 0.3, 0.6), node.query_complexity)
        query, model, continued = node.query_type, node.model_used, node.conversation_continued
        place = bisect_right((-0.5, 0, 0.5), mood.pleasure_bucket), bisect_right((-0.33, 0.33), mood.arousal_bucket)
        for cell in (
            f"routing/{query}/{complexity}/{model}/{continued}",
            f"emotion/{place}/{node.model_selected_emotion}/{continued}",
            f"calibration/{bisect_right((0.55, 0.7, 0.83, 0.92), node.confidence)}/{query}/{continued}",
            f"latency/{bisect_right((1, 2, 3, 4), node.response_time)}/{query}/{model}",
            f"escalation/{query}/{complexity}/{node.escalated_to_online}",
        ):
            cells[cell] = cells.get(cell, 0) + 1
    return cells


def create_app(dsn: str) -> FastAPI:
    """Return the application on a database that has `SCHEMA`."""
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(dsn, min_size=8, max_size=8, open=False)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/api/v1/learning-graphs/submit")
    async def submit(body: Submission, request: Request) -> dict[str, str]:
        del request
        async with pool.connection() as connection:
            query = "SELECT key FROM naive_devices WHERE device = %s"
            row = await (await connection.execute(query, [body.device_id_hash])).fetchone()
            sealed = base64.b64decode(body.encrypted_data)
            key = bytes(row[0]) if row else bytes(32)
            expected = base64.b64encode(hmac.new(key, sealed, hashlib.sha256).digest()).decode()
            if not hmac.compare_digest(expected, body.signature):
                raise HTTPException(401, "Invalid signature")
            try:
                graph = Graph.model_validate_json(AESGCM(key).decrypt(sealed[:12], sealed[12:], None))
            except (InvalidTag, ValidationError):
                raise HTTPException(400, "Malformed learning graph") from None
            if graph.device_id_hash != body.device_id_hash:
                raise HTTPException(403, "Privacy violation detected")
            await connection.execute(
                "INSERT INTO naive_contributions (device, round, cells, created_at) VALUES (%s, 1, %s, %s)",
                [body.device_id_hash, json.dumps(cells_of(graph)), datetime.now(UTC)],
            )
            counted = await connection.execute("SELECT count(*) FROM naive_contributions WHERE round = 1")
            devices = (await counted.fetchone() or [0])[0]
        message = "Round complete" if devices >= ROUND_SIZE else "Graph received and validated"
        return {"status": "accepted", "next_model_version": "granite-3b-v2", "message": message}

    return app

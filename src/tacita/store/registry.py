"""Table `models`: what was made of each round, how it was judged, and whether it ships."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from tacita.models.approval import Approved, NotApproved
from tacita.store.connection import Connection

_SELECT = (
    "SELECT version, number, base_version, round, state, format, sha256, size_bytes, created_at, published_at,"
    " evaluation, improvements FROM models"
)


@dataclass(frozen=True)
class Model:
    """One model of the registry. `sha256` names its blob; `size_bytes` is the blob's length."""

    version: str
    number: int
    base_version: str | None
    round: int | None
    state: str
    format: str
    sha256: str
    size_bytes: int
    created_at: datetime
    published_at: datetime | None
    evaluation: dict[str, Any] | None
    improvements: list[str]

    @property
    def target_name(self) -> str:
        """The model's name as a TUF target."""
        return f"{self.version}.json"


async def add_candidate(connection: Connection, model: Model) -> None:
    """Insert a candidate; the same version again changes nothing (a repeated step)."""
    await connection.execute(
        "INSERT INTO models (version, number, base_version, round, state, format, sha256, size_bytes, created_at)"
        " VALUES (%s, %s, %s, %s, 'candidate', %s, %s, %s, %s) ON CONFLICT (version) DO NOTHING",
        [
            model.version,
            model.number,
            model.base_version,
            model.round,
            model.format,
            model.sha256,
            model.size_bytes,
            model.created_at,
        ],
    )


async def judge(
    connection: Connection, version: str, evaluation: dict[str, Any], improvements: list[str], *, better: bool
) -> None:
    """Keep a candidate's evaluation; one that isn't better becomes `rejected` and can't be published."""
    await connection.execute(
        "UPDATE models SET evaluation = %s, improvements = %s, state = %s WHERE version = %s AND state <> 'published'",
        [Jsonb(evaluation), Jsonb(improvements), "candidate" if better else "rejected", version],
    )


async def publish(connection: Connection, version: str, now: datetime) -> None:
    """Make a candidate the latest model; a model that is published already stays as it was."""
    await connection.execute(
        "UPDATE models SET state = 'published', published_at = %s WHERE version = %s AND state = 'candidate'",
        [now, version],
    )


async def get(connection: Connection, version: str) -> Model | None:
    """Return a model by its version."""
    cursor = await connection.execute(f"{_SELECT} WHERE version = %s", [version])
    row = await cursor.fetchone()
    return None if row is None else Model(*row)


async def approved(connection: Connection, version: str) -> Approved:
    """Return the leave to sign a model, of what its row says now.

    Raises:
        NotApproved: there is no such model, it was rejected, or its evaluation is missing or was not passed.
    """
    model = await get(connection, version)
    if model is None or model.state == "rejected":
        raise NotApproved(f"{version} is no model that was found measurably better; it can't be signed")
    return Approved(version, model.target_name, model.sha256, model.round, model.evaluation)


async def latest(connection: Connection) -> Model | None:
    """Return the published model of the highest number, or None before the first."""
    cursor = await connection.execute(f"{_SELECT} WHERE state = 'published' ORDER BY number DESC LIMIT 1")
    row = await cursor.fetchone()
    return None if row is None else Model(*row)


async def everything(connection: Connection) -> list[Model]:
    """Return all models, oldest first."""
    cursor = await connection.execute(f"{_SELECT} ORDER BY number")
    return [Model(*row) for row in await cursor.fetchall()]

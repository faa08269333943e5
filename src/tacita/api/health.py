"""`GET /health`: whether this worker can reach the store."""

from starlette.requests import Request
from starlette.responses import Response

from tacita.api import problems
from tacita.api.door import Door
from tacita.store import rounds
from tacita.store.connection import run_transaction


async def health(door: Door, _request: Request) -> Response:
    """Answer 200 with the collecting round's number, or 503 when the store is not reachable."""
    current = await run_transaction(door.pool, rounds.collecting)
    return problems.json_response({"status": "ok", "round": None if current is None else current.number})

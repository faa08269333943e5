"""What every endpoint works with, and how each of them reads a body, refuses and counts its refusals."""

from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import date

import structlog
from starlette.requests import Request
from starlette.responses import Response

from tacita.api import problems
from tacita.api.problems import Refused
from tacita.clock import Clock
from tacita.crypto.hpke import EnrolmentKey
from tacita.crypto.keyring import Keyring
from tacita.protocol.envelope import MAX_BODY_BYTES
from tacita.store import refusals
from tacita.store.blobs import Blobs
from tacita.store.connection import Connection, Pool, run_transaction
from tacita.store.errors import StoreUnavailable

_log = structlog.get_logger()


@dataclass
class Door:
    """The parts that the endpoints share; one a worker process.

    Attributes:
        pool: connections to the store.
        keyring: opens device keys and round keys.
        enrolment_keys: the server's HPKE pairs by key id.
        ledger_key: names devices in the ledger.
        blobs: models and signed metadata.
        clock: the present moment.
        uncounted: refusals that the store couldn't take yet.
    """

    pool: Pool
    keyring: Keyring
    enrolment_keys: dict[str, EnrolmentKey]
    ledger_key: bytes
    blobs: Blobs
    clock: Clock
    uncounted: Counter[tuple[date, str, str]] = field(default_factory=Counter)

    async def count(self, refusal: Refused) -> None:
        """Count a refusal by day, reason and app version; keep it for the next time when the store is away."""
        self.uncounted[self.clock().date(), refusal.reason.value, refusal.app_version] += 1
        batch, self.uncounted = self.uncounted, Counter()

        async def add(connection: Connection) -> None:
            for (day, reason, app_version), amount in sorted(batch.items()):
                await refusals.add(connection, day, reason, app_version, amount)

        try:
            await run_transaction(self.pool, add)
        except StoreUnavailable:
            self.uncounted += batch


async def read_body(request: Request) -> bytes:
    """Return the request's body.

    Raises:
        Refused: 413 as soon as more than 1 MiB is announced or has come.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise problems.body_too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise problems.body_too_large()
    return bytes(body)


async def answer(door: Door, work: Awaitable[Response]) -> Response:
    """Await an endpoint's work; turn a refusal or an unreachable store into its counted answer."""
    try:
        return await work
    except Refused as refusal:
        outcome = refusal
    except StoreUnavailable:
        outcome = problems.store_unreachable()
    _log.info("refused", status=outcome.status, reason=outcome.reason.value)
    await door.count(outcome)
    return outcome.response()

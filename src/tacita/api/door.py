"""What every endpoint works with, and how each of them reads a body, refuses and counts its refusals."""

from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import date

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope

from tacita.api import problems
from tacita.api.batcher import Batcher
from tacita.api.commit import GroupCommit, Submission
from tacita.api.device_keys import DeviceKeyring
from tacita.api.problems import Refused
from tacita.api.rate import RateLimit
from tacita.clock import Clock
from tacita.crypto import receipts
from tacita.crypto.app_attest import AppAttest
from tacita.crypto.enrolment_keys import EnrolmentKeys
from tacita.crypto.errors import KeyringError
from tacita.crypto.keyring import Keyring
from tacita.crypto.receipts import ReceiptKey
from tacita.protocol.answers import SubmitAnswer
from tacita.protocol.envelope import MAX_BODY_BYTES
from tacita.protocol.refusals import Refusal
from tacita.store import refusals
from tacita.store.blobs import Blobs
from tacita.store.connection import Connection, Pool, run_transaction
from tacita.store.errors import StoreError, StoreUnavailable

_log = structlog.get_logger()

MOST_IN_A_BATCH, WAITING_ROOM, LINGER_S = 128, 1_024, 0.01
"""Submissions in one commit at most; those that may wait for one; and how long the first waits for company, in s."""


@dataclass
class Door:
    """The parts that the endpoints share; one a worker process.

    Attributes:
        pool: connections to the store.
        keyring: opens device keys and round keys.
        enrolment_keys: the server's HPKE pairs, as they are now.
        ledger_key: names devices in the ledger.
        blobs: models and signed metadata.
        clock: the present moment.
        rate: how fast a device may submit.
        app_attest: what an enrolment's attestation must show, or None where none is demanded.
        receipt_key: signs receipts of withdrawal.
        device_keys: looks devices' keys up.
        commits: counts verified submissions, many in one transaction.
    """

    pool: Pool
    keyring: Keyring
    enrolment_keys: EnrolmentKeys
    ledger_key: bytes
    blobs: Blobs
    clock: Clock
    rate: RateLimit
    app_attest: AppAttest | None = None
    receipt_key: ReceiptKey = field(init=False)
    device_keys: DeviceKeyring = field(init=False)
    commits: Batcher[Submission, SubmitAnswer] = field(init=False)
    _refusals: Batcher[tuple[date, str, str], None] = field(init=False)
    _uncounted: Counter[tuple[date, str, str]] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self.receipt_key = receipts.obtain(self.keyring)
        self.device_keys = DeviceKeyring(self.pool, self.keyring)
        commit = GroupCommit(self.pool, self.keyring, self.ledger_key, self.clock).commit
        self.commits = Batcher(commit, most=MOST_IN_A_BATCH, room=WAITING_ROOM, linger_s=LINGER_S)
        self._refusals = Batcher(self._count, most=1_024, room=4_096, linger_s=LINGER_S)

    async def count(self, refusal: Refused) -> None:
        """Count a refusal by day, reason and app version, before it is answered."""
        counted = self.clock().date(), refusal.reason.value, refusal.app_version
        if refusal.reason is Refusal.STORE_UNREACHABLE:
            self._uncounted[counted] += 1  # it would take seconds more to find that it can't be counted either
            return
        try:
            await self._refusals.do(counted)
        except StoreUnavailable:
            self._uncounted[counted] += 1

    async def close(self) -> None:
        """Finish what waits to be committed or counted."""
        await self.commits.close()
        await self._refusals.close()

    async def _count(self, batch: Sequence[tuple[date, str, str]]) -> list[None]:
        """Count a batch of refusals, and those that the store couldn't take before."""
        earlier = self._uncounted.copy()
        amounts = Counter(batch) + earlier

        async def add(connection: Connection) -> None:
            for (day, reason, app_version), amount in sorted(amounts.items()):
                await refusals.add(connection, day, reason, app_version, amount)

        await run_transaction(self.pool, add)
        self._uncounted -= earlier  # there may be more of them by now
        return [None] * len(batch)


class SenderGone(Exception):  # noqa: N818 - what happened
    """The sender closed its connection, or was too slow, before its body was whole; nobody waits for an answer."""


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Return a request's body.

    Raises:
        Refused: 413 as soon as more than 1 MiB is announced or has come.
        SenderGone: the body ends before it is whole.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY_BYTES:
            raise problems.body_too_large()
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise SenderGone
        chunk = message.get("body", b"")
        chunks.append(chunk)
        size, more = size + len(chunk), message.get("more_body", False)
        if size > MAX_BODY_BYTES:
            raise problems.body_too_large()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def answer(door: Door, work: Awaitable[Response]) -> Response:
    """Await an endpoint's work; turn a refusal or an unreachable store into its counted answer."""
    try:
        return await work
    except SenderGone:
        return Response(status_code=400)  # never sent: there is no connection
    except Refused as refusal:
        outcome = refusal
    except StoreError as error:
        _log.warning("the store failed", error=type(error).__name__)
        outcome = problems.store_unreachable()
    except KeyringError as error:  # it names files and services, never a key; only the operator can mend it
        _log.error("the keys can't be read", error=str(error))
        outcome = problems.store_unreachable()
    _log.info("refused", status=outcome.status, reason=outcome.reason.value)
    await door.count(outcome)
    return outcome.response()

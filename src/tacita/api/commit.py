"""The group commit: verified graphs of many devices are counted in one transaction, each exactly once (design §1).

A submission is answered by its own outcome: counted, counted before, out of budget, or its keys are no longer those
that it was verified with. Nothing is answered before the transaction has committed.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cachetools import TTLCache

from tacita.api import problems
from tacita.api.device_keys import KnownKeys
from tacita.api.tally import Tally
from tacita.clock import Clock
from tacita.crypto.keyring import Keyring
from tacita.crypto.tags import TAG_BYTES, node_tags
from tacita.privacy import accountant, bounding, policy
from tacita.privacy.bounding import Counts
from tacita.privacy.columns import NodeColumns
from tacita.privacy.policy import NanoRho
from tacita.protocol.answers import SubmitAnswer
from tacita.protocol.ids import model_version
from tacita.protocol.refusals import Rule, Violation
from tacita.store import cohorts, ledger, rounds, submissions
from tacita.store.cohorts import Label, State
from tacita.store.connection import Connection, Pool, run_transaction
from tacita.store.contributions import SHARDS
from tacita.store.errors import StoreUnavailable
from tacita.store.sealing import RoundKey, ledger_tag, open_round_key, round_tag
from tacita.store.submissions import Accepted, Asked, Found

_REMEMBERED_COHORTS, _COHORT_MEMORY_S = 1_024, 3_600.0
_ACCEPTED = "Graph received and validated"
_ACCEPTED_BEFORE = "Graph received and validated before"


class KeysChanged(Exception):  # noqa: N818 - what happened to them
    """The device re-keyed or withdrew, or its keys were re-sealed, between the signature's check and the commit."""


@dataclass(frozen=True)
class Submission:
    """A graph that is authentic and breaks no rule.

    Attributes:
        device: whose it is, the 32 bytes of its hash.
        keys: which it was verified under.
        digest: its envelope's keyed name.
        nodes: what is counted of it.
        cohort: the versions that its envelope claims.
        bins: what it says of its cohort (`privacy.evidence`).
    """

    device: bytes
    keys: KnownKeys
    digest: bytes
    nodes: NodeColumns
    cohort: Label
    bins: Sequence[int]


def accepted_before(round_number: int) -> SubmitAnswer:
    """Return the answer to a retry of an envelope that was counted into `round_number`."""
    return SubmitAnswer("accepted", model_version(round_number + 1), _ACCEPTED_BEFORE)


class _Standing:
    """One device within a batch: what the store held of it, and what the batch adds."""

    def __init__(self, asked: Asked, found: Found, key: RoundKey) -> None:
        self.asked, self.found = asked, found
        self.accepted = dict(found.accepted)
        self.tags = {found.tags[i : i + TAG_BYTES] for i in range(0, len(found.tags), TAG_BYTES)}
        sealed = found.contribution
        self.counts = Counts.none() if sealed is None else key.open_contribution(asked.tag, sealed).counts
        self.changed = False

    def add(self, submission: Submission, tally: Tally, now: datetime) -> list[bytes]:
        """Count the nodes that this device wasn't counted for yet; return their tags.

        A frozen cohort's are held instead, and only a device's first contribution to the round speaks of its cohort.
        """
        holds = tally.state(submission.cohort) is State.FROZEN
        counts, tags = bounding.count_nodes(
            submission.nodes,
            now,
            tags=node_tags(submission.keys.opened.dedupe_key, submission.nodes.ids),
            already_counted=self.tags,
            room=max(0, policy.MAX_COUNTED_NODES - self.counts.nodes - (tally.held_nodes(self.asked) if holds else 0)),
        )
        if not tags:
            return tags
        self.tags.update(tags)
        if holds:
            tally.hold(self.asked, submission.cohort, counts)
            return tags
        if self.found.contribution is None and not self.changed:
            tally.testify(submission.cohort, submission.bins)
        self.counts, self.changed = self.counts + counts, True
        return tags


class GroupCommit:
    """Counts batches of submissions into the collecting round.

    Args:
        pool: connections to the store.
        keyring: opens round keys.
        ledger_key: names devices in the ledger.
        clock: the present moment.
    """

    def __init__(self, pool: Pool, keyring: Keyring, ledger_key: bytes, clock: Clock) -> None:
        self._pool, self._keyring, self._ledger_key, self._clock = pool, keyring, ledger_key, clock
        self._shard = os.getpid() % SHARDS
        self._round_key: RoundKey | None = None
        self._cohorts: TTLCache[Label, int] = TTLCache(_REMEMBERED_COHORTS, _COHORT_MEMORY_S)

    async def commit(self, batch: Sequence[Submission]) -> list[SubmitAnswer | Exception]:
        """Commit a batch; return each submission's answer, or its refusal (429), or `KeysChanged`.

        Raises:
            StoreUnavailable: the store is away; nothing is known to be committed.
        """
        numbers = await self._cohort_numbers({submission.cohort for submission in batch})
        return await run_transaction(self._pool, lambda connection: self._commit(connection, batch, numbers))

    async def _cohort_numbers(self, labels: set[Label]) -> dict[Label, int]:
        """Return the cohorts' numbers, which are the same for as long as a cohort is remembered in the store."""
        known = {label: number for label in labels if (number := self._cohorts.get(label)) is not None}
        if new := sorted(labels - known.keys()):
            now = self._clock()
            found = await run_transaction(self._pool, lambda connection: cohorts.numbers(connection, new, now))
            self._cohorts.update(found)
            known |= found
        return known

    async def _commit(
        self, connection: Connection, batch: Sequence[Submission], numbers: dict[Label, int]
    ) -> list[SubmitAnswer | Exception]:
        now = self._clock()
        key, standings = await self._standings(connection, sorted({s.device for s in batch}), now)
        tally = Tally(numbers, next(iter(standings.values())).found.decided)
        await tally.find_held(connection, key, numbers, [standing.asked.tag for standing in standings.values()])
        answers: list[SubmitAnswer | Exception] = []
        remembered: list[Accepted] = []
        for submission in batch:
            standing = standings[submission.device]
            before = standing.accepted.get(submission.digest)
            if standing.found.sealed_keys != submission.keys.sealed:
                answers.append(KeysChanged())
            elif before is not None:
                answers.append(accepted_before(before))
            elif tally.state(submission.cohort) is State.REFUSED:
                answers.append(problems.privacy_violation([Violation(Rule.COHORT_REFUSED, "appVersion")]))
            elif standing.found.spent + policy.ROUND_CHARGE > policy.BUDGET_CAP:
                answers.append(await self._budget_spent(connection, standing.asked.ledger_tag, now))
            else:
                tags = b"".join(standing.add(submission, tally, now))
                standing.accepted[submission.digest] = key.round
                remembered.append(Accepted(submission.device, submission.digest, tags))
                answers.append(SubmitAnswer("accepted", model_version(key.round + 1), _ACCEPTED))
        if remembered:
            await self._record(connection, key, list(standings.values()), tally, remembered, now)
        return answers

    async def _standings(
        self, connection: Connection, devices: list[bytes], now: datetime
    ) -> tuple[RoundKey, dict[bytes, _Standing]]:
        """Lock the devices and read what there is of them, in the round that collects and can't close meanwhile."""
        key = self._round_key or await self._collecting(connection)
        while True:
            asked = [Asked(d, round_tag(key, d), ledger_tag(self._ledger_key, d)) for d in devices]
            found = await submissions.lock_and_find(connection, asked, key.round, now - policy.BUDGET_WINDOW)
            if found[0].collecting == key.round:
                break
            key = await self._collecting(connection)
        return key, {a.device: _Standing(a, f, key) for a, f in zip(asked, found, strict=True)}

    async def _collecting(self, connection: Connection) -> RoundKey:
        current = await rounds.collecting(connection)
        if current is None:
            raise StoreUnavailable("no round is collecting")
        self._round_key = open_round_key(self._keyring, current)
        return self._round_key

    async def _record(
        self,
        connection: Connection,
        key: RoundKey,
        standings: list[_Standing],
        tally: Tally,
        accepted: list[Accepted],
        now: datetime,
    ) -> None:
        changed = [s for s in standings if s.changed]
        sealed = [(s.asked.tag, key.seal_contribution(s.asked.tag, s.counts, s.asked.ledger_tag)) for s in changed]
        added = sum(s.found.contribution is None for s in changed)
        new_devices = self._shard, added
        await submissions.record(connection, key.round, sealed, new_devices, tally.evidence, accepted, now)
        await tally.record_held(connection, key)

    async def _budget_spent(self, connection: Connection, tag: bytes, now: datetime) -> Exception:
        """Return the 429 that says when the device's window has room again."""
        spent = await ledger.history(connection, tag, now - policy.BUDGET_WINDOW)
        eligible = accountant.next_eligible([(when, NanoRho(amount)) for when, amount in spent], now) or now
        wait = math.ceil((eligible - now).total_seconds())
        return problems.budget_spent(max(1, wait), eligible.date().isoformat())

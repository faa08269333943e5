"""`POST /api/v1/learning-graphs/submit` (contract §2): the walk in, one function that reads like its list (design §1).

The plaintext graph lives in this module's frames only, and is dropped once it is counted.
"""

import math
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from tacita.api import problems
from tacita.api.door import Door, read_body
from tacita.api.problems import Refused
from tacita.crypto.envelope import decode_base64, open_sealed, signature_matches
from tacita.crypto.errors import DoesNotOpen, MalformedBase64
from tacita.crypto.keyring import keyed_tag
from tacita.privacy import accountant, bounding, policy, rules, tested
from tacita.privacy.bounding import Counts
from tacita.privacy.columns import NodeColumns, node_columns
from tacita.privacy.decoding import MalformedGraph, decode_graph
from tacita.privacy.policy import NanoRho
from tacita.protocol.answers import SubmitAnswer
from tacita.protocol.envelope import Envelope, MalformedBody, decode_body
from tacita.protocol.refusals import Refusal
from tacita.store import contributions, devices, envelopes, ledger, rounds
from tacita.store.connection import Connection, run_transaction
from tacita.store.errors import StoreUnavailable
from tacita.store.sealing import DeviceKeys, ledger_tag, open_device_keys, open_round_key, round_tag

_ACCEPTED = "Graph received and validated"
_ACCEPTED_BEFORE = "Graph received and validated before"


@dataclass(frozen=True)
class _Claim:
    """A submission whose signature holds."""

    envelope: Envelope
    device: bytes
    keys: DeviceKeys
    sealed_keys: bytes
    sealed: bytes

    @property
    def digest(self) -> bytes:
        """The keyed name of this exact sealed graph, and of what is sealed to it, by which a retry is known."""
        bound = self.envelope.associated_data
        if bound is None:
            return keyed_tag(self.keys.dedupe_key, "envelope", self.sealed)
        return keyed_tag(self.keys.dedupe_key, "envelope/2", self.sealed + bound)


async def submit(door: Door, request: Request) -> Response:
    """Answer a submission (contract §2.7)."""
    envelope = _envelope(await read_body(request))
    try:
        return problems.json_response(await accept(door, envelope))
    except Refused as refusal:
        refusal.app_version = envelope.app_version
        raise
    except StoreUnavailable:
        away = problems.store_unreachable()
        away.app_version = envelope.app_version
        raise away from None


def _envelope(body: bytes) -> Envelope:
    try:
        return decode_body(body, Envelope)
    except MalformedBody as error:
        raise problems.malformed_body(error.field) from None


async def accept(door: Door, envelope: Envelope) -> SubmitAnswer:
    """Take one submission in, or raise its refusal.

    Raises:
        Refused: as contract §2.7 says.
        StoreUnavailable: nothing was accepted (503).
    """
    claim, before = await run_transaction(door.pool, lambda connection: _authenticate(door, connection, envelope))
    if before is not None:
        return SubmitAnswer("accepted", before, _ACCEPTED_BEFORE)
    nodes = _verified_nodes(door, claim)
    return await run_transaction(door.pool, lambda connection: _commit(door, connection, claim, nodes))


async def _authenticate(door: Door, connection: Connection, envelope: Envelope) -> tuple[_Claim, str | None]:
    """Check the signature under the device's key; find out whether this envelope was accepted before."""
    device = bytes.fromhex(envelope.device_id_hash)
    try:
        sealed = decode_base64(envelope.encrypted_data)
    except MalformedBase64:
        raise problems.malformed_body("encryptedData") from None
    sealed_keys = await devices.sealed_keys(connection, device)
    keys = None if sealed_keys is None else open_device_keys(door.keyring, device, sealed_keys)
    key = None if keys is None else keys.device_key
    matches = signature_matches(key, sealed, envelope.encrypted_data, envelope.signature)
    if keys is None or sealed_keys is None:
        raise problems.invalid_signature(Refusal.UNKNOWN_DEVICE)
    if not matches:
        raise problems.invalid_signature(Refusal.WRONG_SIGNATURE)
    claim = _Claim(envelope, device, keys, sealed_keys, sealed)
    return claim, await envelopes.accepted_for(connection, claim.digest)


def _verified_nodes(door: Door, claim: _Claim) -> NodeColumns:
    """Open, decode and verify the graph; return the columns of its nodes."""
    try:
        graph, found = decode_graph(open_sealed(claim.keys.device_key, claim.sealed, claim.envelope.associated_data))
    except DoesNotOpen:
        raise problems.decryption_failed() from None
    except MalformedGraph:
        raise problems.malformed_graph() from None
    nodes = node_columns(graph.nodes)
    found += rules.violations(graph, nodes, claim.envelope.device_id_hash, door.clock())
    found = found or tested.violations(graph, nodes)
    if found:
        raise problems.privacy_violation(found)
    return nodes


async def _commit(door: Door, connection: Connection, claim: _Claim, nodes: NodeColumns) -> SubmitAnswer:
    """Count the graph into the collecting round, exactly once, in the transaction that the 200 stands for."""
    if await devices.lock_keys(connection, claim.device) != claim.sealed_keys:
        raise problems.invalid_signature(Refusal.UNKNOWN_DEVICE)
    before = await envelopes.accepted_for(connection, claim.digest)
    if before is not None:
        return SubmitAnswer("accepted", before, _ACCEPTED_BEFORE)
    await rounds.hold_open(connection)
    current = await rounds.collecting(connection)
    if current is None:
        raise StoreUnavailable("no round is collecting")
    await _require_budget(door, connection, claim)
    await _count(door, connection, claim, nodes, current)
    await envelopes.remember(connection, claim.digest, current.model_version, door.clock())
    return SubmitAnswer("accepted", current.model_version, _ACCEPTED)


async def _require_budget(door: Door, connection: Connection, claim: _Claim) -> None:
    now = door.clock()
    tag = ledger_tag(door.ledger_key, claim.device)
    spent = await ledger.history(connection, tag, now - policy.BUDGET_WINDOW)
    eligible = accountant.next_eligible([(when, NanoRho(amount)) for when, amount in spent], now)
    if eligible is not None:
        wait = math.ceil((eligible - now).total_seconds())
        raise problems.budget_spent(max(1, wait), eligible.date().isoformat())


async def _count(door: Door, connection: Connection, claim: _Claim, nodes: NodeColumns, current: rounds.Round) -> None:
    """Merge the nodes that this device wasn't counted for yet into its one contribution of this round."""
    now = door.clock()
    key = open_round_key(door.keyring, current)
    tag = round_tag(key, claim.device)
    sealed = await contributions.find(connection, current.number, tag)
    earlier = Counts.none() if sealed is None else key.open_contribution(tag, sealed).counts
    counts, tags = bounding.count_nodes(
        nodes,
        now,
        tag=lambda node_id: keyed_tag(claim.keys.dedupe_key, "node", node_id.encode())[: devices.TAG_BYTES],
        already_counted=await devices.counted_tags(connection, claim.device, now - policy.COUNTED_NODE_MEMORY),
        room=policy.MAX_COUNTED_NODES - earlier.nodes,
    )
    if tags:
        name = ledger_tag(door.ledger_key, claim.device)
        await contributions.put(connection, current.number, tag, key.seal_contribution(tag, earlier + counts, name))
        await devices.add_counted_tags(connection, claim.device, tags, now)

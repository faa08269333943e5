"""`POST /api/v1/learning-graphs/submit` (contract §2): the walk in, one function that reads like its list (design §1).

The plaintext graph lives in this module's frames only, and is dropped once it is verified: what is committed are its
nodes' columns, bounded (`api/commit.py`).
"""

from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope

from tacita.api import problems
from tacita.api.commit import KeysChanged, Submission, accepted_before
from tacita.api.device_keys import KnownKeys
from tacita.api.door import Door, read_body
from tacita.api.problems import Refused
from tacita.crypto.envelope import NONCE_BYTES, TAG_BYTES, decode_base64, open_sealed, signature_matches
from tacita.crypto.errors import DoesNotOpen, MalformedBase64
from tacita.crypto.keyring import keyed_tag
from tacita.privacy import evidence, rules, tested
from tacita.privacy.columns import NodeColumns, node_columns
from tacita.privacy.decoding import MalformedGraph, decode_graph
from tacita.privacy.evidence import Remaining
from tacita.protocol.answers import SubmitAnswer
from tacita.protocol.envelope import Envelope, MalformedBody, decode_body
from tacita.protocol.refusals import Refusal
from tacita.store import envelopes
from tacita.store.cohorts import Label
from tacita.store.connection import run_transaction
from tacita.store.errors import StoreError, StoreUnavailable


@dataclass(frozen=True)
class _Claim:
    """A submission whose signature holds."""

    envelope: Envelope
    device: bytes
    keys: KnownKeys
    sealed: bytes

    @property
    def digest(self) -> bytes:
        """The keyed name of this exact envelope, by which a retry is known.

        The nonce and the tag stand for the sealed graph: only the key's holder could make two graphs that share both,
        and would lose the second.
        """
        named = self.sealed[:NONCE_BYTES] + self.sealed[-TAG_BYTES:] + (self.envelope.associated_data or b"")
        return keyed_tag(self.keys.opened.dedupe_key, "envelope", named)


async def submit(door: Door, scope: Scope, receive: Receive) -> Response:
    """Answer a submission (contract §2.7)."""
    envelope = _envelope(await read_body(scope, receive))
    try:
        return problems.json_response(await accept(door, envelope))
    except Refused as refusal:
        refusal.app_version = envelope.app_version
        raise
    except StoreError:
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
    for _ in range(2):
        claim = await _authenticated(door, envelope)
        _require_rate(door, claim)
        try:
            nodes, bins = _verified(door, claim)
        except Refused as refusal:
            return await _answered_before(door, claim, refusal)
        cohort = Label(envelope.app_version, envelope.model_version)
        try:
            return await door.commits.do(Submission(claim.device, claim.keys, claim.digest, nodes, cohort, bins))
        except KeysChanged:
            door.device_keys.forget(claim.device)  # and once more, from the signature on, with the keys it has now
    raise StoreUnavailable("the device's keys change too often")


async def _authenticated(door: Door, envelope: Envelope) -> _Claim:
    """Check the signature under the device's key (contract §2.3); an unknown device costs what a wrong one does."""
    device = bytes.fromhex(envelope.device_id_hash)
    try:
        sealed = decode_base64(envelope.encrypted_data)
    except MalformedBase64:
        raise problems.malformed_body("encryptedData") from None
    remembered = door.device_keys.remembered(device)
    if remembered is not None and _signed(envelope, remembered, sealed):
        return _Claim(envelope, device, remembered, sealed)
    fresh = await door.device_keys.fresh(device)
    if _signed(envelope, fresh, sealed) and fresh is not None:
        return _Claim(envelope, device, fresh, sealed)
    raise problems.invalid_signature(Refusal.UNKNOWN_DEVICE if fresh is None else Refusal.WRONG_SIGNATURE)


def _signed(envelope: Envelope, keys: KnownKeys | None, sealed: bytes) -> bool:
    key = None if keys is None else keys.opened.device_key
    return signature_matches(key, sealed, envelope.encrypted_data, envelope.signature)


def _require_rate(door: Door, claim: _Claim) -> None:
    """Take a token out of the device's bucket; only who holds the device's key can empty it."""
    wait_s = door.rate.wait_s(claim.device, door.clock().timestamp())
    if wait_s > 0:
        raise problems.too_fast(wait_s)


def _verified(door: Door, claim: _Claim) -> tuple[NodeColumns, list[int]]:
    """Open, decode and verify the graph; return the columns of its nodes, and what it says of its cohort."""
    try:
        sealed, bound = claim.sealed, claim.envelope.associated_data
        graph, found = decode_graph(open_sealed(claim.keys.opened.device_key, sealed, bound))
    except DoesNotOpen:
        raise problems.decryption_failed() from None
    except MalformedGraph:
        raise problems.malformed_graph() from None
    nodes = node_columns(graph.nodes)
    found += rules.violations(graph, nodes, claim.envelope.device_id_hash, door.clock())
    found = found or tested.violations(graph, nodes)
    if found:
        raise problems.privacy_violation(found)
    luck = int.from_bytes(claim.digest[:4]) / (1 << 32)
    return nodes, evidence.bins(graph.aggregate_metrics, Remaining.of(nodes), luck)


async def _answered_before(door: Door, claim: _Claim, refusal: Refused) -> SubmitAnswer:
    """Answer the retry of an envelope that was accepted when it was fresher; else raise its refusal (contract §2.7)."""
    accepted = await run_transaction(
        door.pool, lambda connection: envelopes.accepted_for(connection, claim.device, claim.digest)
    )
    if accepted is None:
        raise refusal
    return accepted_before(accepted)

"""Enrolling, again, and with another key (contract §5.1 to §5.3)."""

import re
import secrets
from dataclasses import replace

from tacita.crypto.envelope import DEVICE_KEY_BYTES, sign
from tacita.crypto.hpke import X25519_SUITE
from tacita.device.conformance.author import Author, submission
from tacita.device.conformance.case import ENROL
from tacita.device.conformance.check import Check
from tacita.device.conformance.malformed import enrolment
from tacita.device.conformance.probe import KEYS, Probe, content, keys_of, require, shown

_ENROLLED = {"status": "enrolled"}
_MAX_AGE = re.compile(r"max-age=[1-9]")


def _offer(probe: Probe) -> None:
    offered = keys_of(probe.get(KEYS))
    active = [key for key in offered if key.suite == X25519_SUITE and key.status == "active"]
    require(bool(active), f"no active key of the suite {X25519_SUITE} is offered")
    statuses = {key.status for key in offered}
    require(statuses <= {"active", "expiring"}, f"a key is neither active nor expiring: {', '.join(statuses)}")
    dated = all(key.not_after is not None for key in offered if key.status == "expiring")
    require(dated, "a key is expiring, but doesn't say when")


def _cacheable(probe: Probe) -> None:
    control = probe.get(KEYS).headers.get("Cache-Control", "")
    require(_MAX_AGE.search(control) is not None, f"keys may not be cached: Cache-Control is {control!r}")


def _every_suite(probe: Probe) -> None:
    for key in probe.usable_keys():
        author = probe.stranger()
        answer = probe.enrol(author, key)
        require(answer.status_code in {200, 201}, f"a device is not enrolled by {key.suite}: {shown(answer)}")
        _require_holds(probe, author, f"the key enrolled by {key.suite}")


def _new(probe: Probe) -> None:
    answer = probe.enrol(probe.stranger())
    right = answer.status_code == 201 and content(answer) == _ENROLLED
    require(right, f"a new device: answered {shown(answer)}, where 201 {_ENROLLED} belongs")


def _again(probe: Probe) -> None:
    author = probe.enrolled()
    answer = probe.enrol(author)
    right = answer.status_code == 200 and content(answer) == _ENROLLED
    require(right, f"the same key again: answered {shown(answer)}, where 200 {_ENROLLED} belongs")


def _for_another(probe: Probe) -> None:
    author, key = probe.stranger(), probe.usable_keys()[0]
    sealed = probe.wrapped(author, key)
    answer = probe.post(ENROL, enrolment(probe.stranger(), key.key_id, sealed).body)
    right = answer.status_code == 400 and content(answer) == {"detail": "Decryption failed"}
    require(right, f"a key wrapped for another device: answered {shown(answer)}, where 400 Decryption failed belongs")


def _rekeyed(author: Author) -> Author:
    return replace(author, key=secrets.token_bytes(DEVICE_KEY_BYTES))


def _without_proof(probe: Probe) -> None:
    author = probe.enrolled()
    answer = probe.enrol(_rekeyed(author))
    require(answer.status_code == 409, f"another key without proof: answered {shown(answer)}, where 409 belongs")
    _require_holds(probe, author, "after a refused re-key, the old key")


def _wrong_proof(probe: Probe) -> None:
    author = probe.enrolled()
    other, key = _rekeyed(author), probe.usable_keys()[0]
    sealed = probe.wrapped(other, key)
    proof = sign(other.key, sealed)
    answer = probe.post(ENROL, enrolment(other, key.key_id, sealed, proof=proof).body)
    require(answer.status_code == 409, f"a proof by the new key: answered {shown(answer)}, where 409 belongs")


def _proof(probe: Probe) -> None:
    author = probe.enrolled()
    other, key = _rekeyed(author), probe.usable_keys()[0]
    sealed = probe.wrapped(other, key)
    answer = probe.post(ENROL, enrolment(other, key.key_id, sealed, proof=sign(author.key, sealed)).body)
    require(answer.status_code == 200, f"another key with proof: answered {shown(answer)}, where 200 belongs")
    _require_holds(probe, other, "the new key")
    old = probe.submit(submission(author).body)
    require(old.status_code == 401, f"the old key after a re-key: answered {shown(old)}, where 401 belongs")


def _require_holds(probe: Probe, author: Author, what: str) -> None:
    """Check a key by a graph that can't be opened: signed with the right key it gets a 400, else a 401."""
    answer = probe.submit(submission(author, key=bytes(DEVICE_KEY_BYTES)).body)
    require(answer.status_code == 400, f"{what} does not sign: answered {shown(answer)}")


CHECKS: tuple[Check, ...] = (
    Check("5.1", "keys are offered", _offer),
    Check("5.1", "keys may be cached", _cacheable),
    Check("5.2", "each offered suite enrols", _every_suite),
    Check("5.2", "a key wrapped for another device does not open", _for_another),
    Check("5.3", "a new device", _new),
    Check("5.3", "the same key again", _again),
    Check("5.3", "another key without proof", _without_proof),
    Check("5.3", "another key with a proof by itself", _wrong_proof),
    Check("5.3", "another key with proof", _proof),
)

"""Golden vectors for client authors: what to send, what it is made of, and what a server answers, byte for byte."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tacita.crypto.envelope import decode_base64, encode_base64, sign
from tacita.device.conformance import golden, withdrawals
from tacita.device.conformance.author import Author, Json, Request, encoded
from tacita.device.conformance.case import ENROL, SUBMIT, WITHDRAW, Case
from tacita.device.conformance.encodings import ENCODINGS, FORMATS, FRESH
from tacita.device.conformance.malformed import ENVELOPES, OVERSIZED, UNOPENED, UNSIGNED, enrolment, enrolments
from tacita.device.conformance.refusals import NO_GRAPHS, VIOLATIONS
from tacita.errors import TacitaError
from tacita.protocol.envelope import withdrawal_text

_REPEATED_OVER = 1 << 16
_NOT_OPENED = (401, 413, 422)


class VectorsNotWritten(TacitaError):  # noqa: N818 - what happened
    """The folder can't hold the vectors."""


def _text(name: str, data: bytes) -> Json:
    """Return bytes as readable JSON: as text, in hex where they are none, or how often one character is repeated."""
    if len(data) > _REPEATED_OVER and len(set(data)) == 1:
        return {f"{name}_repeats": {"text": data[:1].decode(), "times": len(data)}}
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_hex": data.hex()}


def body_of(vector: Json) -> bytes:
    """Return the request's body of a vector."""
    request = vector["request"]
    if "body_repeats" in request:
        return str(request["body_repeats"]["text"]).encode() * int(request["body_repeats"]["times"])
    return bytes.fromhex(request["body_hex"]) if "body_hex" in request else str(request["body"]).encode()


def _sealing(request: Request, status: int) -> Json:
    """Return what was sealed in a request that gets as far as being opened."""
    if request.plaintext is None or request.nonce is None or status in _NOT_OPENED:
        return {}
    bound = None if request.associated_data is None else request.associated_data.decode()
    sealing = {"nonce_hex": request.nonce.hex(), "associated_data": bound} | _text("plaintext", request.plaintext)
    return {"sealing": sealing}


def vector(case: Case, author: Author) -> Json:
    """Return one vector: the request, what was sealed in it, and the exact answer."""
    request = case.make(author)
    return (
        {"name": case.name, "clause": case.clause}
        | {"request": {"method": "POST", "path": case.path} | _text("body", request.body)}
        | _sealing(request, case.status)
        | {"answer": {"status": case.status, "body": encoded(case.answer).decode()}}
    )


def _vectors(cases: Iterable[Case]) -> list[Json]:
    return [vector(case, golden.author(case.name)) for case in cases]


_ENROLLED = {"status": "enrolled"}
_FORMER = {"detail": "This key was replaced before"}
_CONFLICT = {"detail": "Another key is enrolled for this device"}


def _enrolment_story() -> list[Case]:
    """Return enrolments that follow each other: new, again, another key without proof, and with it (contract §5.3)."""
    by_name = golden.wraps()

    def sent(name: str, **changes: Any) -> Request:
        wrap = by_name[name]
        made = Author(wrap.device_id_hash, bytes.fromhex(wrap.device_key), golden.MOMENT, golden.stream(name))
        return enrolment(made, wrap.key_id, decode_base64(wrap.sealed_key), **changes)

    def step(name: str, wrap: str, status: int, answer: Json, **changes: Any) -> Case:
        return Case(name, "5.3", lambda _author: sent(wrap, **changes), status, answer, ENROL)

    proof = sign(golden.OLD_KEY, decode_base64(by_name["new"].sealed_key))
    proof_back = sign(golden.NEW_KEY, decode_base64(by_name["old"].sealed_key))
    return [
        step("the device of all other vectors", "device", 201, _ENROLLED),
        step("a new device", "old", 201, _ENROLLED),
        step("the same key again", "old", 200, _ENROLLED),
        step("another key without proof", "new", 409, _CONFLICT),
        step("another key with proof of the new one", "new", 409, _CONFLICT, proof=encode_base64(bytes(32))),
        step("another key with proof", "new", 200, _ENROLLED, proof=proof),
        step("a key that was replaced, with proof", "old", 409, _FORMER, proof=proof_back),
        step("a new device, by X-Wing", "xwing", 201, _ENROLLED),
    ]


def _enrolment_file() -> Json:
    wraps = {
        name: msgspec.to_builtins(wrap) | {"info": f"tacita/enroll/1|{wrap.device_id_hash}"}
        for name, wrap in golden.wraps().items()
    }
    return {
        "about": "Enrolment (contract §5.2, §5.3), to be played in this order. HPKE draws its ephemeral key itself, so"
        " these wraps can't be made again byte for byte; what can be checked is that each opens under the private key.",
        "server_keys": [
            {
                "key_id": pair.key_id,
                "suite": pair.suite,
                "private_key_hex": pair.private_bytes.hex(),
                "public_key": encode_base64(pair.public_bytes),
            }
            for pair in golden.SERVER_KEYS
        ],
        "wraps": wraps,
        "vectors": _vectors([*_enrolment_story(), *enrolments(golden.SERVER_KEY.key_id)]),
    }


def _submissions(about: str, cases: Sequence[Case]) -> Json:
    return {
        "about": f"{about} Each is a request to {SUBMIT} of the device below, enrolled by the first vector of"
        " enrolment.json. encryptedData is Base64 of nonce, AES-256-GCM ciphertext and tag of `sealing.plaintext`.",
        "clock": golden.MOMENT.isoformat(),
        "device": {"deviceIdHash": golden.DEVICE, "key_hex": golden.KEY.hex()},
        "vectors": _vectors(cases),
    }


def _withdrawal_file() -> Json:
    author = golden.author("a withdrawal")
    made = withdrawals.withdrawal(author)
    signed = withdrawal_text(author.device, encoded(author.ago()))
    return {
        "about": "Withdrawing (contract §5.5): what is signed, and what is sent, by the device of the other files; its"
        " answer is a 200 with a receipt that the server signs, so its bytes differ. Then what is refused.",
        "clock": golden.MOMENT.isoformat(),
        "withdrawal": {"path": WITHDRAW, "signed_text": signed.decode()} | _text("body", made.body),
        "vectors": _vectors((*withdrawals.REFUSED, withdrawals.STALE)),
    }


def golden_files() -> dict[str, bytes]:
    """Return every file of vectors by its name; the same bytes each time."""
    made = {
        "enrolment.json": _enrolment_file(),
        "formats.json": _submissions(
            "Both formats and both forms of the signature (contract §2.2, §2.3, §2.6), and what does not open.",
            (*FORMATS, *UNOPENED),
        ),
        "encodings.json": _submissions(
            "What Swift writes and a server must read (contract §1, §2.5).", (*ENCODINGS, *FRESH)
        ),
        "withdrawal.json": _withdrawal_file(),
        "refusals.json": _submissions(
            "What is refused, and how (contract §2.7, §3, §4).",
            (*UNSIGNED, *OVERSIZED[:1], *ENVELOPES, *NO_GRAPHS, *VIOLATIONS),
        ),
    }
    return {name: msgspec.json.format(encoded(content), indent=1) + b"\n" for name, content in made.items()}


def write_vectors(folder: Path) -> list[Path]:
    """Write every file of vectors into `folder`; return where each lies.

    Raises:
        VectorsNotWritten: the folder can't be made or written to.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in golden_files().items():
            (folder / name).write_bytes(content)
            written.append(folder / name)
    except OSError as error:
        raise VectorsNotWritten(f"{folder} cannot hold the vectors: {error.strerror}") from None
    return written

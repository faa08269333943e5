"""docs/protocol.md shows what the golden vectors hold, so that the page can't drift from the wire."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tacita.crypto.envelope import decode_base64
from tacita.device.conformance.vectors import body_of
from tacita.device.recorder import MAX_GRAPH_BYTES
from tacita.protocol.refusals import Rule

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text()
VECTORS = ROOT / "tests" / "conformance" / "vectors"
BLOCK = re.compile(r"<!-- (\w+\.json) / ([^/]+) / ([\w ]+) -->\n```\w*\n(.*?)\n```", re.DOTALL)
BLOCKS = BLOCK.findall(PAGE)


def shown(file: str, name: str, what: str) -> str:
    """Return what a block of the page must hold, without its line breaks."""
    content: dict[str, Any] = json.loads((VECTORS / file).read_bytes())
    if what in {"private key", "public key"}:
        [pair] = [each for each in content["server_keys"] if each["key_id"] == name]
        return str(pair["private_key_hex" if what == "private key" else "public_key"])
    if name == "withdrawal":
        return str(content[name][what])
    if what == "device key":
        return str(content["device"]["key_hex"])
    if what in {"info", "wrapped device key", "deviceKey"}:
        wrap = content["wraps"][name]
        return str(wrap["sealedKey" if what == "wrapped device key" else what])
    [vector] = [each for each in content["vectors"] if each["name"] == name]
    return _of_vector(vector, what)


def _of_vector(vector: dict[str, Any], what: str) -> str:
    if what in {"plaintext", "nonce_hex", "associated_data"}:
        return str(vector["sealing"][what])
    if what == "answer":
        return str(vector["answer"]["body"])
    body = body_of(vector)
    if what == "body":
        return body.decode()
    fields: dict[str, Any] = json.loads(body)
    if what in {"signature", "proof"}:
        return str(fields[what])
    sealed = decode_base64(fields["encryptedData"])
    return {"first 32 bytes of the ciphertext": sealed[12:44].hex(), "tag": sealed[-16:].hex()}[what]


@pytest.mark.parametrize(("file", "name", "what", "text"), BLOCKS, ids=[f"{b[1]}, {b[2]}" for b in BLOCKS])
def test_every_block_holds_what_the_vector_holds(file: str, name: str, what: str, text: str) -> None:
    assert text.replace("\n", "") == shown(file, name, what)


def test_the_page_has_the_whole_example() -> None:
    told = {(name, what) for _, name, what, _ in BLOCKS}

    assert told >= {
        ("format 1", "plaintext"),
        ("format 1", "nonce_hex"),
        ("format 1", "tag"),
        ("format 1", "signature"),
        ("format 1", "body"),
        ("format 1, the sketch's signature", "signature"),
        ("format 2", "associated_data"),
        ("format 2", "body"),
        ("device", "wrapped device key"),
    }


def test_every_rule_is_on_the_page() -> None:
    assert [rule.value for rule in Rule if f"`{rule.value}`" not in PAGE] == []


def test_lengths_on_the_page_are_those_of_the_example() -> None:
    plaintext = len(shown("formats.json", "format 1", "plaintext").encode())

    assert f"{plaintext} bytes of plaintext" in PAGE
    assert f"12 + {plaintext} + 16 = {plaintext + 28} bytes" in PAGE
    assert f"{MAX_GRAPH_BYTES:,} bytes" in PAGE

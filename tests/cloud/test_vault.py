"""HashiCorp Vault: hvac against a server on loopback that speaks the Transit and KV 2 API as Vault documents it.

No Vault binary was to be had, so the far side is ours: what is proved is what we send and what we make of the answers.
"""

import base64
import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.cloud.loopback import free_port, serving
from tests.sealed import rotate, sealed_deployment

from tacita.crypto.errors import KeyringError
from tacita.crypto.providers import kek_source

pytest.importorskip("hvac", reason="`make test-cloud` installs the providers' libraries")
pytestmark = pytest.mark.filterwarnings("default")
KEK = bytes(range(32))
TOKEN = "s.test"


class Vault(BaseHTTPRequestHandler):
    """`/v1/transit/encrypt|decrypt/tacita` and `/v1/secret/data/<path>`, with one token that may do everything."""

    key: ClassVar[bytes] = AESGCM.generate_key(256)
    secrets: ClassVar[dict[str, list[dict[str, str]]]] = {}

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    do_PUT = do_POST  # noqa: N815 - the base class looks for this name

    def _answer(self, body: dict[str, Any]) -> None:
        status, content = self._outcome(body)
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _outcome(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.headers.get("X-Vault-Token") != TOKEN:
            return 403, {"errors": ["permission denied"]}
        match self.path.split("/")[2:]:
            case ["transit", "encrypt", "tacita"]:
                nonce = os.urandom(12)
                sealed = nonce + AESGCM(self.key).encrypt(nonce, base64.b64decode(body["plaintext"]), None)
                return 200, {"data": {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}", "key_version": 1}}
            case ["transit", "decrypt", "tacita"]:
                sealed = base64.b64decode(body["ciphertext"].removeprefix("vault:v1:"))
                plain = AESGCM(self.key).decrypt(sealed[:12], sealed[12:], None)
                return 200, {"data": {"plaintext": base64.b64encode(plain).decode()}}
            case ["secret", "data", *path]:
                return self._kv("/".join(path), body)
        return 404, {"errors": []}

    def _kv(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        versions = self.secrets.setdefault(path, [])
        if self.command == "GET":
            if not versions:
                return 404, {"errors": []}
            return 200, {"data": {"data": versions[-1], "metadata": {"version": len(versions), "destroyed": False}}}
        versions.append(body["data"])
        return 200, {"data": {"version": len(versions), "destroyed": False}}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Vault]]:
    Vault.secrets.clear()
    with serving(Vault) as url:
        monkeypatch.setenv("VAULT_ADDR", url)
        monkeypatch.setenv("VAULT_TOKEN", TOKEN)
        yield Vault


def test_transit_wraps_a_key_that_then_lies_in_no_file(vault: type[Vault], tmp_path: Path) -> None:
    source = kek_source("vault-transit:transit/tacita", tmp_path)
    assert not source.exists()

    source.write(KEK)

    assert (source.exists(), source.read()) == (True, KEK)
    [path] = tmp_path.iterdir()
    assert path.read_bytes().startswith(b"vault:v1:")
    assert base64.b64encode(KEK) not in path.read_bytes()


def test_kv_keeps_a_key_and_adds_a_version_for_the_next(vault: type[Vault], tmp_path: Path) -> None:
    source = kek_source("vault-kv:secret/apps/tacita", tmp_path)
    assert not source.exists()

    source.write(bytes(32))
    source.write(KEK)

    assert (source.exists(), source.read(), len(vault.secrets["apps/tacita"])) == (True, KEK, 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["vault-kv:secret/tacita", "vault-transit:transit/tacita"])
def test_a_token_that_may_not_is_a_clear_error(
    vault: type[Vault], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "s.stranger")

    with pytest.raises(KeyringError, match=f"{text}: Forbidden"):
        kek_source(text, tmp_path).write(KEK)


@pytest.mark.parametrize("text", ["vault-kv:secret/tacita", "vault-transit:transit/tacita"])
def test_a_vault_that_is_away_is_a_clear_error(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{free_port()}")

    with pytest.raises(KeyringError, match="ConnectionError"):
        kek_source(text, tmp_path).write(KEK)


def test_a_secret_of_another_kind_is_a_clear_error(vault: type[Vault], tmp_path: Path) -> None:
    vault.secrets["tacita"] = [{"password": "x"}]

    with pytest.raises(KeyringError, match="does not hold 32 bytes"):
        kek_source("vault-kv:secret/tacita", tmp_path).read()


def test_a_reference_without_a_name_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match="names no key"):
        kek_source("vault-transit:transit", tmp_path)


@pytest.mark.parametrize("text", ["vault-kv:secret/tacita", "vault-transit:transit/tacita"])
def test_a_deployment_moves_to_vault_and_on_to_its_next_key(
    vault: type[Vault], text: str, database: str, tmp_path: Path
) -> None:
    sealed = sealed_deployment(database, tmp_path / "deployment")
    in_the_file = sealed.kek

    rotate(sealed.folder, "--to", text)
    first = sealed.kek
    rotate(sealed.folder)

    assert [sealed.under(kek) for kek in (in_the_file, first, sealed.kek)] == [0, 0, len(sealed.values())]

"""A connection to the server under test, and devices that are enrolled with it."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import msgspec

from tacita.clock import Clock
from tacita.crypto.envelope import DEVICE_KEY_BYTES, decode_base64
from tacita.crypto.errors import CryptographyError
from tacita.crypto.hpke import SUITES, wrap
from tacita.device.conformance.author import Author
from tacita.device.conformance.case import ENROL, SUBMIT
from tacita.device.conformance.malformed import enrolment
from tacita.device.uploader import ServerAway
from tacita.protocol.answers import ServerKey, ServerKeys
from tacita.protocol.ids import device_id_hash

KEYS = "/api/v1/keys"
_USES = 10
"""Submissions of one device before the next takes its place, so that no server finds that one sends too fast."""


class Broken(Exception):  # noqa: N818 - what the clause is
    """A clause does not hold; the message says in a line what happened instead."""


def require(holds: bool, otherwise: str) -> None:
    """Check one thing.

    Raises:
        Broken: it doesn't hold.
    """
    if not holds:
        raise Broken(otherwise)


@dataclass
class Probe:
    """What checks work with.

    Attributes:
        http: an open client whose base URL is the server's.
        clock: the devices' clock.
    """

    http: httpx.Client
    clock: Clock
    _lent: tuple[Author, Iterator[int]] | None = field(init=False, default=None)
    _offered: list[ServerKey] = field(init=False, default_factory=list)

    @property
    def base_url(self) -> str:
        """The server, without a slash at its end."""
        return str(self.http.base_url).rstrip("/")

    def get(self, path: str) -> httpx.Response:
        """Ask for `path`, which may be a whole URL.

        Raises:
            ServerAway: no answer.
        """
        return self._request("GET", path)

    def post(self, path: str, body: bytes | Iterator[bytes]) -> httpx.Response:
        """Post JSON; an iterator is sent in chunks, its length not announced.

        Raises:
            ServerAway: no answer.
        """
        return self._request("POST", path, content=body, headers={"Content-Type": "application/json"})

    def submit(self, body: bytes) -> httpx.Response:
        """Post a submission."""
        return self.post(SUBMIT, body)

    def enrol(self, author: Author, key: ServerKey | None = None, **changes: Any) -> httpx.Response:
        """Post an enrolment of the author's key, wrapped to a key of the server's."""
        to = self.usable_keys()[0] if key is None else key
        sealed = self.wrapped(author, to)
        return self.post(ENROL, enrolment(author, to.key_id, sealed, **changes).body)

    def wrapped(self, author: Author, to: ServerKey) -> bytes:
        """Return the author's key wrapped to a key of the server's (contract §5.2)."""
        try:
            return wrap(decode_base64(to.public_key), author.key, author.device, to.suite)
        except (CryptographyError, ValueError):
            raise Broken(f"the public key {to.key_id} can't be wrapped to") from None

    def usable_keys(self) -> list[ServerKey]:
        """Return the server's active keys of suites that the contract names, asked for once.

        Raises:
            Broken: it offers none.
        """
        if not self._offered:
            self._offered = [key for key in keys_of(self.get(KEYS)) if key.suite in SUITES and key.status == "active"]
        require(bool(self._offered), "no active enrolment key of a suite that the contract names is offered")
        return self._offered

    def stranger(self) -> Author:
        """Return a device that the server has never heard of."""
        identifier, key = secrets.token_hex(16), secrets.token_bytes(DEVICE_KEY_BYTES)
        return Author(device_id_hash(identifier), key, self.clock(), secrets.token_bytes)

    def enrolled(self) -> Author:
        """Return a new device that is enrolled."""
        author = self.stranger()
        answer = self.enrol(author)
        require(answer.status_code in {200, 201}, f"a new device is not enrolled: {shown(answer)}")
        return author

    def lent(self) -> Author:
        """Return an enrolled device for one submission."""
        if self._lent is None or next(self._lent[1], None) is None:
            self._lent = self.enrolled(), iter(range(_USES))
        return replace(self._lent[0], now=self.clock())

    def _request(self, method: str, path: str, **sent: Any) -> httpx.Response:
        try:
            return self.http.request(method, path, **sent)
        except httpx.HTTPError as error:
            raise ServerAway(f"{self.base_url} does not answer: {type(error).__name__}") from error


def keys_of(answer: httpx.Response) -> list[ServerKey]:
    """Return the offered keys.

    Raises:
        Broken: that's not what the answer is.
    """
    require(answer.status_code == httpx.codes.OK, f"no keys are offered: {shown(answer)}")
    try:
        return msgspec.json.decode(answer.content, type=ServerKeys).keys
    except msgspec.DecodeError as error:
        raise Broken(f"not the keys that contract §5.1 describes: {error}") from None


def content(answer: httpx.Response) -> dict[str, Any]:
    """Return an answer's JSON object.

    Raises:
        Broken: it is none.
    """
    try:
        value = answer.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Broken(f"the answer is no JSON object: {shown(answer)}")
    return value


def shown(answer: httpx.Response) -> str:
    """Return an answer's status and the beginning of its body, in one line."""
    return f"{answer.status_code} {' '.join(answer.text[:100].split())}"

"""What a device reads from the network: answers, a policy pack, a first root. Its own errors, and no other, come out.

The first byte says what the rest is: P a policy pack, K the server's keys, L the latest model, S a submission's answer,
E a refusal, R a first root.
"""

import asyncio
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import httpx
from tests.graphs import NOW

from tacita.crypto.errors import CryptographyError
from tacita.device import updater
from tacita.device.state import Device
from tacita.device.uploader import RefusedByServer, ServerAway, Uploader
from tacita.models.policy_pack import PackError, decode_pack, encode_pack
from tacita.models.trusted_client import UntrustedModel, fetch_verified
from tacita.protocol.contexts import EMOTIONS, MODELS, QUERY_TYPES

_NOBODY = "http://127.0.0.1:9"


def check(data: bytes) -> None:
    """Let a device read `data` as what its first byte says."""
    reader = _READERS.get(data[:1])
    if reader is not None:
        reader(data[1:])


def _pack(data: bytes) -> None:
    try:
        pack = decode_pack(data)
    except PackError:
        return
    assert decode_pack(encode_pack(pack)) == pack
    rng = random.Random(0)
    for value in (-1.0, 0.0, 0.3, 1.0):
        assert pack.choose_emotion(value, value, rng) in EMOTIONS
        for query_type in QUERY_TYPES:
            assert pack.choose_model(query_type, value, rng) in MODELS
            assert 0 <= pack.calibrated_confidence(value, query_type) <= 1
            assert pack.should_escalate(query_type, value) in {True, False}


def _latest(data: bytes) -> None:
    answer = httpx.Response(200, content=data, request=httpx.Request("GET", _NOBODY))
    with mock.patch.object(httpx, "get", return_value=answer):
        try:
            latest = updater.look(_NOBODY)
        except ServerAway:
            return
    assert isinstance(latest.version, str)


def _answer(status: int, work: Callable[[Uploader], object]) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        def respond(_: httpx.Request) -> httpx.Response:
            return httpx.Response(status, content=data)

        async def run() -> None:
            async with httpx.AsyncClient(transport=httpx.MockTransport(respond), base_url=_NOBODY) as http:
                await work(Uploader(http, random.Random(0)))  # type: ignore[misc]

        try:
            asyncio.run(run())
        except (ServerAway, RefusedByServer, CryptographyError):
            return

    return read


def _root(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            fetch_verified(_NOBODY, "model.json", Path(folder), data)
        except UntrustedModel:
            return
    raise AssertionError("nobody was there to sign it")


_READERS: dict[bytes, Callable[[bytes], None]] = {
    b"P": _pack,
    b"L": _latest,
    b"R": _root,
    b"K": _answer(200, lambda uploader: uploader.enrol(Device("fuzz", bytes(32), NOW))),
    b"S": _answer(200, lambda uploader: uploader.submit(b"")),
    b"E": _answer(418, lambda uploader: uploader.submit(b"")),
}

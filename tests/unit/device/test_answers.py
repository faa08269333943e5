"""Answers that no tacita server gives, as a captive portal or an attacker may: found by fuzzing."""

import asyncio
import random

import httpx
import pytest

from tacita.device import updater
from tacita.device.uploader import RefusedByServer, ServerAway, Uploader

_DEEP = b'{"detail":' + b"[" * 100_000


def _submit(answer: httpx.Response) -> None:
    async def run() -> None:
        transport = httpx.MockTransport(lambda _: answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
            await Uploader(http, random.Random(0))._once("POST", "/", b"")

    asyncio.run(run())


def test_a_model_answer_nested_too_deep_counts_as_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = b'{"version":"granite-3b-v2","release":{"a":' + b"[" * 100_000
    answer = httpx.Response(200, content=deep, request=httpx.Request("GET", "http://server"))
    monkeypatch.setattr(httpx, "get", lambda *_, **__: answer)

    with pytest.raises(ServerAway):
        updater.look("http://server")


def test_a_refusal_nested_too_deep_is_a_refusal_without_detail() -> None:
    with pytest.raises(RefusedByServer, match="no detail"):
        _submit(httpx.Response(418, content=_DEEP))


def test_a_retry_after_that_is_no_number_is_passed_over() -> None:
    with pytest.raises(ServerAway) as caught:
        _submit(httpx.Response(503, headers=[(b"Retry-After", b"\xb2")]))

    assert caught.value.retry_after_s is None

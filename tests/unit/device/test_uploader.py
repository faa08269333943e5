"""Enrolling and submitting: what is sent, what is sent again, and what is given up."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import timedelta

import httpx
import msgspec
import pytest
from tests import graphs

from tacita.crypto import envelope, hpke
from tacita.crypto.errors import MalformedPublicKey
from tacita.device.state import Device
from tacita.device.uploader import RefusedByServer, ServerAway, Uploader, seal_submission
from tacita.protocol.dates import apple_seconds
from tacita.protocol.envelope import Envelope, decode_body
from tacita.protocol.graph import LearningGraph

OK = {"status": "accepted", "next_model_version": "granite-3b-v2", "message": "Graph received and validated"}
PAIR = hpke.EnrolmentKey.generate("k1")
Answer = Callable[[httpx.Request], httpx.Response]


class Impatient(random.Random):
    """Retries without a pause."""

    def uniform(self, _a: float, _b: float) -> float:
        return 0.0


def away(seconds: str = "0") -> httpx.Response:
    return httpx.Response(503, headers={"Retry-After": seconds}, json={"detail": "away"})


class Server:
    """Answers with each of `answers` in turn, then with the last of them; an exception is raised."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.requests = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    @property
    def bodies(self) -> list[bytes]:
        return [request.content for request in self.requests]


def shown(pair: hpke.EnrolmentKey = PAIR, status: str = "active", suite: str = "") -> dict[str, str | None]:
    public = envelope.encode_base64(pair.public_bytes)
    made = {"key_id": pair.key_id, "suite": suite or pair.suite, "public_key": public, "status": status}
    return made | {"not_after": None}


def keys(*offered: dict[str, str | None]) -> httpx.Response:
    return httpx.Response(200, json={"keys": offered or [shown()]})


def submit(server: Server, body: bytes = b"sealed") -> str:
    async def run() -> str:
        async with httpx.AsyncClient(base_url="http://server", transport=httpx.MockTransport(server)) as http:
            return (await Uploader(http, Impatient()).submit(body)).next_model_version

    return asyncio.run(run())


def enrol(server: Server, device: Device) -> None:
    async def run() -> None:
        async with httpx.AsyncClient(base_url="http://server", transport=httpx.MockTransport(server)) as http:
            await Uploader(http, Impatient()).enrol(device)

    asyncio.run(run())


@pytest.fixture
def device() -> Device:
    return Device.new(graphs.NOW - timedelta(days=1))


def sealed(device: Device) -> bytes:
    graph = msgspec.convert(graphs.graph(device=device.id_hash), LearningGraph)
    return seal_submission(device, graph, graphs.NOW)


def test_a_submission_tells_which_model_it_will_train() -> None:
    assert submit(Server(httpx.Response(200, json=OK))) == "granite-3b-v2"


def test_after_a_503_the_very_same_bytes_are_sent_again(device: Device) -> None:
    server, body = Server(away(), away(), httpx.Response(200, json=OK)), sealed(device)
    submit(server, body)
    assert server.bodies == [body] * 3


@pytest.mark.parametrize("error", [httpx.ConnectError("no"), httpx.ReadError("lost"), httpx.ReadTimeout("late")])
def test_after_a_lost_connection_the_very_same_bytes_are_sent_again(error: Exception, device: Device) -> None:
    server, body = Server(error, httpx.Response(200, json=OK)), sealed(device)
    submit(server, body)
    assert server.bodies == [body] * 2


def test_a_server_that_stays_away_is_given_up() -> None:
    server = Server(away())
    with pytest.raises(ServerAway):
        submit(server)
    assert len(server.requests) == 8


def test_the_servers_retry_after_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    submit(Server(away("7"), away("3600"), httpx.Response(200, json=OK)))
    assert waited == [7.0, 30.0]


@pytest.mark.parametrize("status", [400, 401, 403, 413, 422, 429, 500])
def test_a_refusal_is_told_and_not_tried_again(status: int) -> None:
    server = Server(httpx.Response(status, json={"detail": "No"}))
    with pytest.raises(RefusedByServer, match="No") as caught:
        submit(server)
    assert (caught.value.status, len(server.requests)) == (status, 1)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"\xff", b"{}"])
def test_a_refusal_without_a_detail_is_told_too(content: bytes) -> None:
    with pytest.raises(RefusedByServer, match="no detail"):
        submit(Server(httpx.Response(400, content=content)))


@pytest.mark.parametrize("content", [b"<html>log in</html>", b"{}", b"\xff"])
def test_an_answer_that_is_not_the_servers_does_not_count_as_accepted(content: bytes) -> None:
    with pytest.raises(ServerAway, match="something else"):
        submit(Server(httpx.Response(200, content=content)))


def test_a_submission_opens_to_its_graph(device: Device) -> None:
    made = decode_body(sealed(device), Envelope)
    plain = envelope.open_sealed(device.key, envelope.decode_base64(made.encrypted_data))
    assert json.loads(plain) == graphs.graph(device=device.id_hash)


def test_a_submission_is_signed_as_the_app_signs(device: Device) -> None:
    made = decode_body(sealed(device), Envelope)
    data = envelope.decode_base64(made.encrypted_data)
    assert envelope.signature_matches(device.key, data, made.encrypted_data, made.signature)


def test_a_submission_writes_slashes_and_dates_as_swift_does(device: Device) -> None:
    body = sealed(device)
    assert b"/" not in body.replace(b"\\/", b"")
    assert json.loads(body)["timestamp"] == apple_seconds(graphs.NOW)


def test_enrolling_brings_the_key_to_the_server(device: Device) -> None:
    server = Server(keys(), httpx.Response(201, json={"status": "enrolled"}))
    enrol(server, device)
    sent = json.loads(server.bodies[1])
    assert PAIR.unwrap(envelope.decode_base64(sent["sealedKey"]), device.id_hash) == device.key
    assert (sent["deviceIdHash"], sent["key_id"], device.enrolled) == (device.id_hash, "k1", True)


def test_where_x_wing_is_offered_too_it_is_used(device: Device) -> None:
    xwing = hpke.EnrolmentKey.generate("k2", hpke.XWING_SUITE)
    server = Server(keys(shown(), shown(xwing)), httpx.Response(201, json={"status": "enrolled"}))
    enrol(server, device)
    sent = json.loads(server.bodies[1])
    assert xwing.unwrap(envelope.decode_base64(sent["sealedKey"]), device.id_hash) == device.key
    assert sent["key_id"] == "k2"


def test_an_offered_key_that_is_none_is_a_clear_error(device: Device) -> None:
    with pytest.raises(MalformedPublicKey):
        enrol(Server(keys(shown() | {"public_key": "AAAA"})), device)


def test_a_key_that_expires_is_not_enrolled_to(device: Device) -> None:
    with pytest.raises(RefusedByServer, match="no enrolment key"):
        enrol(Server(keys(shown(status="expiring"))), device)


def test_a_suite_that_the_device_does_not_know_is_not_enrolled_to(device: Device) -> None:
    with pytest.raises(RefusedByServer, match="no enrolment key"):
        enrol(Server(keys(shown(suite="ML-KEM-768"))), device)


def test_a_refused_enrolment_leaves_the_device_not_enrolled(device: Device) -> None:
    with pytest.raises(RefusedByServer):
        enrol(Server(keys(), httpx.Response(409, json={"detail": "Already enrolled"})), device)
    assert not device.enrolled

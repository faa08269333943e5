"""Hostile HTTP, byte by byte on a socket: it is refused or let go in time, and the next client is served."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from urllib.parse import urlsplit

import httpx
import pytest
from tests.front_door import SUBMIT
from tests.serving import served

from tacita.cli.init import make_deployment

WITHIN_S, CONNECTIONS = 1.0, 40
_SLACK_S = 8.0  # a busy machine's
_REQUEST_LINE = f"POST {SUBMIT} HTTP/1.1\r\nHost: tacita\r\n".encode()
_HEALTH = b"GET /health HTTP/1.1\r\nHost: tacita\r\n\r\n"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("hostile") / "deployment"
    make_deployment(folder, round_size=1_000)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TACITA_HEADERS_WITHIN_S", str(WITHIN_S))
        environment.setenv("TACITA_BODY_WITHIN_S", str(WITHIN_S))
        environment.setenv("TACITA_MAX_CONNECTIONS", str(CONNECTIONS))
        with served(folder) as url:
            yield url


@pytest.fixture(autouse=True)
def serves_on(url: str) -> Iterator[None]:
    yield
    assert httpx.get(f"{url}/health", trust_env=False, timeout=_SLACK_S).status_code == 200


def _connect(url: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port), timeout=_SLACK_S)


def _read_to_end(connection: socket.socket) -> bytes:
    """Return what comes until the server closes; fail when it doesn't within the slack."""
    received = b""
    with suppress(ConnectionResetError):
        while data := connection.recv(1 << 16):
            received += data
    return received


def _talk(url: str, data: bytes) -> bytes:
    with closing(_connect(url)) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        return _read_to_end(connection)


def _trickle(url: str, start: bytes, drop: bytes) -> float:
    """Send `start`, then `drop` again and again; return the seconds until the server lets the connection go."""
    with closing(_connect(url)) as connection:
        begun = time.monotonic()
        connection.sendall(start)
        connection.settimeout(0.1)
        while time.monotonic() - begun < _SLACK_S:
            try:
                connection.sendall(drop)
                if connection.recv(1 << 16) == b"":
                    break
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        return time.monotonic() - begun


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"G"),
        (_REQUEST_LINE, b"X-A: b\r\n"),
        (_REQUEST_LINE + b"Content-Length: 1000\r\n\r\n", b"a"),
        (_REQUEST_LINE + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
    ids=["request line", "headers", "body", "chunks"],
)
def test_who_trickles_is_let_go_in_time(url: str, start: bytes, drop: bytes) -> None:
    assert _trickle(url, start, drop) < _SLACK_S


def test_headers_without_end_are_cut_off_early(url: str) -> None:
    with closing(_connect(url)) as connection:
        sent = 0
        connection.sendall(_REQUEST_LINE)
        with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            while sent < 64 << 20:
                connection.sendall(b"X-" + b"a" * 65_532 + b": b\r\n")
                sent += 1 << 16

    assert sent < 8 << 20, "the server took megabytes of headers"


def _refused(answer: bytes, *statuses: bytes) -> bool:
    return answer == b"" or answer.split(b" ", 2)[1] in statuses


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 4_096,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /health\r\nHost tacita\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: \x00\x01\r\n\r\n",
        _REQUEST_LINE + b"Content-Length: -1\r\n\r\n{}",
        _REQUEST_LINE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        _REQUEST_LINE + b"Content-Length: 99999999999999999999999999\r\n\r\n{}",
        _REQUEST_LINE + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        _REQUEST_LINE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        _REQUEST_LINE + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
        _REQUEST_LINE + b"Content-Length: 2000000\r\n\r\n{}",
        _REQUEST_LINE + b"Content-Length: 50\r\n\r\n{}",
    ],
)
def test_garbage_is_refused_or_let_go(url: str, request_bytes: bytes) -> None:
    assert _refused(_talk(url, request_bytes), b"400", b"413", b"422")


def test_a_chunked_body_over_the_limit_is_refused(url: str) -> None:
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"

    headers = b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert _refused(_talk(url, _REQUEST_LINE + headers + chunk * 48 + b"0\r\n\r\n"), b"413")


def test_http_1_0_is_answered_and_closed(url: str) -> None:
    assert _talk(url, b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_pipelined_requests_are_answered_in_order_and_garbage_after_them_ends_the_connection(url: str) -> None:
    missing = b"GET /nowhere HTTP/1.1\r\nHost: tacita\r\n\r\n"

    with closing(_connect(url)) as connection:
        connection.sendall(_HEALTH + missing + _HEALTH)
        answers = b""
        while answers.count(b"HTTP/1.1") < 3:
            answers += connection.recv(1 << 16)
        connection.sendall(b"\x00garbage\r\n\r\n")
        answers += _read_to_end(connection)

    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"404", b"200", b"400"]


def _until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _SLACK_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_idle_connections_beyond_the_limit_are_closed_and_the_rest_in_time(url: str) -> None:
    def closed(connection: socket.socket) -> bool:
        connection.settimeout(0.01)
        try:
            return connection.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    with ExitStack() as stack:
        idle = [stack.enter_context(closing(_connect(url))) for _ in range(CONNECTIONS + 20)]
        assert _until(lambda: sum(map(closed, idle)) >= 20)
        assert _until(lambda: all(map(closed, idle)))


def test_a_body_in_single_bytes_that_is_in_time_is_answered(url: str) -> None:
    body = json.dumps({"deviceIdHash": "x"}).encode()
    with closing(_connect(url)) as connection:
        connection.sendall(_REQUEST_LINE + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        for byte in body:
            connection.sendall(bytes([byte]))

        answer = _read_to_end(connection)

    assert answer.split(b" ", 2)[1] == b"422"

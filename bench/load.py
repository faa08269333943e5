"""The load: requests made beforehand, sent by as many connections as asked for, from a process of its own.

`python -m bench.load PORT FILE CONNECTIONS RATE` prints one JSON object. It costs as little as Python can: no HTTP
client, only bytes written and the head of the answer read; its CPU is never counted.
"""

import asyncio
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec
import uvloop

_LENGTH = struct.Struct("<I")
_PATH = "/api/v1/learning-graphs/submit"


class Outcome(msgspec.Struct):
    """What a load measured: wall seconds, answers by status, seconds from due to answered of each request."""

    seconds: float
    statuses: dict[str, int]
    latencies: list[float]


def write_requests(path: Path, bodies: Iterable[bytes]) -> None:
    """Write whole HTTP requests, each with its length before it."""
    with path.open("wb") as file:
        for body in bodies:
            head = (
                f"POST {_PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            )
            request = f"{head}\r\n\r\n".encode() + body
            file.write(_LENGTH.pack(len(request)) + request)


def read_requests(path: Path) -> list[bytes]:
    """Return the requests of `write_requests`."""
    data, requests, at = path.read_bytes(), [], 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        requests.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return requests


class Load:
    """Sends each request once, as fast as it goes or at a rate (open loop: latency counts from when it was due)."""

    def __init__(self, requests: list[bytes], rate: float) -> None:
        self.requests, self.rate = requests, rate
        self.next = 0
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.began = 0.0

    async def connection(self, port: int) -> None:
        """Send requests over one connection until there are none left."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while self.next < len(self.requests):
            mine, self.next = self.next, self.next + 1
            due = time.perf_counter()
            if self.rate:
                due = self.began + mine / self.rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(self.requests[mine])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            self.latencies.append(time.perf_counter() - due)
            self.statuses[head[9:12].decode()] += 1
        writer.close()

    async def run(self, port: int, connections: int) -> Outcome:
        """Send everything; return what was measured."""
        self.began = time.perf_counter()
        await asyncio.gather(*(self.connection(port) for _ in range(connections)))
        return Outcome(time.perf_counter() - self.began, dict(self.statuses), self.latencies)


if __name__ == "__main__":
    port, path, connections, rate = sys.argv[1:]
    load = Load(read_requests(Path(path)), float(rate))
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(load.run(int(port), int(connections)))))

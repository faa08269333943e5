"""A load of many devices over real HTTP, each sending the very same bytes again until they are answered."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
import msgspec
from tests.simulation.probes import Probe

from tacita.crypto.envelope import decode_base64, encode_base64
from tacita.crypto.hpke import wrap
from tacita.device.state import Device
from tacita.protocol.envelope import Enrolment

SUBMIT, ENROL = "/api/v1/learning-graphs/submit", "/api/v1/devices/enroll"
_TIMEOUT_S = 20.0
_BACK_S = 60.0
_TWICE_AT_ONCE = 0.1


@dataclass
class Load:
    """Senders, what they have sent, and what they were answered.

    Attributes:
        url: the server.
        probes: where the next graph comes from.
        rng: pauses, and which bodies are sent twice at once.
        senders: requests under way at once.
        begun: every probe that was sent at least once.
        answered: the probes that were answered 200.
        slowest_s: the longest that a request waited for its answer.
        resends: requests sent beyond a probe's first.
        unexpected: answers that no fault excuses, counted: anything but 200, 201, or 503 with Retry-After.
    """

    url: str
    probes: Iterator[Probe]
    rng: random.Random
    senders: int = 24
    begun: list[Probe] = field(default_factory=list)
    answered: list[Probe] = field(default_factory=list)
    slowest_s: float = 0.0
    resends: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)
    _offered: dict[str, Any] = field(default_factory=dict)
    _enrolments: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)
    _served: deque[int] = field(default_factory=lambda: deque(maxlen=1_000))

    async def run(self) -> None:
        """Send without end; to be cancelled."""
        limits = httpx.Limits(max_connections=2 * self.senders)
        async with httpx.AsyncClient(base_url=self.url, timeout=_TIMEOUT_S, trust_env=False, limits=limits) as http:
            self._offered = await self._keys(http)
            async with asyncio.TaskGroup() as group:
                for _ in range(self.senders):
                    group.create_task(self._send_all(http))

    async def served_again(self) -> None:
        """Wait until requests that are sent from now on, as many as there are senders, are answered with success."""
        now, deadline = next(self._numbers), time.monotonic() + _BACK_S
        while sum(number > now for number in self._served) < self.senders:
            assert time.monotonic() < deadline, f"no success for a minute: {self.refused}, {self.unexpected}"
            await asyncio.sleep(0.005)

    async def _keys(self, http: httpx.AsyncClient) -> dict[str, Any]:
        while True:
            try:
                answer = await http.get("/api/v1/keys")
            except httpx.HTTPError:
                await asyncio.sleep(0.05)
                continue
            key: dict[str, Any] = answer.raise_for_status().json()["keys"][0]
            return key

    async def _send_all(self, http: httpx.AsyncClient) -> None:
        for probe in self.probes:
            await self._enrolled(http, probe.device)
            self.begun.append(probe)
            times = 2 if self.rng.random() < _TWICE_AT_ONCE else 1
            await asyncio.gather(*(self._deliver(http, SUBMIT, probe.body) for _ in range(times)))
            self.answered.append(probe)
            await asyncio.sleep(self.rng.uniform(0, 0.1))

    async def _enrolled(self, http: httpx.AsyncClient, device: Device) -> None:
        task = self._enrolments.get(device.id_hash)
        if task is None:
            body = msgspec.json.encode(self._enrolment(device))
            task = asyncio.create_task(self._deliver(http, ENROL, body))
            self._enrolments[device.id_hash] = task
        await asyncio.shield(task)

    def _enrolment(self, device: Device) -> Enrolment:
        sealed = wrap(decode_base64(self._offered["public_key"]), device.key, device.id_hash)
        return Enrolment(device.id_hash, device.app_version, self._offered["key_id"], encode_base64(sealed))

    async def _deliver(self, http: httpx.AsyncClient, path: str, body: bytes) -> None:
        """Send a body until it is answered with success; impatiently, to meet the server while it recovers."""
        number = next(self._numbers)
        while not await self._answered(http, path, body):
            await asyncio.sleep(self.rng.uniform(0.01, 0.2))
            self.resends += 1
            number = next(self._numbers)
        self._served.append(number)

    async def _answered(self, http: httpx.AsyncClient, path: str, body: bytes) -> bool:
        begun = time.monotonic()
        try:
            answer = await http.post(path, content=body)
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
        except httpx.HTTPError as error:
            self.refused[type(error).__name__] += 1
            return False
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and answer.headers.get("Retry-After", "").isdigit():
            self.refused["503"] += 1
            return False
        if answer.is_success:
            return True
        self.unexpected[f"{answer.status_code} {path} {answer.text[:100]}"] += 1
        return False

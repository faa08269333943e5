"""Many reference devices in one process: each enrols, records, submits, and fetches and verifies models over HTTP."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from tacita.clock import Clock
from tacita.device import updater
from tacita.device.recorder import export
from tacita.device.state import Device
from tacita.device.uploader import ServerAway, Uploader, WireFormat, seal_submission
from tacita.errors import TacitaError
from tacita.fleet.world import World, user_kind, user_rng
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PolicyPack, decode_pack

NODES_A_ROUND = 100
"""The app uploads at 100 nodes (contract §3)."""

_AT_ONCE = 16
_POLL_S = 0.3
_REQUEST_TIMEOUT_S = 60.0
Tick = Callable[[], None]


class NotPublished(TacitaError):  # noqa: N818 - what the model is
    """The round's model was not published in time, perhaps because it was not measurably better."""


@dataclass
class Population:
    """The devices of one simulated fleet, against one server.

    Attributes:
        world: the ground truth that their users follow.
        seed: of every user's randomness.
        base_url: the server, without a slash at its end.
        folder: where each device keeps the metadata that it trusts.
        devices: the devices, in memory.
        clock: the present moment.
        wire_format: which format they submit in (contract §2.2, §2.6).
    """

    world: World
    seed: int
    base_url: str
    folder: Path
    devices: Sequence[Device]
    clock: Clock
    wire_format: WireFormat = 1

    @classmethod
    def new(
        cls,
        world: World,
        seed: int,
        count: int,
        base_url: str,
        folder: Path,
        clock: Clock,
        wire_format: WireFormat = 1,
    ) -> "Population":
        """Return `count` devices with fresh identities and keys; none is enrolled yet."""
        return cls(world, seed, base_url, folder, [Device.new(clock()) for _ in range(count)], clock, wire_format)

    async def enrol(self, tick: Tick) -> None:
        """Enrol every device; call `tick` after each."""

        async def one(index: int, uploader: Uploader) -> None:
            await uploader.enrol(self.devices[index])

        await self._each(one, tick)

    async def contribute(self, round_number: int, tick: Tick) -> str:
        """Let every user interact for a week, then submit; return the version that the round will train."""
        promised: set[str] = set()

        async def one(index: int, uploader: Uploader) -> None:
            device, now = self.devices[index], self.clock()
            rng = user_rng(self.seed, index, round_number)
            nodes = self.world.interactions(rng, _applied(device), user_kind(index), NODES_A_ROUND, now)
            device.nodes.extend(nodes)
            graph = export(device, random.Random(f"{self.seed}/{index}/{round_number}"), now)
            answer = await uploader.submit(seal_submission(device, graph, now, self.wire_format))
            promised.add(answer.next_model_version)

        await self._each(one, tick)
        return max(promised, key=lambda version: int(version.rpartition("v")[2]))

    async def published(self, version: str, within_s: float) -> None:
        """Wait until the server offers `version`.

        Raises:
            NotPublished: it doesn't within `within_s` seconds.
        """
        deadline = asyncio.get_running_loop().time() + within_s
        while (await asyncio.to_thread(self._offered)) != version:
            if asyncio.get_running_loop().time() > deadline:
                raise NotPublished(f"{version} was not published within {within_s:.0f} s; see: tacita round status")
            await asyncio.sleep(_POLL_S)

    def _offered(self) -> str | None:
        try:
            return updater.look(self.base_url).version
        except ServerAway:
            return None

    async def update(self, tick: Tick) -> None:
        """Let every device look for the latest model, verify it along its own signed chain, and apply it."""
        loop = asyncio.get_running_loop()

        def one(index: int) -> None:
            updater.update(self.devices[index], self.base_url, self.folder / f"{index:06d}")

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for done in asyncio.as_completed([loop.run_in_executor(threads, one, i) for i in range(len(self.devices))]):
                await done
                tick()

    def pack(self) -> PolicyPack:
        """Return the pack that the first device applies."""
        return _applied(self.devices[0])

    async def _each(self, work: Callable[[int, Uploader], Awaitable[None]], tick: Tick) -> None:
        limit = asyncio.Semaphore(_AT_ONCE)
        limits = httpx.Limits(max_connections=_AT_ONCE)
        async with httpx.AsyncClient(
            base_url=self.base_url, limits=limits, timeout=_REQUEST_TIMEOUT_S, trust_env=False
        ) as http:

            async def one(index: int) -> None:
                async with limit:
                    await work(index, Uploader(http, random.Random(index)))
                tick()

            async with asyncio.TaskGroup() as group:
                for index in range(len(self.devices)):
                    group.create_task(one(index))


def _applied(device: Device) -> PolicyPack:
    return genesis_pack() if device.pack is None else decode_pack(device.pack)

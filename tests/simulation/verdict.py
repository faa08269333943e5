"""What a siege came to: which of the graphs were counted, how often, and which of them wrongly."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.load import Load
from tests.simulation.probes import Probe, counted, ledger_names, probes
from tests.simulation.siege import Fortress, Kind

_DOUBLE_FAULT = 0.2


@dataclass(frozen=True)
class Verdict:
    """Figures of one siege; `lost`, `doubled`, `halved` and `unexpected` must be nothing.

    Attributes:
        instants: kills by kind.
        sent: graphs sent at least once.
        answered: graphs answered 200.
        resends: requests beyond each body's first.
        refused: the failures that faults excuse, by what they were.
        lost: graphs answered 200 that aren't counted whole.
        doubled: cells that hold more nodes than were sent.
        halved: graphs counted in part.
        unexpected: answers that no fault excuses.
        unanswered_counted: graphs without an answer that are counted (once): allowed.
        seconds: how long it took.
    """

    instants: dict[str, int]
    sent: int
    answered: int
    resends: int
    refused: dict[str, int]
    lost: int
    doubled: int
    halved: int
    unexpected: dict[str, int]
    unanswered_counted: int
    seconds: float


def besiege(fortress: Fortress, seed: int, instants: list[Kind]) -> Verdict:
    """Kill parts of a deployment under load, at seeded random instants, and say what became of the graphs."""
    rng, begun = random.Random(seed), time.monotonic()
    load = Load(fortress.url, probes(random.Random(seed + 1)), random.Random(seed + 2))
    with fortress.serving():
        asyncio.run(_attack(fortress, load, instants, rng))
    return _judge(fortress.folder, load, Counter(instants), time.monotonic() - begun)


async def _attack(fortress: Fortress, load: Load, instants: list[Kind], rng: random.Random) -> None:
    senders = asyncio.create_task(load.run())
    await load.served_again()
    for kind in instants:
        await asyncio.sleep(rng.uniform(0, 0.5))
        await asyncio.to_thread(fortress.kill, kind, rng)
        if rng.random() >= _DOUBLE_FAULT:  # else the next fault meets the recovery from this one
            await load.served_again()
    await load.served_again()
    await asyncio.sleep(0.5)
    senders.cancel()
    await asyncio.gather(senders, return_exceptions=True)


def _judge(folder: Path, load: Load, instants: Counter[Kind], seconds: float) -> Verdict:
    devices = {probe.device.id_hash: probe.device for probe in load.begun}
    names = ledger_names(folder, list(devices.values()))

    def name(probe: Probe) -> tuple[bytes, int]:
        return names[probe.device.id_hash], probe.cell

    nodes = counted(folder)
    sent = {name(probe): probe.nodes for probe in load.begun}
    answered = {name(probe) for probe in load.answered}
    return Verdict(
        instants={kind.value: number for kind, number in instants.items()},
        sent=len(sent),
        answered=len(answered),
        resends=load.resends,
        refused=dict(load.refused),
        lost=sum(nodes[graph] < sent[graph] for graph in answered),
        doubled=sum(amount > sent.get(graph, 0) for graph, amount in nodes.items()),
        halved=sum(0 < nodes[graph] < sent[graph] for graph in sent),
        unexpected=dict(load.unexpected),
        unanswered_counted=sum(graph in nodes for graph in sent if graph not in answered),
        seconds=round(seconds, 1),
    )

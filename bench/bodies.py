"""Bodies to measure on: 90-node submissions of simulated users, made by the reference device's own path."""

import itertools
import random
from dataclasses import dataclass
from datetime import UTC, datetime

from tacita.device.recorder import export
from tacita.device.state import Device
from tacita.device.uploader import seal_submission
from tacita.fleet.world import World, user_kind, user_rng
from tacita.models.genesis import genesis_pack

RECORDED = 100
"""The app uploads at 100 nodes and samples them at 0.9 (contract §3)."""

NODES = 90
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Submission:
    """One device's sealed body, and the device that can open it."""

    device: Device
    body: bytes


def submission(world: World, user: int, seed: int = 7, now: datetime = NOW) -> Submission:
    """Return the first upload of a new device whose sampling kept exactly `NODES` of its `RECORDED` nodes."""
    device = Device.new(now)
    rng = user_rng(seed, user, 1)
    device.nodes.extend(world.interactions(rng, genesis_pack(), user_kind(user), RECORDED, now))
    for attempt in itertools.count():
        graph = export(device, random.Random(f"{seed}/{user}/{attempt}"), now)
        if len(graph.nodes) == NODES:
            return Submission(device, seal_submission(device, graph, now))
    raise AssertionError  # not reached: the count above has no end


def submissions(count: int, seed: int = 7, now: datetime = NOW) -> list[Submission]:
    """Return `count` submissions of as many devices in one simulated world."""
    world = World.drawn(seed)
    return [submission(world, user, seed, now) for user in range(count)]

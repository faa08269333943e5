"""One-hot probes: graphs whose nodes all fall into one cell of their own, so that a round's contributions tell exactly
which graphs were counted, and how often.
"""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from tacita import config
from tacita.cli.parts import open_workshop
from tacita.clock import system_clock
from tacita.device.state import Device
from tacita.device.uploader import seal_submission
from tacita.privacy import tables
from tacita.protocol.contexts import EMOTIONS
from tacita.protocol.dates import apple_seconds
from tacita.protocol.graph import AggregateMetrics, EmotionBucket, LearningGraph, Node
from tacita.store import contributions, rounds
from tacita.store.connection import Connection, run_transaction
from tacita.store.sealing import ledger_tag, open_round_key

GRAPHS_A_DEVICE, NODES_A_GRAPH = 6, 3
_PLEASURE, _AROUSAL = (-0.6, -0.2, 0.2, 0.6), (-0.6, 0.0, 0.6)
_EMOTION_CELLS = slice(tables.OFFSETS["emotion"], tables.OFFSETS["emotion"] + tables.EMOTION.cells)


@dataclass(frozen=True)
class Probe:
    """One graph, as its device will send it, again and again in the very same bytes.

    Attributes:
        device: whose graph it is.
        cell: the cell of the emotion table that all its nodes fall into; no other graph of the device uses it.
        body: the sealed and signed submission.
    """

    device: Device
    cell: int
    body: bytes


def probes(rng: random.Random) -> Iterator[Probe]:
    """Yield probes without end: the graphs of one device follow one another, so that several are under way at once."""
    while True:
        device = Device.new(system_clock())
        for cell in rng.sample(range(tables.EMOTION.cells), GRAPHS_A_DEVICE):
            yield Probe(device, cell, seal_submission(device, _graph(device, cell, system_clock()), system_clock()))


def _graph(device: Device, cell: int, now: datetime) -> LearningGraph:
    return LearningGraph(
        device_id_hash=device.id_hash,
        nodes=[_node(cell, now) for _ in range(NODES_A_GRAPH)],
        aggregate_metrics=AggregateMetrics(5, 1.5, 0.6, 0.5, 0.0),
        created_at=apple_seconds(now),
        last_updated_at=apple_seconds(now),
    )


def _node(cell: int, now: datetime) -> Node:
    pleasure, arousal, emotion, continued = np.unravel_index(cell, tables.EMOTION.shape)
    return Node(
        id=str(uuid.uuid4()).upper(),
        timestamp=apple_seconds(now),
        query_type="question",
        query_complexity=0.2,
        word_count=6,
        user_emotion_bucket=EmotionBucket(_PLEASURE[pleasure], _AROUSAL[arousal], 0.0),
        model_selected_emotion=EMOTIONS[emotion],
        model_used="fast",
        response_time=1.5,
        confidence=0.8,
        conversation_continued=bool(continued),
        follow_up_query=False,
        escalated_to_online=False,
    )


def counted(folder: Path) -> Counter[tuple[bytes, int]]:
    """Open what the collecting round of a deployment holds: nodes by (the device's name in the ledger, cell).

    Each node must stand in every table, or the row isn't what any sound server could have written.
    """
    deployment = config.load(folder)

    async def read(dsn: str) -> Counter[tuple[bytes, int]]:
        async with open_workshop(deployment, dsn) as shop:

            async def nodes(connection: Connection) -> Counter[tuple[bytes, int]]:
                current = await rounds.collecting(connection)
                assert current is not None
                key = open_round_key(shop.keyring, current)
                found: Counter[tuple[bytes, int]] = Counter()
                for tag, sealed in await contributions.all_of(connection, current.number):
                    row = key.open_contribution(tag, sealed)
                    cells = row.counts.cells
                    in_tables = {int(cells[tables.OFFSETS[t.name] :][: t.cells].sum()) for t in tables.TABLES}
                    assert in_tables == {row.counts.nodes}, "a contribution whose tables disagree"
                    emotion = cells[_EMOTION_CELLS]
                    found.update({(row.ledger_tag, int(cell)): int(emotion[cell]) for cell in np.flatnonzero(emotion)})
                return found

            return await run_transaction(shop.pool, nodes)

    with deployment.database() as database:
        return asyncio.run(read(database.dsn))


def ledger_names(folder: Path, devices: list[Device]) -> dict[str, bytes]:
    """Return each device's name in the ledger, by its hash."""
    from tacita.crypto.keyring import Keyring

    key = Keyring.load(config.load(folder).keys).ledger_key()
    return {device.id_hash: ledger_tag(key, bytes.fromhex(device.id_hash)) for device in devices}

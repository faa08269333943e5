"""One-hot probes: graphs whose nodes all fall into one cell of their own, so that a round's contributions tell exactly
which graphs were counted, and how often.
"""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from tacita import config
from tacita.cli.parts import open_workshop
from tacita.clock import system_clock
from tacita.device.recorder import export
from tacita.device.state import Device
from tacita.device.uploader import seal_submission
from tacita.privacy import tables
from tacita.protocol.contexts import EMOTIONS, MODELS, QUERY_TYPES
from tacita.protocol.dates import apple_seconds
from tacita.protocol.graph import EmotionBucket, Node
from tacita.store import contributions, rounds
from tacita.store.connection import Connection, run_transaction
from tacita.store.sealing import ledger_tag, open_round_key

GRAPHS_A_DEVICE, RECORDED = 6, 6
_PLEASURE, _AROUSAL = (
    ((-1.0, -0.8, -0.6), (-0.4, -0.2), (0.0, 0.2, 0.4), (0.6, 0.8, 1.0)),
    ((-0.8, -0.4), (0.0, 0.2), (0.4, 0.8)),
)
_EMOTION_CELLS = slice(tables.OFFSETS["emotion"], tables.OFFSETS["emotion"] + tables.EMOTION.cells)


@dataclass(frozen=True)
class Probe:
    """One graph, as its device will send it, again and again in the very same bytes.

    Attributes:
        device: whose graph it is.
        cell: the cell of the emotion table that all its nodes fall into; no other graph of the device uses it.
        nodes: how many nodes it has.
        body: the sealed and signed submission.
    """

    device: Device
    cell: int
    nodes: int
    body: bytes


def probes(rng: random.Random) -> Iterator[Probe]:
    """Yield probes without end: the graphs of one device follow one another, so that several are under way at once."""
    while True:
        device = Device.new(system_clock())
        for cell in rng.sample(range(tables.EMOTION.cells), GRAPHS_A_DEVICE):
            now = system_clock()
            device.nodes = [_node(cell, rng, now) for _ in range(RECORDED)]
            graph = export(device, rng, now)
            yield Probe(device, cell, len(graph.nodes), seal_submission(device, graph, now))


def _node(cell: int, rng: random.Random, now: datetime) -> Node:
    pleasure, arousal, emotion, continued = np.unravel_index(cell, tables.EMOTION.shape)
    return Node(
        id=str(uuid.UUID(int=rng.getrandbits(128), version=4)).upper(),
        timestamp=apple_seconds(now - timedelta(hours=rng.uniform(1, 24))),
        query_type=rng.choice(QUERY_TYPES),
        query_complexity=rng.randrange(1, 31) / 30,
        word_count=rng.randrange(1, 30),
        user_emotion_bucket=EmotionBucket(rng.choice(_PLEASURE[pleasure]), rng.choice(_AROUSAL[arousal]), 0.0),
        model_selected_emotion=EMOTIONS[emotion],
        model_used=rng.choice(MODELS),
        response_time=rng.uniform(0.5, 5),
        confidence=rng.uniform(0.5, 1),
        conversation_continued=bool(continued),
        follow_up_query=False,
        escalated_to_online=rng.random() < 0.1,
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

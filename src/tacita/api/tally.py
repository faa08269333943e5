"""The cohorts of one batch (privacy §1): how they stand, what its graphs say of them, what it holds of frozen ones."""

from collections.abc import Collection, Iterable

from tacita.privacy import evidence
from tacita.privacy.bounding import Counts
from tacita.store import cohorts, held
from tacita.store.cohorts import Cohort, Evidence, Label, State
from tacita.store.connection import Connection
from tacita.store.sealing import RoundKey
from tacita.store.submissions import Asked


class Tally:
    """What one batch reads and adds; nothing is written before `record`."""

    def __init__(self, standings: dict[Label, Cohort], earlier: dict[tuple[bytes, int], Counts]) -> None:
        self._standings = standings
        self._held = earlier
        self._holders: dict[tuple[bytes, int], bytes] = {}
        self._graphs: dict[int, int] = {}
        self._counts: dict[int, list[int]] = {}

    @classmethod
    async def read(
        cls, connection: Connection, key: RoundKey, standings: dict[Label, Cohort], devices: Collection[Asked]
    ) -> "Tally":
        """Read what is held of the batch's devices already, if any of its cohorts is frozen."""
        earlier: dict[tuple[bytes, int], bytes] = {}
        if any(cohort.state is State.FROZEN for cohort in standings.values()):
            earlier = await held.find(connection, key.round, [device.tag for device in devices])
        opened = {place: key.open_contribution(place[0], sealed).counts for place, sealed in earlier.items()}
        return cls(standings, opened)

    def cohort(self, label: Label) -> Cohort:
        """Return how a submission's cohort stands."""
        return self._standings[label]

    def testify(self, cohort: Cohort, bins: Iterable[int]) -> None:
        """Add a device's first graph of the round to its cohort's evidence."""
        counts = self._counts.setdefault(cohort.number, [0] * evidence.CELLS)
        for cell in bins:
            counts[cell] += 1
        self._graphs[cohort.number] = self._graphs.get(cohort.number, 0) + 1

    def held_nodes(self, device: Asked) -> int:
        """Return how many nodes of a device are held, in whatever cohorts."""
        return sum(counts.nodes for (tag, _), counts in self._held.items() if tag == device.tag)

    def hold(self, device: Asked, cohort: Cohort, counts: Counts) -> None:
        """Add a device's counts to what is held of it in a frozen cohort."""
        place = device.tag, cohort.number
        self._held[place] = self._held.get(place, Counts.none()) + counts
        self._holders[place] = device.ledger_tag

    async def record(self, connection: Connection, key: RoundKey, shard: int) -> None:
        """Write what the batch adds, in its transaction."""
        if self._counts:
            added = {number: Evidence(self._graphs[number], counts) for number, counts in self._counts.items()}
            await cohorts.add(connection, shard, added)
        if self._holders:
            rows = [
                (tag, number, key.seal_contribution(tag, self._held[tag, number], name))
                for (tag, number), name in self._holders.items()
            ]
            await held.put(connection, key.round, rows)

"""The cohorts of one batch (privacy §1): how they stand, what its graphs say of them, what it holds of frozen ones."""

from collections.abc import Iterable, Mapping

from tacita.privacy import evidence
from tacita.privacy.bounding import Counts
from tacita.store import held
from tacita.store.cohorts import Evidence, Label, State
from tacita.store.connection import Connection
from tacita.store.sealing import RoundKey
from tacita.store.submissions import Asked


class Tally:
    """What one batch reads of its cohorts and adds to them; nothing is written before the batch is recorded.

    Args:
        numbers: the number of each label's cohort.
        decided: the cohorts that are frozen or refused.
    """

    def __init__(self, numbers: Mapping[Label, int], decided: Mapping[int, State]) -> None:
        self._numbers, self._decided = numbers, decided
        self._held: dict[tuple[bytes, int], Counts] = {}
        self._holders: dict[tuple[bytes, int], bytes] = {}
        self.evidence: dict[int, Evidence] = {}

    async def find_held(
        self, connection: Connection, key: RoundKey, labels: Iterable[Label], tags: list[bytes]
    ) -> None:
        """Read what is held of the batch's devices already, if any of its cohorts is frozen."""
        if any(self.state(label) is State.FROZEN for label in labels):
            for place, sealed in (await held.find(connection, key.round, tags)).items():
                self._held[place] = key.open_contribution(place[0], sealed).counts

    def state(self, label: Label) -> State | None:
        """Return whether a submission's cohort is frozen or refused, else None."""
        return self._decided.get(self._numbers[label])

    def testify(self, label: Label, bins: Iterable[int]) -> None:
        """Add a device's first graph of the round to its cohort's evidence."""
        number = self._numbers[label]
        earlier = self.evidence.get(number, Evidence(0, [0] * evidence.CELLS))
        counts = earlier.counts.copy()
        for cell in bins:
            counts[cell] += 1
        self.evidence[number] = Evidence(earlier.graphs + 1, counts)

    def held_nodes(self, device: Asked) -> int:
        """Return how many nodes of a device are held, in whatever cohorts."""
        return sum(counts.nodes for (tag, _), counts in self._held.items() if tag == device.tag)

    def hold(self, device: Asked, label: Label, counts: Counts) -> None:
        """Add a device's counts to what is held of it in a frozen cohort."""
        place = device.tag, self._numbers[label]
        self._held[place] = self._held.get(place, Counts.none()) + counts
        self._holders[place] = device.ledger_tag

    async def record_held(self, connection: Connection, key: RoundKey) -> None:
        """Write what the batch holds, in its transaction."""
        if self._holders:
            rows = [
                (tag, number, key.seal_contribution(tag, self._held[tag, number], name))
                for (tag, number), name in self._holders.items()
            ]
            await held.put(connection, key.round, rows)

"""Tables `cohorts` and `cohort_counts`: what an app version on a model version shows of its honesty (privacy §1).

A cohort's evidence is histograms' counts, which add up: each worker keeps its own, so that no two wait for each other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from tacita.privacy.evidence import CELLS
from tacita.store.connection import Connection
from tacita.store.errors import StoreError

MOST_A_DAY = 200
"""New cohorts in a day: devices name their versions themselves. Past it, the rest share the cohort `OTHER`."""


class Label(NamedTuple):
    """What makes a cohort: both versions as the envelope claims them."""

    app_version: str
    model_version: str


_ANY_NUMBER = 1 << 31
OTHER = Label("other", "other")


class State(StrEnum):
    """What is done with a cohort's graphs: counted and tested, held for the operator, counted, refused."""

    TESTED = "tested"
    FROZEN = "frozen"
    CLEARED = "cleared"
    REFUSED = "refused"


@dataclass(frozen=True)
class Cohort:
    """A cohort by its number in the store."""

    number: int
    label: Label
    state: State


@dataclass(frozen=True)
class Evidence:
    """A cohort's devices, counted once a round, and how many of their graphs fell in each bin (`privacy.evidence`)."""

    graphs: int
    counts: list[int]


_FIND = """
SELECT cohort, app_version, model_version
FROM unnest(%s::text[], %s::text[]) AS asked (app, model)
JOIN cohorts ON app_version = asked.app AND model_version = asked.model"""

_OPEN = """
INSERT INTO cohorts (app_version, model_version, state, opened_at)
SELECT app, model, 'tested', %(now)s FROM unnest(%(apps)s::text[], %(models)s::text[]) AS asked (app, model)
ORDER BY app, model
LIMIT greatest(0, %(most)s - (SELECT count(*) FROM cohorts WHERE opened_at > %(since)s))
ON CONFLICT DO NOTHING"""


async def _find(connection: Connection, labels: Collection[Label]) -> dict[Label, int]:
    columns = [[label.app_version for label in labels], [label.model_version for label in labels]]
    cursor = await connection.execute(_FIND, columns)
    return {Label(app, model): int(number) for number, app, model in await cursor.fetchall()}


async def numbers(connection: Connection, labels: Collection[Label], now: datetime) -> dict[Label, int]:
    """Return the number of each label's cohort, opened where it is new; that of `OTHER` once the day's are spent."""
    found = await _find(connection, labels)
    for most, opened in ((MOST_A_DAY, [label for label in labels if label not in found]), (_ANY_NUMBER, [OTHER])):
        if found.keys() >= set(labels):
            break
        await _open(connection, opened, most, now)
        found |= await _find(connection, opened)
    return {label: found[label] if label in found else found[OTHER] for label in labels}


async def _open(connection: Connection, labels: Collection[Label], most: int, now: datetime) -> None:
    values = {
        "now": now,
        "apps": [label.app_version for label in labels],
        "models": [label.model_version for label in labels],
        "most": most,
        "since": now - timedelta(days=1),
    }
    await connection.execute(_OPEN, values)


async def everything(connection: Connection) -> list[tuple[Cohort, Evidence]]:
    """Return every cohort with its evidence, oldest first."""
    cursor = await connection.execute(
        "SELECT cohort, app_version, model_version, state, coalesce(sum(graphs), 0)::bigint,"
        " array_agg(counts) FILTER (WHERE counts IS NOT NULL)"
        " FROM cohorts LEFT JOIN cohort_counts USING (cohort) GROUP BY cohort ORDER BY cohort"
    )
    none = [[0] * CELLS]
    return [
        (
            Cohort(number, Label(app, model), State(state)),
            Evidence(int(graphs), [sum(shards) for shards in zip(*(counts or none), strict=True)]),
        )
        for number, app, model, state, graphs, counts in await cursor.fetchall()
    ]


async def lock(connection: Connection, label: Label) -> Cohort:
    """Return a cohort, locked until the transaction ends.

    Raises:
        StoreError: there is none of this label.
    """
    cursor = await connection.execute(
        "SELECT cohort, state FROM cohorts WHERE app_version = %s AND model_version = %s FOR UPDATE", list(label)
    )
    row = await cursor.fetchone()
    if row is None:
        raise StoreError(f"there is no cohort of app {label.app_version} on {label.model_version}")
    return Cohort(int(row[0]), label, State(row[1]))


async def move(connection: Connection, number: int, olds: Sequence[State], new: State, now: datetime) -> bool:
    """Move a cohort to another state if it is in one of `olds`; tell whether it was."""
    cursor = await connection.execute(
        "UPDATE cohorts SET state = %s, decided_at = %s WHERE cohort = %s AND state = ANY(%s)",
        [new.value, now, number, [old.value for old in olds]],
    )
    return cursor.rowcount == 1


async def forget(connection: Connection, before: datetime) -> int:
    """Delete cohorts opened before a moment that nobody decided on; return how many went."""
    cursor = await connection.execute("DELETE FROM cohorts WHERE state = 'tested' AND opened_at <= %s", [before])
    return cursor.rowcount

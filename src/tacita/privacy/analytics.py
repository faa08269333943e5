"""The fleet's figures from its releases alone (privacy §4): what `tacita privacy report` shows.

Each figure is a share with an interval for the cohort and one for the population; `shares` says what each covers. The
intervals hold one by one, not all at once. Releases of several rounds are added up, which costs no privacy.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tacita.errors import TacitaError
from tacita.privacy import policy, tables
from tacita.privacy.release import Release
from tacita.privacy.shares import LEVEL, Share, Sums, share
from tacita.privacy.tables import Table
from tacita.protocol import contexts

TARGETS = {
    "cohort": "the share in these devices' clipped, weighted contributions; only the privacy noise is uncertain",
    "population": "the share in the population that the devices are drawn from, whatever one device's interactions"
    " have in common; at least as often as the level says",
}
"""What the two intervals of a figure are intervals of, in words for the output."""

_ALL = slice(None)
_Index = tuple[int | slice, ...]


class NothingToReport(TacitaError):  # noqa: N818 - what was asked for
    """There is no release to report on, or releases can't be added up."""


@dataclass(frozen=True)
class Figure:
    """One share.

    Attributes:
        question: what is shared out, such as "query type".
        answer: which share this is, such as "search".
        share: the estimate and its intervals.
    """

    question: str
    answer: str
    share: Share


@dataclass(frozen=True)
class Report:
    """All figures of some rounds.

    Attributes:
        rounds: whose releases were added up, ascending.
        devices: how many distinct devices each round had.
        level: the confidence level of each interval by itself.
        targets: what each interval is an interval of.
        figures: in the order of their questions.
    """

    rounds: tuple[int, ...]
    devices: tuple[int, ...]
    level: float
    targets: dict[str, str]
    figures: tuple[Figure, ...]

    def by_question(self) -> dict[str, list[Figure]]:
        """Return the figures of each question."""
        grouped: dict[str, list[Figure]] = {}
        for figure in self.figures:
            grouped.setdefault(figure.question, []).append(figure)
        return grouped


def report(releases: Sequence[Release]) -> Report:
    """Return the figures of some rounds together.

    Raises:
        NothingToReport: no release, or one whose policy isn't the one in force here: its cells may mean something else.
    """
    if not releases:
        raise NothingToReport("there is no release to report on yet")
    for each in releases:
        if each.statement.policy_hash != policy.policy_hash():
            raise NothingToReport(f"round {each.statement.round} was released under another privacy policy")
    sums = Sums(
        np.sum([each.vector for each in releases], axis=0, dtype=np.float64),
        float(sum(each.statement.sigma**2 for each in releases)),
        len(releases),
    )
    return Report(
        rounds=tuple(each.statement.round for each in releases),
        devices=tuple(each.statement.devices for each in releases),
        level=LEVEL,
        targets=TARGETS,
        figures=tuple(
            Figure(asked.question, asked.answer, share(sums, asked.table, *_masks(asked))) for asked in _questions()
        ),
    )


@dataclass(frozen=True)
class _Asked:
    """Which cells of a table are the part and the whole of one figure's share."""

    question: str
    answer: str
    table: Table
    part: _Index
    whole: _Index = ()


def _masks(asked: _Asked) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    masks = np.zeros((2, *asked.table.shape), np.bool_)
    masks[0][asked.part] = True
    masks[1][asked.whole] = True
    return masks[0], masks[1]


_MOODS = tuple((p, a) for p in range(contexts.PLEASURE_BINS) for a in range(contexts.AROUSAL_BINS))
"""The bins of pleasure and arousal, in the order of their figures."""

_RESPONSE_TIMES = [
    f"under {contexts.RESPONSE_TIME_EDGES[0]:g} s",
    *(f"{low:g} to {high:g} s" for low, high in pairwise(contexts.RESPONSE_TIME_EDGES)),
    f"{contexts.RESPONSE_TIME_EDGES[-1]:g} s and more",
]


def _levels(low: float, edges: tuple[float, ...], high: float) -> list[str]:
    return [f"{start:g} to {end:g}" for start, end in pairwise((low, *edges, high))]


def _mood_name(pleasure: int, arousal: int) -> str:
    """Return the words for a mood's bins."""
    pleasures = _levels(-1, contexts.PLEASURE_EDGES, 1)
    return f"pleasure {pleasures[pleasure]}, arousal {_levels(-1, contexts.AROUSAL_EDGES, 1)[arousal]}"


EMOTION_SHOWN = "emotion shown when "
"""How the questions of each mood begin."""


def _questions() -> Iterator[_Asked]:
    """Yield every figure that is reported."""
    yield from _what_happens()
    yield from _what_is_chosen()
    yield from _how_it_goes()


def _what_happens() -> Iterator[_Asked]:
    for i, name in enumerate(contexts.QUERY_TYPES):
        yield _Asked("query type", name, tables.ROUTING, (i,))
    for i, name in enumerate(_RESPONSE_TIMES):
        yield _Asked("response time", name, tables.LATENCY, (i,))
    for m, model in enumerate(contexts.MODELS):
        for i, name in enumerate(_RESPONSE_TIMES):
            yield _Asked(f"response time, {model} model", name, tables.LATENCY, (i, _ALL, m), (_ALL, _ALL, m))
    for p, a in _MOODS:
        yield _Asked("user's mood", _mood_name(p, a), tables.EMOTION, (p, a))


def _what_is_chosen() -> Iterator[_Asked]:
    question = "quality model used"
    yield _Asked(question, "all queries", tables.ROUTING, (_ALL, _ALL, 1))
    for i, name in enumerate(contexts.QUERY_TYPES):
        yield _Asked(question, name, tables.ROUTING, (i, _ALL, 1), (i,))
    for p, a in _MOODS:
        for e, name in enumerate(contexts.EMOTIONS):
            yield _Asked(f"{EMOTION_SHOWN}{_mood_name(p, a)}", name, tables.EMOTION, (p, a, e), (p, a))


def _how_it_goes() -> Iterator[_Asked]:
    question = "escalated to the online model"
    yield _Asked(question, "all queries", tables.ESCALATION, (_ALL, _ALL, 1))
    for i, name in enumerate(contexts.QUERY_TYPES):
        yield _Asked(question, name, tables.ESCALATION, (i, _ALL, 1), (i,))
    question = "conversation continued"
    yield _Asked(question, "all conversations", tables.ROUTING, (_ALL, _ALL, _ALL, 1))
    for m, model in enumerate(contexts.MODELS):
        yield _Asked(question, f"{model} model", tables.ROUTING, (_ALL, _ALL, m, 1), (_ALL, _ALL, m))
    for e, name in enumerate(contexts.EMOTIONS):
        yield _Asked(question, f"{name} shown", tables.EMOTION, (_ALL, _ALL, e, 1), (_ALL, _ALL, e))

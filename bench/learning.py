"""What releases are worth to the learner, on held-out worlds: `python -m bench.learning [PART…] [--write]`.

Regret in percentage points of conversations continued, the truth being known. Devices are simulated one by one and
clipped (`tests/worlds.py`). `--write` puts the tables into docs/learning-value.md. Some six minutes on one core.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from enum import Enum
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats
from tests import worlds

from bench.first_learner import FirstLearner, with_choices
from tacita.fleet import families
from tacita.fleet.families import Family
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PolicyPack
from tacita.models.release_file import Release, ReleaseFile
from tacita.privacy import accountant, mechanism, policy, tables
from tacita.privacy.policy import NanoRho
from tacita.training import exploration
from tacita.training.effects import Posterior
from tacita.training.evidence import Evidence
from tacita.training.gates import evaluate_robustly, trusted
from tacita.training.learner import EMOTION_DRIFT, EMOTION_FLOOR, ROUTING_DRIFT, ROUTING_FLOOR, learn
from tacita.training.pooling import pooled

Array = npt.NDArray[np.float64]
Learner = Callable[[ReleaseFile, PolicyPack], PolicyPack]

WORLDS, JUDGED_WORLDS = range(2000, 2014), range(2000, 2003)
"""Held-out seeds: nothing was tuned on them."""

ROUNDS, DRIFT = 12, 0.05
DOCUMENT = Path("docs/learning-value.md")
COLUMNS = ("routing, best guess", "emotion, best guess", "routing, as run", "emotion, as run")


class Runs(Enum):
    """Which packs devices run: each as soon as it is learned, those that are published, or today's policy for ever."""

    EVERY = "every"
    PUBLISHED = "published"
    TODAYS = "today's"


@dataclass(frozen=True)
class Setting:
    """One row: how many releases of how many devices, how noisy, learned from how.

    Attributes:
        name: the row's.
        learner: from a release file and a base to a pack.
        rounds: releases, each pack being run in the next round.
        epsilon: of one release; None for none of the noise.
        devices: in each round.
        drift: the share of the effects' variance that is new in each round.
        runs: which packs devices run.
        seeds: of the worlds.
    """

    name: str
    learner: Learner = learn
    rounds: int = 1
    epsilon: float | None = 1.0
    devices: int = worlds.DEVICES
    drift: float = 0.0
    runs: Runs = Runs.EVERY
    seeds: Sequence[int] = WORLDS


def unshrunk(file: ReleaseFile, base: PolicyPack) -> PolicyPack:
    """Return the pack of the learner that believes every estimate."""
    packs = [file.pack(release.model_version) for release in file.releases]

    def shares(table: tables.Table, drift: float, floor: float) -> Array:
        estimates, variances = pooled(Evidence.of(file.releases, table, packs), drift)
        return exploration.shares(Posterior(estimates, np.diag(variances.ravel())), len(packs), floor)

    routing = shares(tables.ROUTING, ROUTING_DRIFT, ROUTING_FLOOR)
    return with_choices(
        base, file.target_version, routing[..., 1], shares(tables.EMOTION, EMOTION_DRIFT, EMOTION_FLOOR)
    )


@cache
def sigma(epsilon: float | None) -> float:
    """Return the noise's scale, in fixed point, for an epsilon at the policy's delta; next to none for None."""
    if epsilon is None:
        return 1.0
    low, high = 0, 10**10
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if accountant.epsilon(NanoRho(middle), policy.DELTA) <= epsilon else (low, middle)
    return float(mechanism.sigma_for(NanoRho(low)))


def regrets(setting: Setting, family: Family, seed: int) -> tuple[float, ...]:
    """Return one world's regrets in the order of `COLUMNS`: of the last round's pack, in the world that it meets."""
    packs, releases, running = [genesis_pack()], list[Release](), genesis_pack()
    made = running
    for number in range(1, setting.rounds + 1):
        world = families.drifted(family, seed, number, setting.drift)
        noise = sigma(setting.epsilon)
        releases.append(worlds.release(world, running, number, seed, devices=setting.devices, sigma=noise))
        file = worlds.file_of(releases, packs)
        judged = setting.runs is Runs.PUBLISHED
        made = setting.learner(trusted(file) if judged else file, running)
        if setting.runs is Runs.EVERY or (judged and evaluate_robustly(file, running, made).better):
            running = made
            packs.append(made)
    world = families.drifted(family, seed, setting.rounds + 1, setting.drift) if setting.drift else world
    return *astuple(world.belief_regret(made)), *astuple(world.regret(running))


def _logging(family: Family) -> Array:
    found = [astuple(families.drawn(family, seed).regret(genesis_pack())) for seed in WORLDS]
    return np.array([(np.nan, np.nan, *each) for each in found])


def settings() -> Iterator[Setting]:
    """Yield the rows of every family's table."""
    yield Setting("one release, no privacy", epsilon=None)
    for epsilon in (0.5, 1.0, 2.0, 4.0):
        yield Setting(f"one release, ε = {epsilon:g}", epsilon=epsilon)
    yield Setting("one release, ε = 1, the first learner", FirstLearner())
    yield Setting("one release, ε = 1, no shrinkage", unshrunk)
    yield Setting("one release, ε = 1, 10,000 devices", devices=10_000)
    yield Setting("twelve releases, ε = 1", rounds=ROUNDS)
    yield Setting("twelve releases, the first learner (sums)", FirstLearner(), ROUNDS)
    yield Setting("twelve releases, the first learner (sums decayed, half-life 4)", FirstLearner(4.0), ROUNDS)


def drifting() -> Iterator[Setting]:
    """Yield the rows of the table of drifting worlds."""
    yield Setting("twelve releases", rounds=ROUNDS, drift=DRIFT)
    yield Setting("the first learner (sums)", FirstLearner(), ROUNDS, drift=DRIFT)
    yield Setting("the first learner (sums decayed, half-life 4)", FirstLearner(4.0), ROUNDS, drift=DRIFT)


def _row(name: str, found: Array) -> str:
    cells = []
    for column in found.T:
        margin = stats.t.ppf(0.975, len(column) - 1) * column.std(ddof=1) / np.sqrt(len(column))
        cells.append("" if np.isnan(margin) else f"{column.mean():.2f} ± {margin:.2f}")
    return f"| {name} | {' | '.join(cells)} |"


def _table(title: str, rows: Sequence[str]) -> str:
    head = [f"### {title}", "", f"| | {' | '.join(COLUMNS)} |", "|" + " --- |" * (len(COLUMNS) + 1)]
    return "\n".join([*head, *rows, ""])


def _measured(setting: Setting, family: Family) -> str:
    row = _row(setting.name, np.array([regrets(setting, family, seed) for seed in setting.seeds]))
    sys.stderr.write(f"{family}: {row}\n")
    return row


def _of_family(family: Family) -> str:
    rows = [_row("today's logging policy", _logging(family)), *(_measured(each, family) for each in settings())]
    return _table(f"{family}, {len(WORLDS)} worlds", rows)


def _of_drifting(family: Family) -> str:
    title = f"{family} and drifting ({DRIFT:.0%} of the effects' variance is new each round), {len(WORLDS)} worlds"
    return _table(title, [_measured(each, family) for each in drifting()])


def _of_todays_policy() -> str:
    title = f"Twelve releases of devices that run today's policy throughout, {len(WORLDS)} worlds"
    rows = [_measured(Setting(str(family), rounds=ROUNDS, runs=Runs.TODAYS), family) for family in Family]
    return _table(title, rows)


def _of_judged(family: Family) -> str:
    setting = Setting("twelve releases, ε = 1", rounds=ROUNDS, runs=Runs.PUBLISHED, seeds=JUDGED_WORLDS)
    title = f"{family}, run is only what the judge and the gates let through, {len(JUDGED_WORLDS)} worlds"
    return _table(title, [_measured(setting, family)])


PARTS: dict[str, Callable[[], str]] = {
    **{str(family): partial(_of_family, family) for family in Family},
    **{f"drifting {family}": partial(_of_drifting, family) for family in (Family.STRUCTURED, Family.UNSTRUCTURED)},
    "today's policy": _of_todays_policy,
    **{f"judged {family}": partial(_of_judged, family) for family in (Family.STRUCTURED, Family.UNSTRUCTURED)},
}
"""The document's tables, by the names of their markers; each takes a minute or less, the judged ones some more."""


def main() -> int:
    """Print the tables that are asked for, or write them between the document's markers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all without")
    parser.add_argument("--write", action="store_true", help=f"write into {DOCUMENT}")
    asked = parser.parse_args()
    for name in asked.parts or PARTS:
        text = PARTS[name]()
        if asked.write:
            begin, end = (f"<!-- {name}: {what} by bench/learning.py -->" for what in ("written", "end, written"))
            before, _, rest = DOCUMENT.read_text().partition(begin)
            after = rest.partition(end)[2]
            DOCUMENT.write_text(f"{before}{begin}\n{text}\n{end}{after}")
        else:
            print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

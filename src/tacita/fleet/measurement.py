"""How often each tested rule refuses honest graphs and finds cheating ones, and when a cohort's test raises its alarm.

Every verdict comes from the code that the front door runs; nothing of it is written a second time for the simulation.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import log
from random import Random

import msgspec
import numpy as np
import numpy.typing as npt

from tacita.device.recorder import export
from tacita.device.state import Device
from tacita.fleet.exports import App, Exports, simulate
from tacita.fleet.world import World, user_rng
from tacita.models.genesis import genesis_pack
from tacita.privacy import e_process, evidence, policy, rules, tested
from tacita.privacy.columns import node_columns
from tacita.privacy.lower_bounds import upper_rate
from tacita.protocol.graph import EmotionBucket
from tacita.protocol.refusals import Rule

Tick = Callable[[int], None]

CONFIDENCE = 0.95
TOTALS = (20, 60, 100, 100, 100, 200, 400)
"""Interactions of the simulated devices: the app uploads at 100, and again with more."""

_CHUNK = 2_000


@dataclass(frozen=True)
class Rate:
    """So many of so many, and Clopper and Pearson's 95 % interval."""

    hits: int
    trials: int

    @property
    def share(self) -> float:
        """The measured rate."""
        return self.hits / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """The exact interval, its error split evenly."""
        error = (1 - CONFIDENCE) / 2
        low = 1 - upper_rate(self.trials - self.hits, self.trials, error)
        return max(0.0, low), upper_rate(self.hits, self.trials, error)


@dataclass(frozen=True)
class Alarms:
    """What a cohort's test did on many cohorts of one app.

    Attributes:
        raised: how many cohorts ever reached the alarm, looked at after every graph.
        graphs: how many graphs each of those had by then, in ascending order.
    """

    raised: Rate
    graphs: list[int]

    def quantile(self, level: float) -> int | None:
        """Return how many graphs it took in this share of all cohorts; None when fewer raised the alarm."""
        place = int(np.ceil(level * self.raised.trials)) - 1
        return self.graphs[place] if place < len(self.graphs) else None


def _chunks(amount: int, size: int) -> Iterator[int]:
    for start in range(0, amount, size):
        yield min(size, amount - start)


def _both_inside(exports: Exports) -> npt.NDArray[np.bool_]:
    return (exports.success > 0) & (exports.success < 1) & (exports.usage > 0) & (exports.usage < 1)


def refusal_rates(
    rng: np.random.Generator, app: App, graphs: int, totals: Sequence[int], tick: Tick, *, inside: bool = False
) -> dict[Rule, Rate]:
    """Return how many graphs of an app broke each tested rule.

    Args:
        rng: the simulation's randomness.
        app: honest, or how it cheats.
        graphs: how many are simulated.
        totals: their numbers of interactions, in turn.
        tick: told how many graphs are done.
        inside: look only at graphs whose two rates are neither 0 nor 1, where `no_noise` can decide.
    """
    broken: Counter[Rule] = Counter()
    looked_at = 0
    for turn, size in enumerate(_chunks(graphs, _CHUNK)):
        exports = simulate(rng, app, size, totals[turn % len(totals)])
        seen = _both_inside(exports) if inside else np.ones(size, np.bool_)
        looked_at += int(seen.sum())
        for (graph, nodes), counts in zip(exports.graphs(), seen.tolist(), strict=True):
            if counts:
                broken.update({violation.rule for violation in tested.violations(graph, nodes)})
        tick(size)
    return {rule: Rate(broken[rule], looked_at) for rule in (Rule.NO_NOISE, Rule.NO_TIME_SHIFT, Rule.NO_SAMPLING)}


def cohort_alarms(
    rng: np.random.Generator, app: App, cohorts: int, length: int, totals: Sequence[int], tick: Tick
) -> Alarms:
    """Return when cohorts of one app raised the alarm, when E is looked at after each of their graphs.

    Args:
        rng: the simulation's randomness.
        app: honest, or how it cheats.
        cohorts: how many are simulated.
        length: graphs in each.
        totals: the numbers of interactions of a cohort's graphs, in turn.
        tick: told how many graphs are done.
    """
    raised: list[int] = []
    for size in _chunks(cohorts, max(1, _CHUNK // 10)):
        counts = np.zeros((size, evidence.CELLS), np.int64)
        first = np.zeros(size, np.int64)
        for step in range(length):
            exports = simulate(rng, app, size, totals[step % len(totals)])
            summaries = zip(exports.metrics(), exports.remaining(), rng.random(size).tolist(), strict=True)
            for cohort, (metrics, remaining, luck) in enumerate(summaries):
                counts[cohort, evidence.bins(metrics, remaining, luck)] += 1
            alarmed = (e_process.log_e(counts) >= log(policy.COHORT_ALARM)) & (first == 0)
            first[alarmed] = step + 1
            tick(size)
        raised += first[first > 0].tolist()
    return Alarms(Rate(len(raised), cohorts), sorted(raised))


def unbucketed_rates(seed: int, graphs: int) -> tuple[Rate, Rate]:
    """Return how many honest graphs, and how many with unbucketed emotions, break the grid rule, as devices export."""
    now = datetime(2026, 11, 24, tzinfo=UTC)
    world, pack = World.drawn(seed), genesis_pack()
    broken = [0, 0]
    for user in range(graphs):
        rng = user_rng(seed, user, 1)
        device = Device.new(now)
        device.nodes.extend(world.interactions(rng, pack, user % 3, 100, now))
        for cheats in (False, True):
            if cheats:
                moods = rng.uniform(-1, 1, (len(device.nodes), 3)).tolist()
                device.nodes = [
                    msgspec.structs.replace(node, user_emotion_bucket=EmotionBucket(*mood))
                    for node, mood in zip(device.nodes, moods, strict=True)
                ]
            graph = export(device, Random(user), now)
            found = rules.violations(graph, node_columns(graph.nodes), device.id_hash, now)
            broken[cheats] += any(violation.rule is Rule.OFF_GRID for violation in found)
    return Rate(broken[0], graphs), Rate(broken[1], graphs)

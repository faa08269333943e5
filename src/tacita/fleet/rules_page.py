"""docs/privacy-rules.md: every rule with its designed rate, what was measured of it, and what it finds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tacita.fleet.exports import App
from tacita.fleet.measurement import (
    TOTALS,
    Alarms,
    Rate,
    Tick,
    cohort_alarms,
    refusal_rates,
    unbucketed_rates,
)
from tacita.privacy import catalogue, policy
from tacita.privacy.catalogue import Kind
from tacita.protocol.refusals import Rule

COHORT_LENGTH = 300
_COHORT_TOTALS = (100, 60, 100, 200)
_POWER_GRAPHS = 4_000
_POWER_COHORTS = 200
_GRID_GRAPHS = 500
_UPLOADS = (100, 200)
"""The app's first upload and its second, by which the powers are told apart."""

_SINGLE = (App.NO_NOISE, App.NO_TIME_SHIFT, App.WHOLE_SECONDS, App.REGULAR_TIMES, App.NO_SAMPLING, App.NOTHING)
_COHORTS = (App.NO_NOISE, App.NO_SAMPLING, App.CONSTANT_NOISE, App.HALF_SCALE, App.ONE_SEED)


@dataclass(frozen=True)
class Measured:
    """All that one run measured.

    Attributes:
        seed: of the simulation.
        honest: each tested rule on honest graphs.
        grid: the grid's rule on honest graphs and on unbucketed ones.
        powers: each tested rule on each cheat, by the interactions of its graphs.
        honest_cohorts: the cohort's test on honest cohorts.
        cohorts: the cohort's test on each cheat.
    """

    seed: int
    honest: dict[Rule, Rate]
    grid: tuple[Rate, Rate]
    powers: dict[App, dict[int, dict[Rule, Rate]]]
    honest_cohorts: Alarms
    cohorts: dict[App, Alarms]


def steps(graphs: int, cohorts: int) -> int:
    """Return how many graphs `measure` will simulate, for a progress bar."""
    powers = len(_SINGLE) * len(_UPLOADS) * _POWER_GRAPHS + len(_COHORTS) * _POWER_COHORTS * COHORT_LENGTH
    return graphs + cohorts * COHORT_LENGTH + powers


def measure(seed: int, graphs: int, cohorts: int, tick: Tick) -> Measured:
    """Measure every tested rule and the cohort's test.

    Args:
        seed: of the simulation.
        graphs: honest graphs.
        cohorts: honest cohorts of `COHORT_LENGTH` graphs each.
        tick: told how many graphs are done.
    """
    rng = np.random.default_rng(seed)
    return Measured(
        seed=seed,
        honest=refusal_rates(rng, App.HONEST, graphs, TOTALS, tick, inside=False),
        grid=unbucketed_rates(seed, _GRID_GRAPHS),
        powers={
            app: {total: refusal_rates(rng, app, _POWER_GRAPHS, [total], tick, inside=True) for total in _UPLOADS}
            for app in _SINGLE
        },
        honest_cohorts=cohort_alarms(rng, App.HONEST, cohorts, COHORT_LENGTH, _COHORT_TOTALS, tick),
        cohorts={app: cohort_alarms(rng, app, _POWER_COHORTS, COHORT_LENGTH, _COHORT_TOTALS, tick) for app in _COHORTS},
    )


def page(measured: Measured) -> str:
    """Return the page, in Markdown."""
    parts = (_head(measured), _rules(measured), _powers(measured), _alarms(measured), _derivations())
    return "\n".join(parts)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _interval(rate: Rate) -> str:
    low, high = rate.interval
    return f"{rate.hits} of {rate.trials:,} [{low:.1e}, {high:.1e}]"


def _power(rate: Rate) -> str:
    low, high = rate.interval
    return f"{rate.share:.3f} [{low:.3f}, {high:.3f}]" if rate.hits else "0"


def _head(measured: Measured) -> str:
    return (
        "# The privacy rules, and how they were measured\n\n"
        f"Written by `tacita privacy rules --measure FILE` (seed {measured.seed}); don't edit by hand. Intervals are\n"
        "Clopper and Pearson's, 95 %. Every verdict is the front door's own code on simulated exports with the app's\n"
        "noise (contract §3); no real phone was measured.\n"
    )


def _rules(measured: Measured) -> str:
    rows = []
    for entry in catalogue.entries():
        designed = (
            "" if entry.false_positives is None else f"{entry.false_positives:.0e}" if entry.false_positives else "0"
        )
        found = ""
        if entry.kind is Kind.TESTED:
            found = _interval(measured.honest[Rule(entry.code)])
        elif entry.kind is Kind.COHORT:
            found = _interval(measured.honest_cohorts.raised)
        elif entry.code == Rule.OFF_GRID:
            found = _interval(measured.grid[0])
        rows.append((f"`{entry.code}`", entry.kind.value, designed, found, entry.catches))
    return "## Rules\n\n" + _table(("rule", "kind", "designed false positives", "measured", "what"), rows)


def _powers(measured: Measured) -> str:
    columns = ("the app's cheat", *(f"{rule.value}, n = {n}" for n in _UPLOADS for rule in measured.honest))
    rows = [
        (app.value, *(_power(rates[n][rule]) for n in _UPLOADS for rule in measured.honest))
        for app, rates in measured.powers.items()
    ]
    return (
        "## Power on one graph\n\n"
        f"The share of graphs refused, of {_POWER_GRAPHS:,} each, less those whose rates are 0 or 1 (`no_noise` can't\n"
        "decide on them). An app that doesn't shift is known by its last node only where that was sampled (9 of 10;\n"
        "half of the simulated graphs are of one burst).\n"
        f"Unbucketed emotions (`off_grid`): {_power(measured.grid[1])}.\n\n" + _table(columns, rows)
    )


def _alarms(measured: Measured) -> str:
    rows = [
        (app.value, _power(alarms.raised), *(str(alarms.quantile(q) or "more") for q in (0.5, 0.95)))
        for app, alarms in measured.cohorts.items()
    ]
    return (
        "## Power on a cohort\n\n"
        f"Cohorts of {COHORT_LENGTH} graphs, E looked at after every graph; alarm at E ≥ {policy.COHORT_ALARM:,.0f}.\n"
        "Here `no_noise` and `no_sampling` let every graph through.\n\n"
        + _table(("the app's cheat", "alarms", "graphs until half raise it", "until 95 %"), rows)
    )


def _derivations() -> str:
    tested = [entry for entry in catalogue.entries() if entry.kind in {Kind.TESTED, Kind.COHORT}]
    rows = [(f"`{entry.code}`", entry.power, entry.derivation) for entry in tested]
    return "## What is claimed, and why\n\n" + _table(
        ("rule", "power", "why its false positives are as designed"), rows
    )

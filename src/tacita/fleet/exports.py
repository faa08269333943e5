"""Many exports of the app at once, honest and not: what the tested rules and the cohort test are measured on.

The same noise as `device.recorder` (contract §3), vectorised, and written as float32 like the app's. Devices differ in
what they count, some of them never or always succeed, and half of them were used in one burst just before the export.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from tacita.privacy import policy
from tacita.privacy.axes import AXES
from tacita.privacy.columns import NodeColumns
from tacita.privacy.evidence import Remaining
from tacita.protocol.dates import APPLE_EPOCH_UNIX
from tacita.protocol.graph import AggregateMetrics, LearningGraph

Floats = npt.NDArray[np.float64]

_NOW = 817_214_400.0
_WEEK_S = 7 * 86_400.0
_SEED_FOR_ALL = 20_011
_CONSTANT = 0.317
_HALF = 0.5
_EXTREME = 0.1


class App(StrEnum):
    """An app as it should be, and named ways in which one isn't."""

    HONEST = "honest"
    NO_NOISE = "no noise"
    NO_TIME_SHIFT = "no time shift"
    WHOLE_SECONDS = "times in whole seconds"
    REGULAR_TIMES = "regular times"
    NO_SAMPLING = "no sampling"
    NOTHING = "no noise, shift or sampling"
    CONSTANT_NOISE = "constant noise"
    HALF_SCALE = "half the scale"
    ONE_SEED = "one seed for all"


_UNSHIFTED = {App.NO_TIME_SHIFT, App.NOTHING, App.WHOLE_SECONDS, App.REGULAR_TIMES}


@dataclass(frozen=True)
class Exports:
    """Graphs of n interactions each, one a row.

    Attributes:
        total: n.
        kept: (graphs, n), which nodes were sampled.
        times: (graphs, n), as sent, in Unix seconds.
        response_time: (graphs, n), float32, in seconds.
        fast: (graphs, n), whether the fast model answered.
        average, success, usage: (graphs,), the noised metrics.
        updated: (graphs,), `lastUpdatedAt` in Apple seconds.
    """

    total: int
    kept: npt.NDArray[np.bool_]
    times: Floats
    response_time: npt.NDArray[np.float32]
    fast: npt.NDArray[np.bool_]
    average: Floats
    success: Floats
    usage: Floats
    updated: Floats

    def metrics(self) -> Iterator[AggregateMetrics]:
        """Yield each graph's metrics, in order."""
        for average, success, usage in zip(
            self.average.tolist(), self.success.tolist(), self.usage.tolist(), strict=True
        ):
            yield AggregateMetrics(self.total, average, success, usage, 0.0)

    def graphs(self) -> Iterator[tuple[LearningGraph, NodeColumns]]:
        """Yield each graph with those columns of its nodes that tests look at; the other columns are zero or empty."""
        for row, metrics in enumerate(self.metrics()):
            kept = self.kept[row]
            times = self.times[row, kept].tolist()
            places = dict.fromkeys(AXES, bytes(len(times))) | {"model": bytes(~self.fast[row, kept])}
            nodes = NodeColumns(
                ids=[""] * len(times),
                times=times,
                word_counts=[0] * len(times),
                moods=[],
                response_times=self.response_time[row, kept].tolist(),
                places=b"".join(places.values()),
            )
            yield LearningGraph("", [], metrics, _NOW, float(self.updated[row])), nodes

    def remaining(self) -> Iterator[Remaining]:
        """Yield the summary of each graph's nodes, in order."""
        nodes = self.kept.sum(1)
        seconds = np.where(self.kept, self.response_time, 0).astype(np.float64)
        mean = seconds.sum(1) / nodes
        spread = np.sqrt(np.maximum(0, (seconds**2).sum(1) / nodes - mean**2))
        fast = (self.fast & self.kept).sum(1)
        for row in zip(nodes.tolist(), fast.tolist(), mean.tolist(), spread.tolist(), strict=True):
            yield Remaining(*row)


def simulate(rng: np.random.Generator, app: App, graphs: int, total: int) -> Exports:
    """Return what an app exports on many devices.

    Args:
        rng: the simulation's randomness.
        app: honest, or how it cheats.
        graphs: how many devices.
        total: how many interactions each recorded, at least 5.
    """
    shape = graphs, total
    rates = _shares(rng, graphs)
    fast, succeeded = (rng.random(shape) < rate[:, None] for rate in rates)
    response_time = (rng.lognormal(0.7, 0.6, shape)).astype(np.float32)
    noise = _noise(rng, app, graphs)
    keep_all = app in {App.NO_SAMPLING, App.NOTHING}
    kept = rng.random(shape) < (1 if keep_all else policy.APP_KEEPS_NODE)
    kept[~kept.any(1), 0] = True
    times, updated = _times(rng, app, shape)
    return Exports(
        total=total,
        kept=kept,
        times=times + APPLE_EPOCH_UNIX,
        response_time=response_time,
        fast=fast,
        average=_as_float32(response_time.mean(1, dtype=np.float64) + policy.APP_LATENCY_NOISE_S * noise[0]),
        success=_as_float32(np.clip(succeeded.mean(1) + policy.APP_RATE_NOISE * noise[1], 0, 1)),
        usage=_as_float32(np.clip(fast.mean(1) + policy.APP_RATE_NOISE * noise[2], 0, 1)),
        updated=updated,
    )


def _as_float32(values: Floats) -> Floats:
    return values.astype(np.float32).astype(np.float64)


def _shares(rng: np.random.Generator, graphs: int) -> Floats:
    """Return each device's chance of the fast model and of success: of ten devices, one has none and one all."""
    shares = rng.beta(2, 2, (2, graphs))
    extreme = rng.random((2, graphs))
    return np.where(extreme < _EXTREME, 0.0, np.where(extreme > 1 - _EXTREME, 1.0, shares))


def _noise(rng: np.random.Generator, app: App, graphs: int) -> Floats:
    """Return noise of scale 1 for the three metrics of each graph, as the app draws it."""
    match app:
        case App.NO_NOISE | App.NOTHING:
            return np.zeros((3, graphs))
        case App.CONSTANT_NOISE:
            return np.full((3, graphs), _CONSTANT)
        case App.HALF_SCALE:
            return _HALF * rng.laplace(size=(3, graphs))
        case App.ONE_SEED:
            return np.repeat(np.random.default_rng(_SEED_FOR_ALL).laplace(size=(3, 1)), graphs, axis=1)
        case _:
            return rng.laplace(size=(3, graphs))


def _times(rng: np.random.Generator, app: App, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return the nodes' times as sent, and the time of the last update: the last interaction's; in Apple seconds."""
    ago = rng.exponential(_WEEK_S / shape[1], shape).cumsum(1)[:, ::-1].copy()
    ago[: shape[0] // 2] = 0  # a burst: where honest shifts come nearest to looking like none
    true = _NOW - ago + ago[:, -1:] - rng.random((shape[0], 1))
    if app is App.WHOLE_SECONDS:
        true = np.floor(true - 60 * rng.random(shape))
        return true, true.max(1) + 1.5
    if app is App.REGULAR_TIMES:
        true = _NOW - 300.25 * np.arange(shape[1])[::-1] - rng.random((shape[0], 1))
        return true, true.max(1) + 1.5
    updated = true[:, -1].copy()
    if app in _UNSHIFTED:
        return true, updated
    shift = policy.APP_TIME_SHIFT.total_seconds()
    return true + rng.uniform(-shift, shift, shape), updated

"""The picture of what was learned against the truth: regret by model, and each context's best choice (design §4)."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tacita.fleet.world import World
from tacita.models.policy_pack import PolicyPack
from tacita.pictures.canvas import canvas, save
from tacita.protocol import contexts

_GREYED, _ROUTING, _EMOTION = "#888888", "#3b6fb6", "#c8553d"


def draw(world: World, packs: Sequence[PolicyPack], path: Path) -> None:
    """Write the picture; its form follows the path's suffix (png, svg).

    Args:
        world: the ground truth.
        packs: the published packs, oldest first; the first is the logging policy.
        path: where to write it.
    """
    figure = canvas(15, 9)
    grid = figure.subplots(2, 3)
    last = packs[-1]
    _draw_regret(grid[0, 0], world, packs)
    truth = 100 * (world.routing[..., 1] - world.routing[..., 0])
    _draw_routing(grid[0, 1], truth, 'truth: points gained by "quality"', "{:+.1f}")
    _draw_routing(grid[0, 2], 100 * (np.array(last.routing) - 0.5), f'{last.version}: P("quality") - 50 %', "{:+.0f}")
    _draw_emotion_gain(grid[1, 0], world, packs)
    _draw_emotion(grid[1, 1], world.emotion, world, "truth: what works best")
    _draw_emotion(grid[1, 2], np.array(last.emotion), world, f"{last.version}: what it believes in")
    figure.suptitle("What was learned against the truth (simulated world)")
    save(figure, path)


def _draw_regret(axes: Axes, world: World, packs: Sequence[PolicyPack]) -> None:
    regrets = [world.regret(pack) for pack in packs]
    names = [pack.version for pack in packs]
    routing, emotion = [r.routing for r in regrets], [r.emotion for r in regrets]
    axes.bar(names, routing, color=_ROUTING, label="routing")
    bars = axes.bar(names, emotion, bottom=routing, color=_EMOTION, label="emotion")
    axes.bar_label(bars, [f"{r.total:.1f}" for r in regrets])
    axes.set_ylabel("regret, points of conversations continued")
    axes.set_title("true regret of each model, as it runs")
    axes.legend()


def _draw_routing(axes: Axes, values: np.ndarray, title: str, form: str) -> None:
    span = float(np.abs(values).max()) or 1.0
    axes.imshow(values, cmap="RdBu", vmin=-span, vmax=span, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if abs(value) > 0.6 * span else "black"
        axes.text(column, row, form.format(value), ha="center", va="center", fontsize=9, color=colour)
    axes.set_yticks(range(len(contexts.QUERY_TYPES)), contexts.QUERY_TYPES)
    axes.set_xticks(range(contexts.COMPLEXITY_BINS), _intervals(0, contexts.COMPLEXITY_EDGES, 1))
    axes.set_xlabel("query complexity")
    axes.set_title(title)


def _draw_emotion_gain(axes: Axes, world: World, packs: Sequence[PolicyPack]) -> None:
    best = world.emotion.max(-1)
    order = np.argsort(-(best - (world.emotion * np.array(packs[0].emotion)).sum(-1)), axis=None)
    for pack, colour in zip(packs, [_GREYED, *[_EMOTION] * len(packs)], strict=False):
        lost = 100 * (best - (world.emotion * np.array(pack.emotion)).sum(-1)).ravel()[order]
        style = "-" if pack is packs[-1] or pack is packs[0] else ":"
        axes.plot(lost, style, marker="o", color=colour, label=pack.version)
    axes.set_xticks(range(len(order)), [f"mood {i + 1}" for i in range(len(order))], rotation=90)
    axes.set_ylabel("points lost by the emotion shown")
    axes.set_title("regret of the emotion shown, mood by mood")
    axes.legend()


def _draw_emotion(axes: Axes, scores: np.ndarray, world: World, title: str) -> None:
    chosen = scores.argmax(-1)
    lost = 100 * (world.emotion.max(-1) - np.take_along_axis(world.emotion, chosen[..., None], -1)[..., 0])
    axes.imshow(lost, cmap="Reds", vmin=0, vmax=20, aspect="auto")
    for (row, column), emotion in np.ndenumerate(chosen):
        missed = f"\n-{lost[row, column]:.1f}" if lost[row, column] >= 0.05 else ""
        label = f"{contexts.EMOTIONS[emotion]}{missed}"
        axes.text(column, row, label, ha="center", va="center", fontsize=9)
    axes.set_yticks(range(contexts.PLEASURE_BINS), _intervals(-1, contexts.PLEASURE_EDGES, 1))
    axes.set_xticks(range(contexts.AROUSAL_BINS), _intervals(-1, contexts.AROUSAL_EDGES, 1))
    axes.set_ylabel("pleasure")
    axes.set_xlabel("arousal")
    axes.set_title(f"{title} (emotion, points lost)")


def _intervals(low: float, edges: tuple[float, ...], high: float) -> list[str]:
    points = [low, *edges, high]
    return [f"{a:g} to {b:g}" for a, b in pairwise(points)]

"""The picture of a report: every share with its two intervals, and which emotion is shown in which mood."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tacita.pictures.canvas import canvas, save
from tacita.privacy.analytics import EMOTION_SHOWN, Figure, Report
from tacita.protocol import contexts

_COHORT, _POPULATION = "#3b6fb6", "#9db7da"
_PANELS = (
    ("query type",),
    ("response time", "response time, fast model", "response time, quality model"),
    ("quality model used",),
    ("escalated to the online model",),
    ("conversation continued",),
)


def draw(report: Report, path: Path) -> None:
    """Write the picture; its form follows the path's suffix (png, svg)."""
    figure = canvas(18, 10)
    panels = figure.subplots(2, 3).ravel()
    grouped = report.by_question()
    for axes, questions in zip(panels, _PANELS, strict=False):
        _draw_shares(axes, [(question, grouped[question]) for question in questions])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    moods = [question for question in grouped if question.startswith(EMOTION_SHOWN)]
    _draw_moods(panels[-1], [(question.removeprefix(EMOTION_SHOWN), grouped[question]) for question in moods])
    figure.suptitle(_title(report))
    save(figure, path)


def _title(report: Report) -> str:
    rounds, devices = ", ".join(map(str, report.rounds)), ", ".join(f"{n:,}" for n in report.devices)
    word = "round" if len(report.rounds) == 1 else "rounds"
    return (
        f"The fleet in {word} {rounds} ({devices} devices), from the released noisy sums; {report.level:.0%} intervals"
    )


def _draw_shares(axes: Axes, groups: Sequence[tuple[str, Sequence[Figure]]]) -> None:
    title = groups[0][0]
    labels, figures = [], []
    for question, answers in groups:
        prefix = question.removeprefix(title).removeprefix(", ")
        labels += [f"{prefix}: {each.answer}" if prefix else each.answer for each in answers]
        figures += list(answers)
    places = np.arange(len(figures))[::-1]
    estimates = np.array([each.share.estimate for each in figures])
    for name, colour, width in (("population", _POPULATION, 2), ("cohort", _COHORT, 5)):
        intervals = [getattr(each.share, name) for each in figures]
        low, high = (100 * np.array([getattr(interval, end) for interval in intervals]) for end in ("low", "high"))
        axes.hlines(places, low, high, color=colour, linewidth=width, label=f"{name}'s interval")
    axes.plot(100 * estimates, places, "|", color="black", markersize=9, label="estimate")
    axes.set_yticks(places, labels)
    axes.set_xlim(left=0)
    axes.set_xlabel("%")
    axes.set_title(title)


def _draw_moods(axes: Axes, moods: Sequence[tuple[str, Sequence[Figure]]]) -> None:
    shares = np.array([[each.share.estimate for each in figures] for _, figures in moods])
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, (_, figures) in enumerate(moods):
        for column, each in enumerate(figures):
            cohort = each.share.cohort
            text = f"{100 * each.share.estimate:.0f} ({100 * cohort.low:.0f}-{100 * cohort.high:.0f})"
            colour = "white" if each.share.estimate > 0.6 else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_yticks(range(len(moods)), [mood.replace(", ", "\n") for mood, _ in moods], fontsize=8)
    axes.set_xticks(range(len(contexts.EMOTIONS)), contexts.EMOTIONS)
    axes.set_title("emotion shown by mood, % (cohort's interval)")

"""`tacita privacy report`: what the releases say of the fleet, with honest intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tacita.cli import screen
from tacita.cli.parts import with_pool
from tacita.privacy import analytics
from tacita.privacy.analytics import Figure, NothingToReport, Report
from tacita.privacy.release import Release
from tacita.privacy.shares import Interval
from tacita.store import releases
from tacita.store.connection import Connection, run_transaction

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A deployment folder.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


def report(
    folder: Folder,
    number: Annotated[int | None, typer.Option("--round", min=1, metavar="N", help="That round alone.")] = None,
    last: Annotated[int, typer.Option(min=1, metavar="K", help="The newest K releases, added up.")] = 1,
    as_json: Json = False,
    drawn: Annotated[Path | None, typer.Option("--picture", help="Draw it, too: a .png or .svg file.")] = None,
) -> None:
    """Show the fleet's figures with confidence intervals: from the newest release unless told otherwise."""
    if number is not None and last != 1:
        raise typer.BadParameter("--round and --last exclude each other")
    if drawn is not None and drawn.suffix not in {".png", ".svg"}:
        raise typer.BadParameter("--picture takes a .png or a .svg file")

    async def read(connection: Connection) -> list[Release]:
        return await releases.everything(connection)

    made = with_pool(folder, lambda pool: run_transaction(pool, read))
    content = analytics.report(_chosen(made, number, last))
    if drawn is not None:
        from tacita.pictures import report as picture  # noqa: PLC0415 - every worker imports the commands; matplotlib would cost each half a second

        picture.draw(content, drawn)
    if as_json:
        screen.print_json(content)
        return
    _show(content)


def _chosen(made: Sequence[Release], number: int | None, last: int) -> Sequence[Release]:
    if number is None:
        return made[-last:]
    chosen = [each for each in made if each.statement.round == number]
    if not chosen:
        raise NothingToReport(f"round {number} has no release")
    return chosen


def _show(content: Report) -> None:
    rows = [
        (name if first else "", figure.answer, *_cells(figure))
        for name, figures in content.by_question().items()
        for first, figure in ((figure is figures[0], figure) for figure in figures)
    ]
    rounds, devices = ", ".join(map(str, content.rounds)), ", ".join(f"{n:,}" for n in content.devices)
    screen.out.print(
        screen.table(
            f"rounds: {rounds}; devices: {devices}; % with {100 * content.level:.0f} % intervals, each by itself",
            ("question", "answer", "%", "cohort", "population"),
            rows,
        )
    )
    for name, meaning in content.targets.items():
        screen.say(f"{name}: {meaning}")


def _cells(figure: Figure) -> tuple[str, str, str]:
    share = figure.share
    return f"{100 * share.estimate:.1f}", _words(share.cohort), _words(share.population)


def _words(interval: Interval) -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"

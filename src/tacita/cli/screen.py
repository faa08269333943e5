"""How commands speak: results on stdout, progress and complaints on stderr, `--json` for machines."""

from collections.abc import Iterable
from typing import Any

import msgspec
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tacita.privacy.policy import MIN_COHORT

out = Console()
err = Console(stderr=True)


def complain(message: str) -> None:
    """Say in one line, on stderr, why what was asked for failed."""
    err.print("error:", " ".join(message.split()), style="red", markup=False, soft_wrap=True, highlight=False)


def say(message: str) -> None:
    """Say a result in a line on stdout."""
    out.print(message, markup=False, soft_wrap=True, highlight=False)


def print_json(content: Any) -> None:
    """Print machine-readable content (msgspec-encodable) on stdout."""
    out.print(msgspec.json.format(msgspec.json.encode(content)).decode(), markup=False, soft_wrap=True, highlight=False)


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Return a table of text cells."""
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    return made


def progress() -> Progress:
    """Return a progress display on stderr: what, a bar, how many of how many, for how long."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=err, transient=False)


def warn_small_rounds(round_size: int) -> None:
    """Say loudly that rounds of this size are for development only."""
    err.print(
        Panel(
            f"Rounds of {round_size} devices are FOR DEVELOPMENT ONLY: the privacy design never releases a round of "
            f"fewer than {MIN_COHORT:,} distinct devices. Do not let real devices near this deployment.",
            title="development deployment",
            style="bold red",
        )
    )

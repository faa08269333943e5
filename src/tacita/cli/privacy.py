"""`tacita privacy`: what is checked of what devices send, and what is promised of what they sent."""

from typing import Annotated

import typer

from tacita.cli import screen
from tacita.privacy import catalogue

app = typer.Typer(help="The privacy engine: its rules, budgets and proofs.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command()
def rules(as_json: Json = False) -> None:
    """List every rule that graphs are held to: its kind, its designed rate of false positives, why that holds."""
    entries = catalogue.entries()
    if as_json:
        screen.print_json(entries)
        return
    rows = [(e.code, e.kind.value, _rate(e.false_positives), e.catches) for e in entries]
    screen.out.print(screen.table("privacy rules", ("rule", "kind", "false positives", "what"), rows))


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.0e}" if rate else "0"

"""`tacita privacy`: what is checked of what devices send, and what is promised of what they sent."""

from pathlib import Path
from typing import Annotated

import typer

from tacita.cli import cohort, screen
from tacita.fleet import rules_page
from tacita.privacy import catalogue

app = typer.Typer(help="The privacy engine: its rules, budgets and proofs.", no_args_is_help=True)
app.add_typer(cohort.app, name="cohort")
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command()
def rules(
    as_json: Json = False,
    measure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Measure every rate by simulation; write a page of them here.")
    ] = None,
    graphs: Annotated[int, typer.Option(min=1, help="Honest graphs to simulate.")] = 100_000,
    cohorts: Annotated[int, typer.Option(min=1, help="Honest cohorts to simulate, of 300 graphs each.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 1,
) -> None:
    """List every rule that graphs are held to: its kind, its designed rate of false positives; or measure them all."""
    entries = catalogue.entries()
    if measure is not None:
        with screen.progress() as progress:
            task = progress.add_task("graphs", total=rules_page.steps(graphs, cohorts))
            found = rules_page.measure(seed, graphs, cohorts, lambda done: progress.advance(task, done))
        measure.write_text(rules_page.page(found))
        screen.say(f"measured, and written to {measure}")
    elif as_json:
        screen.print_json(entries)
    else:
        rows = [(e.code, e.kind.value, _rate(e.false_positives), e.catches) for e in entries]
        screen.out.print(screen.table("privacy rules", ("rule", "kind", "false positives", "what"), rows))


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.0e}" if rate else "0"

"""`tacita privacy statement`: what each release guarantees, in figures and in plain words."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tacita.cli import screen
from tacita.cli.parts import with_workshop
from tacita.privacy.statement import figures, plain_words, users_statement
from tacita.rounds.workshop import StepFailed
from tacita.store import releases
from tacita.store.connection import run_transaction
from tacita.store.releases import Published


def statement(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A deployment folder.")],
    number: Annotated[int | None, typer.Argument(metavar="ROUND", min=1, help="One round's; else all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what the releases guarantee: one statement a release."""
    asked = None if number is None else [number]
    made = with_workshop(
        folder, lambda shop: run_transaction(shop.pool, lambda connection: releases.published(connection, asked))
    )
    if number is not None and not made:
        raise StepFailed(f"round {number} has no release")
    if as_json:
        screen.print_json([_for_machines(each) for each in made])
        return
    for each in made:
        rows = [*figures(each.statement), ("released at", each.released_at.isoformat()), ("digest", each.digest)]
        screen.out.print(screen.table(f"round {each.statement.round}", ("what", "value"), rows))
        for paragraph in plain_words(each.statement):
            screen.say(paragraph)
    screen.say(users_statement() if made else "nothing is released yet")


def _for_machines(made: Published) -> dict[str, Any]:
    statement = msgspec.to_builtins(made.statement)
    return {"digest": made.digest, "released_at": made.released_at.isoformat(), "statement": statement}

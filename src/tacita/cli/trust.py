"""`tacita trust`: the keys that sign models."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tacita.cli import screen
from tacita.cli.parts import with_workshop
from tacita.rounds.rotation import rotate as rotate_roles

app = typer.Typer(help="The keys that sign models.", no_args_is_help=True)


class Role(StrEnum):
    """A role of the signed chain."""

    ROOT = "root"
    TARGETS = "targets"
    SNAPSHOT = "snapshot"
    TIMESTAMP = "timestamp"


@app.command()
def rotate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A deployment folder.")],
    role: Annotated[list[Role], typer.Option(help="Whose key to replace; give it once for each.")],
) -> None:
    """Replace keys of roles, also stolen ones, while the server runs; devices follow from the root that they have."""
    replaced = list(dict.fromkeys(each.value for each in role))
    strange = with_workshop(folder, lambda shop: rotate_roles(shop, replaced))
    for path in strange:
        screen.say(f"no longer signed, as the registry doesn't know it: {path}")
    screen.say(f"new keys sign for: {', '.join(replaced)}")

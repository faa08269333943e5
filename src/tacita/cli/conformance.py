"""`tacita conformance` and `tacita vectors`: what authors of clients and of servers check their work against."""

from pathlib import Path
from typing import Annotated

import typer

from tacita.cli import screen
from tacita.device.conformance.vectors import write_vectors


def vectors(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the files go; files of these names are replaced.")
    ],
) -> None:
    """Write the golden vectors: what a client sends, what it is made of, and what a server answers, byte for byte."""
    for path in write_vectors(folder):
        screen.say(str(path))

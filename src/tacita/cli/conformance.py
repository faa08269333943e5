"""`tacita conformance` and `tacita vectors`: what authors of clients and of servers check their work against."""

from pathlib import Path
from typing import Annotated

import httpx
import typer

from tacita.cli import screen
from tacita.clock import system_clock
from tacita.device.conformance.check import Verdict
from tacita.device.conformance.play import CHECKS, play
from tacita.device.conformance.probe import KEYS, Probe
from tacita.device.conformance.vectors import write_vectors

_TIMEOUT_S = 30.0


def vectors(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the files go; files of these names are replaced.")
    ],
) -> None:
    """Write the golden vectors: what a client sends, what it is made of, and what a server answers, byte for byte."""
    for path in write_vectors(folder):
        screen.say(str(path))


def conformance(
    url: Annotated[str, typer.Argument(metavar="URL", help="The server, such as http://127.0.0.1:8000.")],
    json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
) -> None:
    """Play a client against a server, clause by clause. Not for production: about 25 made-up graphs are counted."""
    with httpx.Client(base_url=url.rstrip("/"), timeout=_TIMEOUT_S, trust_env=False) as http:
        verdicts = _play(Probe(http, system_clock))
    failed = [verdict for verdict in verdicts if not verdict.holds]
    if json:
        screen.print_json(verdicts)
    else:
        rows = [(f"§{v.clause}", v.name, "holds" if v.holds else "FAILS", v.reason) for v in verdicts]
        screen.out.print(screen.table(f"{url} against the contract", ("clause", "checked", "verdict", "why"), rows))
        screen.say(f"{len(verdicts) - len(failed)} of {len(verdicts)} checks hold")
    if failed:
        raise typer.Exit(1)


def _play(probe: Probe) -> list[Verdict]:
    """Play every check, showing progress.

    Raises:
        ServerAway: nobody answers at all.
    """
    probe.get(KEYS)
    verdicts = []
    with screen.progress() as progress:
        task = progress.add_task("playing a client", total=len(CHECKS))
        for verdict in play(probe):
            verdicts.append(verdict)
            progress.advance(task)
    return verdicts

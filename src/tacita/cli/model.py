"""`tacita model`: the registry of models, and what each was measured to be."""

from pathlib import Path
from typing import Annotated

import typer

from tacita.cli import screen
from tacita.cli.parts import with_pool
from tacita.errors import TacitaError
from tacita.store import registry
from tacita.store.connection import run_transaction

app = typer.Typer(help="The registry of models.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A deployment folder.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


class UnknownModel(TacitaError):  # noqa: N818 - what was asked for
    """The registry has no model of that version."""


@app.command("list")
def list_(folder: Folder, as_json: Json = False) -> None:
    """List all models, oldest first."""
    models = with_pool(folder, lambda pool: run_transaction(pool, registry.everything))
    if as_json:
        screen.print_json(models)
        return
    rows = [
        (m.version, m.state, m.base_version or "", f"{m.size_bytes:,} B", m.sha256[:12], m.created_at.isoformat()[:19])
        for m in models
    ]
    screen.out.print(screen.table("models", ("version", "state", "from", "size", "sha256", "created (UTC)"), rows))


@app.command()
def show(
    folder: Folder,
    version: Annotated[str, typer.Argument(help="A model version.")],
    as_json: Json = False,
) -> None:
    """Show one model: its evaluation and what the round's data said of it."""
    model = with_pool(folder, lambda pool: run_transaction(pool, lambda c: registry.get(c, version)))
    if model is None:
        raise UnknownModel(f"there is no model {version}")
    if as_json:
        screen.print_json(model)
        return
    screen.say(f"{model.version}: {model.state}, made from {model.base_version or 'nothing'}, sha256 {model.sha256}")
    for text in model.improvements:
        screen.say(f"  {text}")
    if model.evaluation:
        screen.say(f"  verdict: {model.evaluation.get('reason', '')}")

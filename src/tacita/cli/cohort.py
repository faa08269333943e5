"""`tacita privacy cohort`: what app versions show of their honesty, and deciding on those that were frozen."""

from math import log
from pathlib import Path
from typing import Annotated, Any

import typer

from tacita.cli import screen
from tacita.cli.parts import with_pool, with_workshop
from tacita.privacy import e_process
from tacita.rounds import cohorts as deciding
from tacita.store import cohorts, held
from tacita.store.cohorts import Label
from tacita.store.connection import Connection, run_transaction

app = typer.Typer(help="Cohorts: app versions on model versions, and what was frozen of them.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A deployment folder.")]
AppVersion = Annotated[str, typer.Argument(help="The cohort's app version, as listed.")]
ModelVersion = Annotated[str, typer.Argument(help="The cohort's model version, as listed.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command("list")
def list_(folder: Folder, as_json: Json = False) -> None:
    """List the cohorts: their state, their devices, how strong the evidence against them is, and what it is."""

    async def read(connection: Connection) -> list[dict[str, Any]]:
        waiting = await held.counts(connection)
        return [
            {
                "app_version": cohort.label.app_version,
                "model_version": cohort.label.model_version,
                "state": cohort.state.value,
                "graphs": evidence.graphs,
                "log10_e": round(float(e_process.log_e(evidence.counts)) / log(10), 2),
                "loudest": e_process.loudest(evidence.counts),
                "held": waiting.get(cohort.number, 0),
            }
            for cohort, evidence in await cohorts.everything(connection)
        ]

    content = with_pool(folder, lambda pool: run_transaction(pool, read))
    if as_json:
        screen.print_json(content)
        return
    columns = ("app version", "model version", "state", "graphs", "log10 E", "loudest evidence", "held devices")
    screen.out.print(screen.table("cohorts (the alarm is at 4)", columns, [each.values() for each in content]))


@app.command()
def clear(folder: Folder, app_version: AppVersion, model_version: ModelVersion) -> None:
    """Count a frozen cohort's graphs from now on, and what is held of it in the open round."""
    label = Label(app_version, model_version)
    devices = with_workshop(folder, lambda shop: deciding.clear(shop, label))
    screen.say(f"app {app_version} on {model_version} is cleared; {devices} held devices count")


@app.command()
def refuse(folder: Folder, app_version: AppVersion, model_version: ModelVersion) -> None:
    """Refuse a frozen cohort's graphs from now on (403), and erase what is held of it."""
    label = Label(app_version, model_version)
    devices = with_workshop(folder, lambda shop: deciding.refuse(shop, label))
    screen.say(f"app {app_version} on {model_version} is refused; what {devices} held devices sent is erased")

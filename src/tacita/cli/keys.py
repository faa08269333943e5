"""`tacita keys`: the deployment's own keys, and their rotation."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from tacita import config
from tacita.cli import screen
from tacita.cli.kek_rotation import KekRotation
from tacita.clock import system_clock
from tacita.crypto import enrolment_keys

app = typer.Typer(help="The deployment's own keys, and their rotation while it serves.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A deployment folder.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]
_OVERLAP_DAYS = 30


@app.command("list")
def list_(folder: Folder, as_json: Json = False) -> None:
    """Show the enrolment keys, until when each is accepted, and where the key-encryption key is kept."""
    now, deployment = system_clock(), config.load(folder)
    keyring, kept = deployment.keyring(), deployment.kek_source().text
    target = keyring.keks.target()
    shown = [
        {
            "key_id": pair.key_id,
            "suite": pair.suite,
            "status": pair.status(now),
            "not_after": None if pair.not_after is None else pair.not_after.isoformat(timespec="seconds"),
        }
        for pair in enrolment_keys.everything(keyring)
    ]
    if as_json:
        screen.print_json({"keys": shown, "kek_source": kept, "kek_rotation_to": target})
        return
    columns = ("key_id", "suite", "status", "not_after")
    rows = [[each[column] or "" for column in columns] for each in shown]
    screen.out.print(screen.table("enrolment keys", columns, rows))
    screen.say(f"key-encryption key: {kept}" + ("" if target is None else f"; a rotation to {target} is under way"))


@app.command()
def rotate(
    folder: Folder,
    overlap_days: Annotated[
        int, typer.Option(min=0, max=366, help="How long the old keys are still accepted; 0 after a compromise.")
    ] = _OVERLAP_DAYS,
) -> None:
    """Make new enrolment keys and let the old ones expire; servers that are running notice at once."""
    keyring = config.load(folder).keyring()
    with keyring.changing():
        made = enrolment_keys.rotate(keyring, system_clock(), timedelta(days=overlap_days))
    for pair in made:
        screen.say(f"new key {pair.key_id}: {pair.suite}")
    screen.say(f"the keys before them are accepted for {overlap_days} more days")


@app.command("rotate-kek")
def rotate_kek(
    folder: Folder,
    to: Annotated[
        str | None,
        typer.Option(help="Where the new key is kept: file:…, env:…, aws-kms:…; left out, where the present one is."),
    ] = None,
) -> None:
    """Seal everything under a new key-encryption key, while it serves; cut off, it goes on where it was."""
    deployment = config.load(folder)
    keyring = deployment.keyring()
    with keyring.changing(), deployment.database() as database:
        screen.say(KekRotation(deployment, keyring).run(database.dsn, to))

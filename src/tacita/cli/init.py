"""`tacita init`: makes a deployment folder, from keys to the published genesis model. Repeatable until it succeeded."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tacita import config
from tacita.cli import screen
from tacita.cli.parts import open_workshop
from tacita.clock import system_clock
from tacita.config import ConfigError, Deployment
from tacita.crypto import enrolment_keys, receipts
from tacita.crypto.keyring import Keyring
from tacita.models import trust
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PACK_FORMAT, encode_pack
from tacita.rounds.close import open_first
from tacita.rounds.publish import publish_genesis
from tacita.store.migrate import migrate
from tacita.store.registry import Model


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make; it may exist, but be empty.")],
    round_size: Annotated[
        int | None, typer.Option(help="Distinct devices that close a round. Under 1,000: development only.")
    ] = None,
) -> None:
    """Make a deployment: configuration, keys, database, blobs, TUF repository, and the genesis model."""
    deployment = make_deployment(folder, round_size)
    screen.say(f"deployment ready in {deployment.folder}; start it with: tacita serve {folder}")


def make_deployment(folder: Path, round_size: int | None) -> Deployment:
    """Make a deployment in `folder`, showing progress.

    Raises:
        ConfigError: the folder is a deployment already, holds other things, or can't be made.
    """
    if config.is_deployment(folder):
        raise ConfigError(f"{folder} is a deployment already")
    deployment = config.planned(folder, round_size)
    _claim(folder)
    if deployment.below_minimum:
        screen.warn_small_rounds(deployment.settings.round_size)
    with screen.progress() as progress:
        task = progress.add_task("making the deployment", total=4)

        def done(what: str) -> None:
            progress.update(task, description=what, advance=1)

        _make(deployment, done)
    config.write(deployment)
    return deployment


_OURS = frozenset({"keys", "postgres", "blobs", "runs", f"{config.CONFIG_NAME}.partial"})


def _claim(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strangers = sorted({path.name for path in folder.iterdir()} - _OURS)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be a deployment folder: {error.strerror}") from None
    if strangers:
        raise ConfigError(f"{folder} is not empty (it holds {strangers[0]}); give a new folder")


def _make(deployment: Deployment, done: Callable[[str], None]) -> None:
    keyring = Keyring.create(deployment.keys, deployment.kek_source())
    keyring.add_ledger_key()
    enrolment_keys.add_first(keyring)
    receipts.obtain(keyring)
    if not keyring.names("tuf-"):
        for role, secret in trust.generate_role_keys().items():
            keyring.put(f"tuf-{role}", secret)
    deployment.runs.mkdir(exist_ok=True)
    done("keys sealed")
    with deployment.database() as database:
        done("database up")
        migrate(database.dsn)
        done("database migrated")
        asyncio.run(_publish_genesis(deployment, database.dsn))
        done("genesis model signed")


async def _publish_genesis(deployment: Deployment, dsn: str) -> None:
    pack = genesis_pack()
    data = encode_pack(pack)
    async with open_workshop(deployment, dsn) as shop:
        digest = await shop.blobs.put(data)
        now = system_clock()
        genesis = Model(
            pack.version, 1, None, None, "candidate", PACK_FORMAT, digest, len(data), now, None, None, []
        )  # fmt: skip
        await publish_genesis(shop, genesis)
        await open_first(shop)

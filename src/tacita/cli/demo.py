"""`tacita demo`: the whole loop in one go, on real parts, with a picture of what was learned."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Annotated

import typer
from rich.panel import Panel

from tacita.cli import fleet, screen
from tacita.cli.init import make_deployment
from tacita.cli.parts import with_workshop
from tacita.errors import TacitaError
from tacita.privacy import accountant, policy
from tacita.privacy.policy import NanoRho
from tacita.privacy.statement import users_statement
from tacita.rounds.workshop import Workshop
from tacita.store import ledger, ledger_proof, registry, releases, rounds
from tacita.store.connection import Connection, run_transaction
from tacita.store.ledger_proof import Proof
from tacita.store.registry import Model

_STOP_WITHIN_S = 30
_MODEL_WITHIN_S = 300.0


class DemoFailed(TacitaError):  # noqa: N818 - what happened to the demo
    """A part of the demo did not work; the message says which and where its log lies."""


@dataclass(frozen=True)
class _Accounts:
    """What the deployment says of the run: its models, its steps' seconds, and what the ledger charged."""

    models: list[Model]
    steps: list[tuple[str, float]]
    most_spent: NanoRho
    proof: Proof
    devices: list[int]


def demo(
    devices: Annotated[int, typer.Option(min=1, max=100_000, help="Simulated devices; also the round's size.")] = 1_000,
    rounds: Annotated[int, typer.Option(min=1, max=12, help="Rounds to go through.")] = 2,
    seed: Annotated[int, typer.Option(help="The simulated world and its users.")] = 7,
    out: Annotated[Path, typer.Option(help="Where runs of the demo are kept.")] = Path("demo-out"),
) -> None:
    """Go through whole rounds with a simulated fleet over real HTTP, and show what was learned against the truth."""
    folder = _fresh_folder(out)
    deployment = folder / "deployment"
    started = time.monotonic()
    make_deployment(deployment, devices)
    initialised = time.monotonic() - started
    with _served(deployment, folder / "serve.log") as url, tempfile.TemporaryDirectory(prefix="tacita-demo-") as trust:
        screen.err.print(f"serving on {url}", highlight=False)
        journey = fleet.play(url, Path(trust), devices, rounds, seed, _MODEL_WITHIN_S)
    accounts = with_workshop(deployment, _read_accounts)
    picture = folder / "learned.png"
    from tacita.pictures.learned import draw  # noqa: PLC0415 - every worker imports the commands; matplotlib would cost each half a second

    draw(journey.world, journey.packs, picture)
    _show(journey, accounts, [("init", initialised), *journey.seconds])
    for name, path in (("picture", picture), ("deployment", deployment), ("server's log", folder / "serve.log")):
        screen.say(f"{name}: {path.resolve()}")


def _fresh_folder(out: Path) -> Path:
    for number in count(1):
        folder = out / f"run-{number:03d}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise DemoFailed(f"{out} cannot hold the demo: {error.strerror}") from None
        return folder
    raise AssertionError


@contextmanager
def _served(deployment: Path, log: Path) -> Iterator[str]:
    """Yield the URL of a server of the deployment, in a process of its own; stop it in the end."""
    command = [sys.executable, "-m", "tacita", "serve", str(deployment), "--port", "0"]
    with log.open("w") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as server:
        try:
            first = server.stdout.readline().split() if server.stdout else []
            if first[:1] != ["ready"]:
                raise DemoFailed(f"the server did not start; see {log}")
            yield first[1]
        finally:
            server.terminate()
            try:
                server.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                server.kill()


async def _read_accounts(shop: Workshop) -> _Accounts:
    proof = await run_transaction(shop.pool, ledger_proof.prove)

    async def read(connection: Connection) -> _Accounts:
        finished = [each for each in await rounds.everything(connection) if each.state in rounds.FINISHED]
        steps = []
        for each in finished:
            story = await rounds.story(connection, each.number)
            steps += [
                (f"round {each.number}: {then.state.value}", (then.happened_at - before.happened_at).total_seconds())
                for before, then in pairwise(story[1:])
            ]
        made = await releases.up_to(connection, len(finished))
        spent = await ledger.distribution(connection, shop.clock() - policy.BUDGET_WINDOW)
        return _Accounts(
            models=await registry.everything(connection),
            steps=steps,
            most_spent=NanoRho(max((amount for amount, _ in spent), default=0)),
            proof=proof,
            devices=[release.statement.devices for release in made],
        )

    return await run_transaction(shop.pool, read)


def _show(journey: fleet.Journey, accounts: _Accounts, seconds: list[tuple[str, float]]) -> None:
    shown = [(name, f"{value:.1f}") for name, value in [*seconds, *accounts.steps]]
    screen.out.print(screen.table("seconds a step (the server's own steps below the fleet's)", ("step", "s"), shown))
    screen.out.print(fleet.regret_table(journey))
    for model in accounts.models:
        for text in model.improvements:
            screen.say(f"{model.version}: {text}")
    screen.out.print(Panel(users_statement(), title="what we tell users", width=100))
    spent = accountant.epsilon(accounts.most_spent, policy.DELTA)
    screen.say(
        f"ledger: {len(accounts.devices)} releases of {', '.join(f'{n:,}' for n in accounts.devices)} devices; the most"
        f" charged device has spent {accounts.most_spent:,} of {policy.BUDGET_CAP:,} nano-rho, together epsilon ="
        f" {spent:.2f} at delta = {policy.DELTA:g}; its chain and its sums"
        f" {'HAVE FLAWS' if accounts.proof.flaws else 'hold'}"
    )

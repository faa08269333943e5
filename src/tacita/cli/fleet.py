"""`tacita fleet`: a simulated population against a server, its ground truth known."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.progress import Progress
from rich.table import Table

from tacita.cli import screen
from tacita.cli.device import Format
from tacita.clock import system_clock
from tacita.device.uploader import WireFormat
from tacita.fleet.population import Population, Tick
from tacita.fleet.world import World
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PolicyPack

app = typer.Typer(help="A simulated population of reference devices.", no_args_is_help=True)
_Result = TypeVar("_Result")


@dataclass
class Journey:
    """What a fleet went through: the packs its devices ran, oldest first, and the seconds of each step."""

    world: World
    packs: list[PolicyPack] = field(default_factory=lambda: [genesis_pack()])
    seconds: list[tuple[str, float]] = field(default_factory=list)


@app.callback()
def fleet() -> None:
    """A simulated population of reference devices (one command so far, more to come)."""


@app.command()
def run(
    url: Annotated[str, typer.Argument(metavar="URL", help="The server, such as http://127.0.0.1:8000.")],
    devices: Annotated[int, typer.Option(min=1, max=100_000, help="How many devices.")] = 1_000,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How many rounds.")] = 1,
    seed: Annotated[int, typer.Option(help="The world and its users.")] = 7,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait for a round's model.")] = 300,
    wire_format: Format = 1,
) -> None:
    """Enrol a fleet, let it submit round by round, and let every device fetch and verify each new model."""
    with tempfile.TemporaryDirectory(prefix="tacita-fleet-") as folder:
        journey = play(url.rstrip("/"), Path(folder), devices, rounds, seed, wait, wire_format)
    screen.out.print(regret_table(journey))


def play(
    url: str, folder: Path, devices: int, rounds: int, seed: int, wait_s: float, wire_format: WireFormat = 1
) -> Journey:
    """Let a fleet of simulated devices go through `rounds` rounds against a server, showing progress.

    Raises:
        NotPublished: a round's model didn't come within `wait_s` seconds.
        RefusedByServer, ServerAway, UntrustedModel: as of any one device.
    """
    journey = Journey(World.drawn(seed))
    population = Population.new(journey.world, seed, devices, url, folder, system_clock, wire_format)
    with screen.progress() as progress:
        asyncio.run(_play(population, journey, rounds, wait_s, progress))
    return journey


async def _play(population: Population, journey: Journey, rounds: int, wait_s: float, progress: Progress) -> None:
    count = len(population.devices)

    async def timed(name: str, total: int, work: Callable[[Tick], Awaitable[_Result]]) -> _Result:
        task = progress.add_task(name, total=total)
        started = time.monotonic()
        result = await work(lambda: progress.advance(task))
        progress.update(task, completed=total)
        journey.seconds.append((name, time.monotonic() - started))
        return result

    await timed("enrol", count, population.enrol)
    for number in range(1, rounds + 1):

        async def contribute(tick: Tick, number: int = number) -> str:
            return await population.contribute(number, tick)

        version = await timed(f"round {number}: interact, seal, submit", count, contribute)

        async def published(_tick: Tick, version: str = version) -> None:
            await population.published(version, wait_s)

        await timed(f"round {number}: release, train, evaluate, publish", 1, published)
        await timed(f"round {number}: fetch, verify, apply {version}", count, population.update)
        journey.packs.append(population.pack())


def regret_table(journey: Journey) -> Table:
    """Return the table of each model's true regret, as it runs and by what it believes in."""
    rows = []
    for pack in journey.packs:
        runs, believes = journey.world.regret(pack), journey.world.belief_regret(pack)
        figures = (runs.routing, runs.emotion, runs.total, believes.total)
        rows.append((pack.version, *(f"{figure:.2f}" for figure in figures)))
    columns = ("model", "routing", "emotion", "together", "best guess alone")
    return screen.table("true regret, percentage points of conversations continued", columns, rows)

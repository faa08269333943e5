"""`tacita device`: one reference device against a server, its state kept in a folder."""

import asyncio
import random
import secrets
from pathlib import Path
from typing import Annotated

import httpx
import numpy as np
import typer

from tacita.cli import screen
from tacita.clock import system_clock
from tacita.device import state, updater
from tacita.device.recorder import export
from tacita.device.state import Device
from tacita.device.uploader import Uploader, WireFormat, seal_submission
from tacita.fleet.world import World
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import decode_pack

app = typer.Typer(help="One reference device: what the app does, against any server.", no_args_is_help=True)
Url = Annotated[str, typer.Argument(metavar="URL", help="The server, such as http://127.0.0.1:8000.")]
Format = Annotated[WireFormat, typer.Option("--format", help="1: as the app seals; 2: outer fields authenticated too.")]
Folder = Annotated[Path, typer.Argument(metavar="STATE_DIR", help="Where the device keeps its key, graph and model.")]


@app.command()
def run(
    url: Url,
    folder: Folder,
    interactions: Annotated[int, typer.Option(min=1, max=2_500, help="How many to record before submitting.")] = 100,
    seed: Annotated[int, typer.Option(help="The simulated world that its user lives in.")] = 7,
    wire_format: Format = 1,
) -> None:
    """Enrol if need be, record interactions with the applied model, and submit the graph."""
    device = state.load(folder) or Device.new(system_clock())
    pack = genesis_pack() if device.pack is None else decode_pack(device.pack)
    rng = np.random.default_rng(secrets.randbits(64))
    device.nodes += World.drawn(seed).interactions(rng, pack, 0, interactions, system_clock())
    state.save(device, folder)
    message, version = asyncio.run(_submit(device, url.rstrip("/"), folder, wire_format))
    screen.say(f"{message}; {len(device.nodes)} interactions recorded; its round will train {version}")


async def _submit(device: Device, url: str, folder: Path, wire_format: WireFormat) -> tuple[str, str]:
    rng = random.SystemRandom()
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        uploader = Uploader(http, rng)
        if not device.enrolled:
            await uploader.enrol(device)
            state.save(device, folder)
        now = system_clock()
        answer = await uploader.submit(seal_submission(device, export(device, rng, now), now, wire_format))
    return answer.message, answer.next_model_version


@app.command()
def update(
    url: Url,
    folder: Folder,
    root: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="The root to trust first; else on first use.")
    ] = None,
) -> None:
    """Fetch the latest model, verify it along the signed chain, and apply it."""
    device = state.load(folder) or Device.new(system_clock())
    trusted = None if root is None else root.read_bytes()
    newer = updater.update(device, url.rstrip("/"), folder / "trust", trusted)
    state.save(device, folder)
    screen.say(f"{'applied' if newer else 'already at'} {device.model_version}")

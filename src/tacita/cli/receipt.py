"""`tacita withdraw` and `tacita receipt`: leaving, and checking offline what was answered."""

import asyncio
import random
from pathlib import Path
from typing import Annotated

import httpx
import typer

from tacita import config
from tacita.cli import screen
from tacita.clock import system_clock
from tacita.crypto import receipts
from tacita.crypto.keyring import Keyring
from tacita.crypto.private_file import write_private
from tacita.device import state, withdrawal
from tacita.device.state import StateError
from tacita.device.uploader import Uploader

app = typer.Typer(help="Receipts of withdrawal: the key that signs them, and checking one.", no_args_is_help=True)
_REQUEST, _RECEIPT = "withdrawal.json", "receipt.json"


def withdraw(
    url: Annotated[str, typer.Argument(metavar="URL", help="The server, such as http://127.0.0.1:8000.")],
    folder: Annotated[Path, typer.Argument(metavar="STATE_DIR", help="Where the device keeps its key.")],
) -> None:
    """Withdraw a reference device: the server erases it; the signed receipt is kept as STATE_DIR/receipt.json."""
    device = state.load(folder)
    if device is None:
        raise StateError(f"{folder} holds no device")
    request, receipt = folder / _REQUEST, folder / _RECEIPT
    if not request.exists():  # else its receipt was lost on the way: the same bytes ask for it again
        write_private(request, withdrawal.request(device, system_clock()))
    write_private(receipt, asyncio.run(_send(url.rstrip("/"), request.read_bytes())))
    device.enrolled = False
    state.save(device, folder)
    request.unlink()
    screen.say(f"withdrawn; the signed receipt is in {receipt}")


async def _send(url: str, body: bytes) -> bytes:
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        return await Uploader(http, random.SystemRandom()).withdraw(body)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The receipt.")],
    key: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The deployment's public receipt key, as PEM.")
    ],
) -> None:
    """Check a receipt offline with the deployment's public key, and say what it says."""
    receipt = withdrawal.verified(file.read_bytes(), key.read_bytes())
    erased = receipt.erased
    screen.say(f"the signature holds: device {receipt.device_id_hash} withdrew at {receipt.withdrawn_at}")
    rounds = ", ".join(str(number) for number in erased.contributions_to_rounds) or "none"
    screen.say(
        f"erased: its keys, the records of {erased.accepted_envelopes} submissions, contributions to rounds: {rounds}"
    )
    rows = [
        (each.round, each.released_at[:19], each.statement["epsilon"], each.statement["delta"], each.digest[:16])
        for each in receipt.released
    ]
    if rows:
        screen.out.print(
            screen.table("releases it had gone into", ("round", "at (UTC)", "epsilon", "delta", "digest"), rows)
        )
    screen.say(receipt.what_stays)


@app.command("key")
def key_(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A deployment folder.")]) -> None:
    """Print the public key that verifies this deployment's receipts, as PEM."""
    screen.say(receipts.obtain(Keyring.load(config.load(folder).keys)).pem.rstrip())

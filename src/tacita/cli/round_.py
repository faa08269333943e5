"""`tacita round`: what the round is doing; close by hand; drive it to its end; abandon it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tacita.cli import screen
from tacita.cli.parts import with_workshop
from tacita.rounds import close, driver, release
from tacita.rounds.workshop import StepFailed, Workshop
from tacita.store import contributions, refusals, rounds
from tacita.store.connection import Connection, run_transaction

app = typer.Typer(help="What rounds are doing, and driving them by hand.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A deployment folder.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.command()
def status(folder: Folder, as_json: Json = False) -> None:
    """Show every round's story, the collecting round's devices, and the refusals by reason."""

    async def read(connection: Connection) -> dict[str, Any]:
        found = []
        for each in await rounds.everything(connection):
            story = await rounds.story(connection, each.number)
            found.append(
                {
                    "round": each.number,
                    "state": each.state.value,
                    "model_version": each.model_version,
                    "devices": await contributions.count(connection, each.number),
                    "reason": each.reason,
                    "story": [
                        {"state": e.state.value, "at": e.happened_at.isoformat(), "detail": e.detail} for e in story
                    ],
                }
            )
        return {"rounds": found, "refusals": await refusals.totals(connection)}

    async def work(shop: Workshop) -> dict[str, Any]:
        return {"round_size": shop.round_size, **await run_transaction(shop.pool, read)}

    content = with_workshop(folder, work)
    if as_json:
        screen.print_json(content)
        return
    rows = [
        (each["round"], event["state"], event["at"][:19], event["detail"])
        for each in content["rounds"]
        for event in each["story"]
    ]
    screen.out.print(screen.table("rounds", ("round", "state", "since (UTC)", "detail"), rows))
    current = next(each for each in content["rounds"] if each["state"] == "collecting")
    screen.say(f"round {current['round']} has {current['devices']} of {content['round_size']} devices")
    if content["refusals"]:
        screen.out.print(screen.table("refusals", ("reason", "app version", "refused"), content["refusals"]))


@app.command("close")
def close_(folder: Folder) -> None:
    """Close the collecting round, if it has enough devices; an unfilled round is never released."""

    async def work(shop: Workshop) -> int:
        number = await close.close_if_full(shop)
        if number is None:
            raise StepFailed(
                f"the round has fewer than {shop.round_size} distinct devices; it can only be abandoned, not closed"
            )
        return number

    screen.say(f"round {with_workshop(folder, work)} is closed")


@app.command()
def run(folder: Folder) -> None:
    """Drive rounds one after the other to their end, in this process."""

    async def work(shop: Workshop) -> list[tuple[int, str]]:
        async with rounds.driving(shop.pool) as ours:
            if not ours:
                raise StepFailed("another driver is at work")
            walked = await driver.drive_to_end(shop)
        ended = {r.number: r.state.value for r in await run_transaction(shop.pool, rounds.everything)}
        return [(number, ended[number]) for number in walked]

    walked = with_workshop(folder, work)
    for number, state in walked:
        screen.say(f"round {number} is {state}")
    if not walked:
        screen.say("nothing to drive")


@app.command()
def abandon(
    folder: Folder,
    reason: Annotated[str, typer.Option(help="Why; kept in the round's story.")],
    number: Annotated[
        int | None, typer.Option("--round", min=1, help="A closed round; else the collecting one.")
    ] = None,
) -> None:
    """Abandon the collecting round, or a closed one: its contributions are scrubbed and nothing is charged."""

    async def work(shop: Workshop) -> int:
        if number is None:
            return await close.abandon(shop, reason)
        await release.abandon_unreleased(shop, number, reason)
        return number

    screen.say(f"round {with_workshop(folder, work)} is abandoned")

"""`tacita privacy ledger`: what devices have spent, and the proof of the ledger."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tacita.cli import screen
from tacita.cli.parts import with_workshop
from tacita.privacy import accountant, policy
from tacita.privacy.policy import NanoRho
from tacita.rounds.workshop import Workshop
from tacita.store import ledger, ledger_proof
from tacita.store.connection import Connection, run_transaction
from tacita.store.ledger_proof import Proof

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A deployment folder.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


def show_ledger(
    folder: Folder,
    verify: Annotated[bool, typer.Option("--verify", help="Prove the chain, every window and every sum.")] = False,
    as_json: Json = False,
) -> None:
    """Show what devices have spent in the present window; with --verify, prove the ledger or exit with 1."""

    async def work(shop: Workshop) -> tuple[list[tuple[int, int]], int, Proof | None]:
        async def read(connection: Connection) -> tuple[list[tuple[int, int]], int]:
            since = shop.clock() - policy.BUDGET_WINDOW
            return await ledger.distribution(connection, since), await ledger.length(connection)

        spent, entries = await run_transaction(shop.pool, read)
        return spent, entries, await _prove(shop, entries) if verify else None

    spent, entries, proof = with_workshop(folder, work)
    if as_json:
        screen.print_json(_for_machines(spent, entries, proof))
    else:
        _show(spent, entries, proof)
    if proof is not None and proof.flaws:
        raise typer.Exit(1)


async def _prove(shop: Workshop, entries: int) -> Proof:
    with screen.progress() as progress:
        task = progress.add_task("reading the ledger", total=entries)
        return await run_transaction(
            shop.pool,
            lambda connection: ledger_proof.prove(connection, lambda more: progress.advance(task, more)),
        )


def _for_machines(spent: list[tuple[int, int]], entries: int, proof: Proof | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "entries": entries,
        "window_days": policy.BUDGET_WINDOW.days,
        "cap_nano_rho": policy.BUDGET_CAP,
        "round_nano_rho": policy.ROUND_CHARGE,
        "delta": policy.DELTA,
        "spent": [
            {"nano_rho": amount, "epsilon": accountant.epsilon(NanoRho(amount), policy.DELTA), "devices": devices}
            for amount, devices in spent
        ],
    }
    if proof is not None:
        findings = [
            {"flaw": f.flaw.value, "entry": f.entry, "round": f.round, "detail": f.detail} for f in proof.findings
        ]
        shown["proof"] = {"holds": not proof.flaws, "entries": proof.entries, "head": proof.head.hex()}
        shown["proof"] |= {"flaws": proof.flaws, "findings": findings}
    return shown


def _show(spent: list[tuple[int, int]], entries: int, proof: Proof | None) -> None:
    rows = [
        (
            f"{amount / policy.ROUND_CHARGE:g}",
            f"{amount:,}",
            f"{accountant.epsilon(NanoRho(amount), policy.DELTA):.2f}",
            (policy.BUDGET_CAP - amount) // policy.ROUND_CHARGE,
            f"{devices:,}",
        )
        for amount, devices in spent
    ]
    title = f"spent in the last {policy.BUDGET_WINDOW.days} days; epsilon at delta = {policy.DELTA:g}"
    columns = ("rounds paid", "nano-rho", "epsilon", "rounds left", "devices")
    screen.out.print(screen.table(title, columns, rows))
    screen.say(f"{entries:,} entries; the cap is {policy.BUDGET_CAP:,} nano-rho")
    if proof is None:
        return
    for finding in proof.findings:
        screen.complain(f"{finding.flaw.value}: {finding.detail}")
    if proof.flaws:
        screen.complain(f"the ledger does not hold: {proof.flaws:,} flaws in {proof.entries:,} entries")
    else:
        screen.say(f"chain, windows and sums hold over {proof.entries:,} entries; head {proof.head.hex()}")

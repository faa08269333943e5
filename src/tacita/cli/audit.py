"""`tacita privacy audit`: the canary game on the real release path, against the claim (privacy §6)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tacita.cli import screen
from tacita.cli.parts import with_pool
from tacita.errors import TacitaError
from tacita.privacy import accountant, policy
from tacita.privacy import audit as auditing
from tacita.privacy.audit import CONFIDENCE, Certified
from tacita.privacy.bounding import Counts
from tacita.privacy.canaries import MOST_CANARIES
from tacita.privacy.policy import NanoRho
from tacita.privacy.release import Release, Statement
from tacita.store import releases
from tacita.store.connection import run_transaction

Folder = Annotated[
    Path | None, typer.Argument(metavar="[DIR]", help="A deployment folder: audit its releases' charges as well.")
]
Runs = Annotated[int, typer.Option(min=2, help="Games an arm: the canary in, and out.")]
Epsilon = Annotated[
    float, typer.Option(min=0.01, max=16, help="The claim to audit; it sets the charge, thus the noise.")
]
Worlds = Annotated[int, typer.Option("--seed-worlds", min=1, help="How many audits, each with its own cohort.")]
Canaries = Annotated[
    int, typer.Option(min=1, max=MOST_CANARIES, help="Games that share a release; 1 is the classical game, and slow.")
]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999999, help="Of each lower bound.")]
AtLeast = Annotated[float, typer.Option(min=0, max=1, help="Fail if less than this share of the claim is certified.")]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


class AuditFailed(TacitaError):  # noqa: N818 - what the audit did
    """More was certified than is claimed, a charge doesn't pay for its noise, or too little could be certified."""


def audit(
    folder: Folder = None,
    runs: Runs = 2_000,
    epsilon: Epsilon = 4.0,
    seed_worlds: Worlds = 1,
    canaries: Canaries = MOST_CANARIES,
    confidence: Confidence = CONFIDENCE,
    at_least: AtLeast = 0.0,
    as_json: Json = False,
) -> None:
    """Play the canary game on the real clip and release; fail if it certifies more than is claimed."""
    charge = accountant.charge_for(epsilon, policy.DELTA)
    statements = [] if folder is None else _stated(folder)
    results = _audited(charge, seed_worlds, runs, canaries, confidence)
    if as_json:
        screen.print_json(_for_machines(results, statements))
    else:
        _show(results, statements)
    _complain(results, statements)
    weakest = min(results, key=lambda each: each.epsilon / each.claimed)
    if weakest.epsilon < at_least * weakest.claimed:
        share = f"{weakest.epsilon:.2f} of {weakest.claimed:.2f}"
        raise AuditFailed(f"the claim holds, but only {share} could be certified; {at_least:.0%} was asked for")


def _stated(folder: Path) -> list[Statement]:
    made = with_pool(folder, lambda pool: run_transaction(pool, releases.published))
    return [each.statement for each in made]


def _complain(results: Sequence[Certified], statements: Sequence[Statement]) -> None:
    """Raise if a claim is broken or a release is charged less than its noise costs."""
    leaking = [each for each in results if not each.holds]
    if leaking:
        highest = max(each.epsilon for each in leaking)
        raise AuditFailed(f"{len(leaking)} of {len(results)} audits break the claim; certified up to {highest:.2f}")
    short = [each.round for each in statements if auditing.unpaid(each) or auditing.understated(each)]
    if short:
        raise AuditFailed(f"the releases of rounds {short} cost more than they state")


def _audited(charge: NanoRho, worlds: int, runs: int, canaries: int, confidence: float) -> list[Certified]:
    with screen.progress() as bars:
        task = bars.add_task("releases", total=worlds * auditing.releases_for(runs, canaries))

        def watched(counts: Sequence[Counts], charge: NanoRho) -> Sequence[Release]:
            bars.advance(task)
            return auditing.published(counts, charge)

        return [auditing.audit(watched, charge, seed, runs, canaries, confidence) for seed in range(worlds)]


def _for_machines(results: Sequence[Certified], statements: Sequence[Statement]) -> dict[str, Any]:
    audits = []
    for each in results:
        fields = {name: getattr(each, name) for name in each.__struct_fields__}
        audits.append({**fields, "epsilon": each.epsilon, "holds": each.holds})
    checked = [
        {"round": each.round, "unpaid": auditing.unpaid(each), "understated": auditing.understated(each)}
        for each in statements
    ]
    return {"audits": audits, "releases": checked}


def _show(results: Sequence[Certified], statements: Sequence[Statement]) -> None:
    first = results[0]
    rows = [
        (
            each.seed,
            f"{each.claimed:.3f}",
            f"{each.gaussian:.2f}",
            f"{each.subtraction:.2f}",
            f"{each.one_table:.2f}",
            f"{each.any_mechanism:.2f}",
            f"{each.one_run:.2f}",
            "holds" if each.holds else "BROKEN",
        )
        for each in results
    ]
    columns = "world", "claim", "Gaussian", "subtracting", "one table", "any", "one run", "verdict"
    title = f"ε certified at δ = {first.delta:g} with {first.confidence:.4g} confidence"
    screen.out.print(screen.table(title, columns, rows))
    games = first.trials_in + first.trials_out
    screen.say(f"{games:,} games in {first.releases:,} releases each; what the columns assume: `privacy/audit.py`")
    if statements:
        paid = sum(not auditing.unpaid(each) and not auditing.understated(each) for each in statements)
        screen.say(f"{paid} of {len(statements)} releases state at least what the mechanism's map says they cost")

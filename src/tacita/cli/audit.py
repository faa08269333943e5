"""`tacita privacy audit`: the canary game on the real release path, against the claim (privacy §6)."""

from collections.abc import Sequence
from typing import Annotated

import typer

from tacita.cli import screen
from tacita.errors import TacitaError
from tacita.privacy import accountant, policy
from tacita.privacy import audit as auditing
from tacita.privacy.audit import CONFIDENCE, Certified
from tacita.privacy.bounding import Counts
from tacita.privacy.canaries import MOST_CANARIES
from tacita.privacy.policy import NanoRho
from tacita.privacy.release import Release

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
    results = _audited(charge, seed_worlds, runs, canaries, confidence)
    if as_json:
        screen.print_json([{**_fields(each), "epsilon": each.epsilon, "holds": each.holds} for each in results])
    else:
        _show(results)
    leaking = [each for each in results if not each.holds]
    if leaking:
        highest = max(each.epsilon for each in leaking)
        raise AuditFailed(f"{len(leaking)} of {len(results)} audits break the claim; certified up to {highest:.2f}")
    weakest = min(results, key=lambda each: each.epsilon / each.claimed)
    if weakest.epsilon < at_least * weakest.claimed:
        share = f"{weakest.epsilon:.2f} of {weakest.claimed:.2f}"
        raise AuditFailed(f"the claim holds, but only {share} could be certified; {at_least:.0%} was asked for")


def _audited(charge: NanoRho, worlds: int, runs: int, canaries: int, confidence: float) -> list[Certified]:
    with screen.progress() as bars:
        task = bars.add_task("releases", total=worlds * auditing.releases_for(runs, canaries))

        def watched(counts: Sequence[Counts], charge: NanoRho) -> Sequence[Release]:
            bars.advance(task)
            return auditing.published(counts, charge)

        return [auditing.audit(watched, charge, seed, runs, canaries, confidence) for seed in range(worlds)]


def _fields(certified: Certified) -> dict[str, float | int]:
    return {name: getattr(certified, name) for name in certified.__struct_fields__}


def _show(results: Sequence[Certified]) -> None:
    first = results[0]
    rows = [
        (
            each.seed,
            f"{each.claimed:.3f}",
            f"{each.gaussian:.2f}",
            f"{each.subtraction:.2f}",
            f"{each.any_mechanism:.2f}",
            f"{each.one_run:.2f}",
            "holds" if each.holds else "BROKEN",
        )
        for each in results
    ]
    columns = "world", "claim", "Gaussian", "subtracting", "any", "one run", "verdict"
    title = f"ε certified at δ = {first.delta:g} with {first.confidence:.4g} confidence"
    screen.out.print(screen.table(title, columns, rows))
    games = first.trials_in + first.trials_out
    screen.say(f"{games:,} games in {first.releases:,} releases each; what the columns assume: `privacy/audit.py`")

"""The exact statement that we make to users (privacy §2), with its figures filled in."""

import math

from tacita.privacy import accountant, policy, tables
from tacita.privacy.release import Statement
from tacita.privacy.tables import FIXED_POINT


def users_statement() -> str:
    """Return the statement for README and every release; its figures come from the accountant."""
    delta = f"{policy.DELTA:.0e}".replace("e-0", "e-")
    one_round = accountant.epsilon(policy.ROUND_CHARGE, policy.DELTA)
    all_rounds = accountant.epsilon(policy.BUDGET_CAP, policy.DELTA)
    return (
        "Releases are (ε, δ)-differentially private at the level of a device, in the central model, under the "
        "zero-out (replace-with-nothing) neighbouring relation: "
        f"ε = {one_round:.3g}, δ = {delta} for one round, and at most "
        f"ε = {all_rounds:.3g}, δ = {delta} for all rounds of any {policy.BUDGET_WINDOW.days} days together. "
        "That bounds what anyone who sees every model and statistic can learn about one device's whole contribution. "
        "It assumes that the server runs this code and destroys what it says it destroys; while a round is open the "
        "operator could read contributions. The number of devices and the time of a round are public. "
        "The app's own noise is checked but adds nothing to this figure."
    )


def figures(statement: Statement) -> list[tuple[str, str]]:
    """Return a release's figures, each with its name, in the order to be read in."""
    return [
        ("devices", f"{statement.devices:,}"),
        ("epsilon", f"{statement.epsilon:.4g}"),
        ("delta", f"{statement.delta:.0e}"),
        ("cost to each device", f"{statement.nano_rho:,} nano-rho (zCDP), of {policy.BUDGET_CAP:,} in 365 days"),
        (
            "noise in each cell (sigma)",
            f"{statement.sigma / FIXED_POINT:.2f} (discrete Gaussian, {tables.CELLS} cells)",
        ),
        ("bound of one device (L2)", f"{statement.clip_norm / FIXED_POINT:g}"),
        ("neighbouring relation", statement.neighbours),
        ("policy", statement.policy_hash),
    ]


def plain_words(statement: Statement) -> list[str]:
    """Return what a release's guarantee means, in paragraphs without symbols.

    From an even guess, (epsilon, delta)-DP lets nobody be surer than e^epsilon / (1 + e^epsilon), but for delta.
    """
    factor = math.exp(statement.epsilon)
    surest, chance = factor / (1 + factor), round(1 / statement.delta)
    likelier = (
        "Noise was added so that the result would have looked nearly the same without any one device's data. Nothing"
        f" that anybody sees or computes from it becomes more than {factor:.3g} times as likely, or as unlikely,"
        f" because your device sent what it sent rather than nothing; but for a chance of one in {chance:,}."
    )
    surer = (
        "So whoever had an even guess whether your device's data are in the result, and then sees it, can be sure to"
        f" at most {math.ceil(surest * 1000) / 10:g} in 100, whatever else they know; but for that same chance."
    )
    public = "How many devices took part is public; that yours did is known to who runs the server."
    return [likelier, surer, public]

"""The exact statement that we make to users (privacy §2), with its figures filled in."""

from tacita.privacy import accountant, policy


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

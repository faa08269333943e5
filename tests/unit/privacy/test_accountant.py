"""The accountant's epsilon against dp-accounting's, which was written by others: it agrees, and never understates."""

import dp_accounting
import numpy as np
import pytest
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant

from tacita.privacy import accountant, mechanism, policy
from tacita.privacy.policy import NanoRho

ORDERS = 1 + np.geomspace(1e-2, 1e3, 4_000)
HISTORIES = {
    "one release": [policy.ROUND_CHARGE],
    "twelve releases": [policy.ROUND_CHARGE] * 12,
    "mixed releases": [NanoRho(1_000_000), policy.ROUND_CHARGE, NanoRho(7), NanoRho(123_456_789)],
}


@pytest.mark.parametrize("charges", HISTORIES.values(), ids=HISTORIES)
@pytest.mark.parametrize("delta", [policy.DELTA, 1e-9])
def test_epsilon_agrees_with_dp_accounting(charges: list[NanoRho], delta: float) -> None:
    second = RdpAccountant(ORDERS, dp_accounting.NeighboringRelation.REPLACE_SPECIAL)
    for charge in charges:
        second.compose(dp_accounting.ZCDpEvent(charge / 1e9, 0))

    ours = accountant.epsilon(NanoRho(sum(charges)), delta)

    assert ours == pytest.approx(second.get_epsilon(delta), rel=1e-5, abs=2e-7)


@pytest.mark.parametrize("releases", [1, 12])
def test_epsilon_never_understates_what_the_noise_really_costs(releases: int) -> None:
    multiplier = mechanism.sigma_for(policy.ROUND_CHARGE) / policy.CLIP_NORM
    exact = PLDAccountant(dp_accounting.NeighboringRelation.REPLACE_SPECIAL)
    exact.compose(dp_accounting.GaussianDpEvent(multiplier), releases)

    ours = accountant.epsilon(NanoRho(releases * policy.ROUND_CHARGE), policy.DELTA)

    assert 0.8 * ours < exact.get_epsilon(policy.DELTA) <= ours

"""Budgets: zCDP amounts, what they mean as (epsilon, delta), and when a device's window has room again (privacy §4)."""

import math
from collections.abc import Sequence
from datetime import datetime

from tacita.privacy import policy
from tacita.privacy.policy import NanoRho

Charge = tuple[datetime, NanoRho]
"""When something was charged, and how much."""

_NANO = 1_000_000_000
_SEARCH_STEPS = 200


def epsilon(charge: NanoRho, delta: float) -> float:
    """Return the epsilon of (epsilon, delta)-DP that rho-zCDP implies, rounded up in the seventh digit.

    The tight conversion of Canonne, Kamath and Steinke 2020 (proposition 12, corollary 13): the minimum over Rényi
    orders a > 1 of rho·a + log(1/(a·delta))/(a - 1) + log(1 - 1/a). Any order gives a valid bound, so an inexact
    minimum only overstates.

    Args:
        charge: rho in units of 1e-9.
        delta: between 0 and 1, both excluded.
    """
    rho = charge / _NANO

    def bound(log_excess: float) -> float:
        order = 1 + math.exp(log_excess)
        return rho * order - math.log(order * delta) / (order - 1) + math.log1p(-1 / order)

    low, high = -10.0, 20.0
    for _ in range(_SEARCH_STEPS):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if bound(left) < bound(right) else (left, high)
    return max(0.0, math.ceil(bound((low + high) / 2) * 1e7) / 1e7)


def charge_for(claimed: float, delta: float) -> NanoRho:
    """Return the largest charge whose `epsilon` at `delta` is at most `claimed` (positive)."""
    low, high = 0, 1
    while epsilon(NanoRho(high), delta) <= claimed:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if epsilon(NanoRho(middle), delta) <= claimed else (low, middle)
    return NanoRho(low)


def next_eligible(history: Sequence[Charge], now: datetime) -> datetime | None:
    """Return when the device can next pay for a round, or None when it can pay now.

    Args:
        history: the device's charges in the ledger, in any order.
        now: the moment of asking.
    """
    live = sorted((when, amount) for when, amount in history if when > now - policy.BUDGET_WINDOW)
    spent = sum(int(amount) for _, amount in live)
    eligible = None
    for when, amount in live:
        if spent + policy.ROUND_CHARGE <= policy.BUDGET_CAP:
            break
        spent -= amount
        eligible = when + policy.BUDGET_WINDOW
    return eligible

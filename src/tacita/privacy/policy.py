"""Every constant of the privacy design in one place, with its derivation, and the hash that releases carry."""

import hashlib
import json
from datetime import timedelta
from typing import NewType

from tacita.privacy.tables import FIXED_POINT, TABLES

NanoRho = NewType("NanoRho", int)
"""A zero-concentrated privacy budget in units of 1e-9 rho: an integer, so that sums never round (privacy §4)."""

CLIP_NORM = 30 * FIXED_POINT
"""C: the L2 bound of one device's vector in one round, in fixed point (privacy §3)."""

MAX_COUNTED_NODES = 100
"""Nodes that count per device and round (privacy §3)."""

MAX_NODE_AGE = timedelta(days=30)
"""An older node doesn't count (privacy §3)."""

COUNTED_NODE_MEMORY = timedelta(days=31)
"""How long a counted node's tag is kept: its age limit, and a day for the app's ±30 minutes of time shift."""

MAX_GRAPH_AGE = timedelta(days=30)
"""Freshness of `lastUpdatedAt` (contract §2.5)."""

MAX_CLOCK_LEAD = timedelta(minutes=10)
"""How far in the future `lastUpdatedAt` may lie (contract §2.5)."""

APP_TIME_SHIFT = timedelta(minutes=30)
"""The app shifts each node's time by up to this much either way (contract §3)."""

GRID_STEP = 0.2
GRID_TOLERANCE = 1e-6
"""The emotion grid (contract §3). float32 rounding near 1 is at most 6e-8; app-side arithmetic stays under 1e-6."""

MIN_COHORT = 1_000
"""Distinct devices without which a round is never released (privacy §4); fewer only in development."""

DELTA = 1e-6
ROUND_CHARGE = NanoRho(24_355_963)
"""One round: epsilon = 1 at delta = 1e-6 by the tight zCDP conversion (privacy §4)."""

BUDGET_CAP = NanoRho(311_060_000)
"""A device's cap over any `BUDGET_WINDOW`: epsilon = 4 at delta = 1e-6; twelve full rounds (privacy §4)."""

BUDGET_WINDOW = timedelta(days=365)


def policy_hash() -> str:
    """Return the SHA-256, in hex, of every constant that shapes a release, so that a release names its policy."""
    described = {
        "tables": [[t.name, list(t.shape), t.fixed_weight] for t in TABLES],
        "clip_norm": CLIP_NORM,
        "max_counted_nodes": MAX_COUNTED_NODES,
        "max_node_age_s": MAX_NODE_AGE.total_seconds(),
        "counted_node_memory_s": COUNTED_NODE_MEMORY.total_seconds(),
        "delta": DELTA,
        "round_charge_nano_rho": ROUND_CHARGE,
        "budget_cap_nano_rho": BUDGET_CAP,
        "budget_window_s": BUDGET_WINDOW.total_seconds(),
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()

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


APP_RATE_NOISE = 0.1
APP_LATENCY_NOISE_S = 1.0
APP_KEEPS_NODE = 0.9
"""The app's noise: Laplace scales on the two rates and on the mean response time; its sampling (contract §3)."""

TESTED_FALSE_POSITIVES = 1e-6
"""At most this share of honest graphs breaks any one tested rule: 3e-6 a graph for the three together (privacy §1)."""

NO_NOISE_SPLIT = TESTED_FALSE_POSITIVES / 4
"""`no_noise` refuses on any of four combinations of its statistics, each with this chance under honest noise."""

LATTICE_TOLERANCE = 2**-24
"""A rate lies on the lattice k/n when it is this near: one float32 step below 1. Unnoised, it is off by half of it."""

LATTICE_WIDTH = 2 * LATTICE_TOLERANCE + 2**-24
"""Honest values that count as near one lattice point, float32's own rounding included."""

RATE_PEAK_DENSITY = 0.5 / APP_RATE_NOISE
"""The density of the rates' noise at its peak. A sum over the lattice is at most n + this: it has one peak."""

SAME_TIME_S = 1e-3
"""Two times are the same within a millisecond, the coarsest fraction that clients write."""

MIN_SAME_PHASES = 5
"""Nodes that must share one sub-second phase: the others hit the first one's by chance with (2e-3)^4 = 1.6e-11."""

MIN_REGULAR_GAPS, REGULAR_NODES = 3, 30
"""Gaps equal to the one before, among a graph's first 30 nodes. One is by chance 2e-3/3600 = 5.6e-7; three of 28 are
at most 5.7e-16."""

MIN_UNSAMPLED = 132
"""So many nodes are all kept with chance 0.9^132 = 9.2e-7 by honest sampling; fewer are only evidence."""


COHORT_ALARM = 1e4
"""E at which a cohort is frozen: an honest one ever gets there with a chance of at most 1e-4 (Ville's inequality)."""

COHORT_MEMORY = timedelta(days=90)
"""After so long a cohort that nobody decided on is tested afresh: versions live for weeks, and rows don't pile up."""

COHORT_INTERACTIONS = (50, 5_000)
COHORT_MOST_MISSING = 0.25
COHORT_MOST_BLUR_S = 0.1
"""Graphs that speak of their app are of so many interactions; it uploads at 100. Their noise is recomputed where at
most a quarter was sampled away, and little doubt is left about the mean response time (its standard error). From 5,000
nodes on the newest are sent, which is no sampling."""

RATE_BIN_BOUNDS = (0.103, 0.103, 0.103, 0.102, 0.1005, 0.1005, 0.102, 0.103, 0.103, 0.103)
"""The chance of each of ten bins of the recomputed noise of `fastModelUsage` is at most this, whatever the device's
data: a tenth, but for the nodes sampled away (exact supremum over n >= 50 and every count, 1.029/10)."""

LATENCY_BIN_BOUNDS = (0.103, 0.103, 0.103, 0.103, 0.101, 0.105, 0.113, 0.128, 0.160, 0.400)
"""The same for `avgResponseTime`. The upper bins leave room for the case that the only slow answers of a graph were
sampled away, in up to three of ten of the graphs that show none: noise then looks larger than it was, never smaller."""

PHASE_BINS = 16
PHASE_BIN_BOUND = 1.01 / PHASE_BINS
PHASE_STEPS = 4_096
"""A rate's phase is its place between two points of the lattice 1/(m n), m n >= 4,096; unnoised, it is on a point.
Over one step of 2.4e-4 the noise's density changes by e^(1/409.6), and float32's rounding moves 0.5 % of a bin."""

ALL_KEPT_BOUND = 0.9**50
"""All nodes of 50 or more are kept with a chance of at most 0.52 %."""

TOO_LITTLE_NOISE = (0.25, 0.5, 0.7)
"""Fractions of the app's noise that a cohort is bet to add; all else is left to a bet on every histogram at once."""


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

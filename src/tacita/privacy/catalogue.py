"""Every rule of privacy §1: its kind, how often it may wrong an honest graph, what it catches, and why that holds."""

from dataclasses import dataclass
from enum import StrEnum

from tacita.privacy import policy
from tacita.protocol.refusals import Rule


class Kind(StrEnum):
    """What a rule's verdict is worth (privacy §1)."""

    PROVED = "proved"
    TESTED = "tested"
    COHORT = "tested on a cohort"
    DECLARED = "declared"


@dataclass(frozen=True)
class Entry:
    """One rule.

    Attributes:
        code: as a 403 or an alarm names it.
        kind: what its verdict is worth.
        false_positives: the designed bound on its chance to refuse an honest graph (a cohort's test: ever to freeze an
            honest cohort); 0 for a proved rule; None where nothing is checked.
        catches: what it finds.
        power: how much of it; empty where a proved rule finds all.
        derivation: why the bound holds.
    """

    code: str
    kind: Kind
    false_positives: float | None
    catches: str
    power: str
    derivation: str


_PROVED = {
    Rule.UNKNOWN_FIELD: "a key that the contract doesn't have, at any depth: a risk of raw text",
    Rule.DEVICE_MISMATCH: "a graph that names another device than its envelope",
    Rule.STALE_GRAPH: f"`lastUpdatedAt` more than {policy.MAX_GRAPH_AGE.days} days ago",
    Rule.FUTURE_GRAPH: f"`lastUpdatedAt` more than {policy.MAX_CLOCK_LEAD.seconds // 60} minutes ahead",
    Rule.FUTURE_NODE: "a node later than the clock lead and the app's time shift allow",
    Rule.NODE_COUNT: "no node, or more than 5,000",
    Rule.NODES_EXCEED_TOTAL: "more nodes than `totalInteractions`",
    Rule.NOT_A_UUID: "an id that is no upper-case UUID: a risk of raw text",
    Rule.NOT_IN_SET: "a text outside its closed set",
    Rule.OUT_OF_RANGE: "a number outside its domain",
    Rule.OFF_GRID: "an emotion that was not bucketed to the 0.2 grid",
    Rule.FOLLOW_UP_WITHOUT_CONTINUATION: "a follow-up in a conversation that didn't go on",
}

_TESTED = {
    Rule.NO_NOISE: (
        "`successRate`, `fastModelUsage`, `avgResponseTime` sent without noise",
        "at least 0.998 of the graphs whose two rates are neither 0 nor 1, up to 2,772 interactions",
        (
            "Two rates on the lattice k/n, or one and the mean of the nodes where nothing was sampled away, or that "
            "mean alone to float32's last digits. The noise is continuous: a rate is near one of n + 1 points with "
            "chance at most q = 1.8e-7 (n + 5), the mean within d with chance at most d. Each of the four combinations "
            "is refused only where its chance is at most 2.5e-7. A rate clamped to 0 or 1 never counts."
        ),
    ),
    Rule.NO_TIME_SHIFT: (
        "node times that were not shifted",
        "9 of 10 (the last node must have been sampled); at least 0.99 of times in whole seconds or at regular gaps",
        (
            "The shift is uniform over an hour: the last node is within 1 ms of `lastUpdatedAt` with chance at most "
            f"5.6e-7, {policy.MIN_SAME_PHASES} nodes share a sub-second phase with 1.6e-11, "
            f"{policy.MIN_REGULAR_GAPS} gaps of the first {policy.REGULAR_NODES} nodes repeat the one before with "
            "5.7e-16. Times written as text in whole seconds are not tested."
        ),
    ),
    Rule.NO_SAMPLING: (
        "all nodes kept",
        f"all graphs, from {policy.MIN_UNSAMPLED} interactions on",
        f"Honest sampling keeps all of n nodes with chance 0.9^n; refused from n = {policy.MIN_UNSAMPLED} on (9.2e-7).",
    ),
}

_COHORT = Entry(
    Rule.COHORT_REFUSED.value,
    Kind.COHORT,
    1 / policy.COHORT_ALARM,
    "an app version on a model version that adds constant noise, too little, one seed's, or none, or doesn't sample",
    "0.9 or more of cohorts by 5 graphs without sampling, 20 without noise or with constant or one seed's, 250 of half",
    (
        "The noise of `fastModelUsage` and `avgResponseTime` is recomputed from the nodes that were left; the rates' "
        "places between lattice points are looked at, and whether nodes are missing. Each falls in a bin whose "
        "greatest chance under honest noise is known, whatever the data; a stake bet on other chances grows to E with "
        "a chance of at most 1/E, however often one looks (Ville). A device counts once a round. An alarm holds the "
        "cohort's graphs back; only the operator refuses them."
    ),
)

_DECLARED = {
    "node_contents": "that the interactions happened as told: bounded by the clip and the judge's gates (privacy §3)",
    "success": "what the client counts as a success: the contract doesn't define it, so it can't be recomputed",
    "versions": "`appVersion`, `modelVersion` and `timestamp` of a format 1 envelope (contract §2.5)",
}


def entries() -> list[Entry]:
    """Return every rule, proved ones first."""
    proved = [
        Entry(rule.value, Kind.PROVED, 0.0, catches, "", "decided by the text alone")
        for rule, catches in _PROVED.items()
    ]
    tested = [
        Entry(rule.value, Kind.TESTED, policy.TESTED_FALSE_POSITIVES, catches, power, derivation)
        for rule, (catches, power, derivation) in _TESTED.items()
    ]
    declared = [
        Entry(code, Kind.DECLARED, None, claim, "none", "not checked: believed") for code, claim in _DECLARED.items()
    ]
    return [*proved, *tested, _COHORT, *declared]

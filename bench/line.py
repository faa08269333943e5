"""The straight line against its floor: CPU µs a graph, stage by stage, on the same bodies, in one run.

`python -m bench.line` takes all bodies in by the one side, then by the other, again and again, stage by stage and in
one piece. Figures are medians of this process's CPU time. (The sides take turns after a round of bodies, not after
each: a server runs only one of them, and finds the caches as it left them.)
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import bodies, floor
from tacita.crypto.envelope import decode_base64, open_sealed, signature_matches
from tacita.crypto.tags import node_tags
from tacita.privacy import bounding, evidence, policy, rules, tested
from tacita.privacy.columns import NodeColumns, node_columns
from tacita.privacy.decoding import decode_graph
from tacita.privacy.evidence import Remaining
from tacita.protocol.envelope import Envelope, decode_body
from tacita.protocol.graph import LearningGraph

Result = TypeVar("Result")
Counted = tuple[list[int], int]
"""The 452 counts, and of how many nodes."""

DEDUPE_KEY = bytes(range(32))
PARSE, AUTHENTICATE, OPEN, DECODE, VERIFY, TESTED, TAG, COUNT = STAGES = (
    "parse the envelope",
    "Base64, HMAC of the sealed graph",
    "AES-GCM",
    "strict decode of the graph",
    "columns, proved rules",
    "tested rules, cohort's evidence (not in the floor)",
    "names of the nodes",
    "choose and count",
)
WHOLE = "whole, timed in one piece"


class Times:
    """CPU times of stages, as they were taken."""

    def __init__(self) -> None:
        self._ns: dict[str, list[int]] = defaultdict(list)

    def run(self, stage: str, work: Callable[..., Result], *inputs: Any) -> Result:
        """Run one stage and note what it took."""
        start = time.process_time_ns()
        result = work(*inputs)
        self._ns[stage].append(time.process_time_ns() - start)
        return result

    def us(self, stage: str) -> float:
        """Return the median of a stage, in µs; 0 for one that was never run."""
        return statistics.median(self._ns[stage] or [0]) / 1_000


class Untimed(Times):
    """Runs stages without looking at the clock, for timing the whole."""

    def run(self, stage: str, work: Callable[..., Result], *inputs: Any) -> Result:  # noqa: ARG002 - as `Times.run`
        """Run one stage."""
        return work(*inputs)


def floor_line(times: Times, sent: bodies.Submission, now: datetime = bodies.NOW) -> Counted:
    """Take one submission in as the floor does."""
    key = sent.device.key
    envelope = times.run(PARSE, floor.ENVELOPES.decode, sent.body)
    sealed = times.run(AUTHENTICATE, floor.authenticate, envelope, key)
    plaintext = times.run(OPEN, floor.open_graph, sealed, key)
    graph = times.run(DECODE, floor.GRAPHS.decode, plaintext)
    times.run(VERIFY, floor.check, graph, envelope.device_id_hash, now.timestamp())
    tags = times.run(TAG, floor.name_nodes, graph, DEDUPE_KEY)
    cells, counted = times.run(COUNT, floor.count, graph, tags, set(), now.timestamp())
    return cells, len(counted)


def _authenticate(envelope: Envelope, key: bytes) -> bytes:
    sealed = decode_base64(envelope.encrypted_data)
    if not signature_matches(key, sealed, envelope.encrypted_data, envelope.signature):
        raise floor.Refused("signature")
    return sealed


def _verify(graph: LearningGraph, device_id_hash: str) -> NodeColumns:
    nodes = node_columns(graph.nodes)
    if rules.violations(graph, nodes, device_id_hash, bodies.NOW):
        raise floor.Refused("rules")
    return nodes


def _test(graph: LearningGraph, nodes: NodeColumns) -> list[int]:
    if tested.violations(graph, nodes):
        raise floor.Refused("tested rules")
    return evidence.bins(graph.aggregate_metrics, Remaining.of(nodes), luck=0.5)


def our_line(times: Times, sent: bodies.Submission) -> Counted:
    """Take one submission in by tacita's own functions, without HTTP and without a store."""
    key = sent.device.key
    envelope = times.run(PARSE, decode_body, sent.body, Envelope)
    sealed = times.run(AUTHENTICATE, _authenticate, envelope, key)
    plaintext = times.run(OPEN, open_sealed, key, sealed)
    graph, _ = times.run(DECODE, decode_graph, plaintext)
    nodes = times.run(VERIFY, _verify, graph, envelope.device_id_hash)
    times.run(TESTED, _test, graph, nodes)
    tags = times.run(TAG, node_tags, DEDUPE_KEY, nodes.ids)
    room = policy.MAX_COUNTED_NODES
    counts, counted = times.run(COUNT, bounding.count_nodes, nodes, bodies.NOW, tags, set(), room)
    return counts.cells.tolist(), len(counted)


def measure(graphs: int, repetitions: int) -> tuple[Times, Times]:
    """Return the times of the floor and of tacita.

    Raises:
        AssertionError: the two do not count alike.
    """
    floors, ourselves, untimed = Times(), Times(), Untimed()
    sent = bodies.submissions(graphs)
    if any(floor_line(untimed, one) != our_line(untimed, one) for one in sent):
        raise AssertionError("the floor and tacita count differently")
    for _ in track(range(repetitions), "measuring", transient=True):
        for times, line in ((floors, floor_line), (ourselves, our_line)):
            for one in sent:
                line(times, one)
            for one in sent:
                times.run(WHOLE, line, untimed, one)
    return floors, ourselves


def main(
    graphs: Annotated[int, typer.Option(help="How many devices' bodies.")] = 16,
    repetitions: Annotated[int, typer.Option(help="How often each body is taken in by each side, twice.")] = 50,
) -> None:
    """Print CPU µs a 90-node graph of the floor and of tacita's straight line, and their ratio."""
    floors, ourselves = measure(graphs, repetitions)
    table = Table("stage", title=f"CPU µs a graph of {bodies.NODES} nodes, medians of {graphs * repetitions}")
    for column in ("floor", "tacita", "ratio"):
        table.add_column(column, justify="right")
    for stage in (*STAGES, WHOLE):
        before, now = floors.us(stage), ourselves.us(stage)
        shown = (f"{before:.1f}", f"{now:.1f}", f"{now / before:.2f}") if before else ("", f"{now:.1f}", "")
        table.add_row(stage, *shown, end_section=stage == STAGES[-1])
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)

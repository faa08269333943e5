"""The front door beside its floor, a naive peer and an empty application, in one run on the same bodies.

`python -m bench.front_door` (`make bench`) prints, for each number of stored contributions: graphs/s, CPU µs a graph of
the servers' processes and of PostgreSQL (the client's is never counted), the ratios to floor and peer; then latency at
half load, memory, and how throughput goes with connections. Machines are noisy: read the ratios.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import psutil
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.bodies import Submission
from bench.deployments import Bodies, Ground, ground, serving
from bench.line import Untimed, floor_line
from bench.load import Outcome, write_requests

_OUT = Console(width=130)
NAMES = ("tacita, one worker", "tacita, two workers", "naive peer", "nothing")


@dataclass
class Measured:
    """One load on one server: graphs/s, CPU µs a graph of server and database, MB of its largest process, the load."""

    rate: float
    server_us: float
    database_us: float
    megabytes: float
    outcome: Outcome

    @property
    def cpu_us(self) -> float:
        """CPU µs a graph, PostgreSQL's share included."""
        return self.server_us + self.database_us


def _cpu_s(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds that processes and their ended children have used."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue  # its parent, the postmaster, has its time now
        total += times.user + times.system + times.children_user + times.children_system
    return total


@dataclass(frozen=True)
class Bench:
    """The servers on one ground, and the bodies that are sent."""

    on: Ground
    folder: Path
    connections: int

    def command(self, name: str) -> list[str]:
        """Return how a server is started."""
        if name.startswith("tacita"):
            workers = "2" if "two" in name else "1"
            folder = str(self.on.deployment.folder)
            return ["tacita", "serve", folder, "--no-driver", "--port", "0", "--workers", workers]
        return ["bench.peers", "nothing"] if name == "nothing" else ["bench.peers", "naive", self.on.dsn]

    @contextmanager
    def server(self, name: str) -> Iterator[tuple[psutil.Process, int]]:
        """Run a server, warmed up by nothing but its start."""
        with serving(self.command(name)) as (process, port):
            time.sleep(0.5)
            yield process, port

    def load(self, server: tuple[psutil.Process, int], sent: list[Submission], rate: float = 0.0) -> Measured:
        """Send bodies to a running server; return what that cost.

        Raises:
            RuntimeError: an answer was not 200.
        """
        process, port = server
        path = self.folder / "requests"
        write_requests(path, [one.body for one in sent])
        own = [process, *process.children(recursive=True)]
        database = self.on.database_processes()
        before, before_database = _cpu_s(own), _cpu_s(database)
        arguments = [str(port), str(path), str(self.connections), str(rate)]
        done = subprocess.run([sys.executable, "-m", "bench.load", *arguments], check=True, capture_output=True)
        outcome = msgspec.json.decode(done.stdout, type=Outcome)
        if set(outcome.statuses) != {"200"}:
            raise RuntimeError(f"answers were {outcome.statuses}")
        each = 1e6 / len(sent)
        server_us = (_cpu_s(own) - before) * each
        database_us = (_cpu_s(self.on.database_processes()) - before_database) * each
        memory = max(p.memory_info().rss for p in own if p.is_running()) / 1e6
        return Measured(len(sent) / outcome.seconds, server_us, database_us, memory, outcome)


def _floor_us(sent: list[Submission], now: datetime) -> float:
    """Return the floor's CPU µs a graph: the median over bodies."""
    times, untimed = [], Untimed()
    for one in sent:
        start = time.process_time_ns()
        floor_line(untimed, one, now)
        times.append((time.process_time_ns() - start) / 1e3)
    return statistics.median(times)


@dataclass
class Side:
    """What was measured at one number of stored contributions: the floor's µs, and each server's runs."""

    stored: int
    floor_us: list[float]
    runs: dict[str, list[Measured]]

    def median(self, name: str, figure: str) -> float:
        """Return the median of a figure over a server's runs."""
        return float(statistics.median(getattr(run, figure) for run in self.runs[name]))


def _side_by_side(bench: Bench, bodies: Bodies, graphs: int, repeats: int) -> Side:
    """Measure all servers in turn, `repeats` times, each server running all the while."""
    found = Side(bench.on.stored, [], {name: [] for name in NAMES})
    for number in track(range(repeats + 1), f"{bench.on.stored:,} stored", transient=True):
        for name in NAMES:
            sent = bodies.fresh(graphs)
            bench.on.enrol(sent)
            with bench.server(name) as server:
                bench.load(server, bodies.fresh_enrolled(bench.on, 100))
                run = bench.load(server, sent)
            if number:  # the first is for warming the database up
                found.runs[name].append(run)
        found.floor_us.append(_floor_us(sent, bodies.now))
    return found


def _print_side(side: Side) -> None:
    floor_us = statistics.median(side.floor_us)
    table = Table("server", title=f"{side.stored:,} contributions stored; floor {floor_us:.0f} µs a graph")
    for column in ("graphs/s", "server µs", "PostgreSQL µs", "CPU µs", "x floor", "x peer's rate", "MB"):
        table.add_column(column, justify="right")
    for name in NAMES:
        cpu = side.median(name, "cpu_us")
        table.add_row(
            name,
            f"{side.median(name, 'rate'):,.0f}",
            f"{side.median(name, 'server_us'):.0f}",
            f"{side.median(name, 'database_us'):.0f}",
            f"{cpu:.0f}",
            f"{cpu / floor_us:.2f}",
            f"{side.median(name, 'rate') / side.median('naive peer', 'rate'):.2f}",
            f"{side.median(name, 'megabytes'):.0f}",
        )
    _OUT.print(table)


def _print_latency(bench: Bench, bodies: Bodies, side: Side, graphs: int) -> None:
    table = Table("server", title="latency at half of its own rate, ms")
    for column in ("graphs/s", "p50", "p99"):
        table.add_column(column, justify="right")
    for name in NAMES[:1] + NAMES[2:3]:
        rate = side.median(name, "rate") / 2
        with bench.server(name) as server:
            bench.load(server, bodies.fresh_enrolled(bench.on, 100))
            late = bench.load(server, bodies.fresh_enrolled(bench.on, graphs), rate).outcome.latencies
        cuts = statistics.quantiles(late, n=100)
        table.add_row(name, f"{rate:,.0f}", f"{1e3 * cuts[49]:.1f}", f"{1e3 * cuts[98]:.1f}")
    _OUT.print(table)


def _print_connections(bench: Bench, bodies: Bodies, graphs: int) -> None:
    table = Table("connections", title="tacita, one worker, by connections")
    for column in ("graphs/s", "CPU µs a graph"):
        table.add_column(column, justify="right")
    for connections in (1, 8, 64, 512):
        more = Bench(bench.on, bench.folder, connections)
        with more.server(NAMES[0]) as server:
            more.load(server, bodies.fresh_enrolled(bench.on, 100))
            run = more.load(server, bodies.fresh_enrolled(bench.on, graphs))
        table.add_row(str(connections), f"{run.rate:,.0f}", f"{run.cpu_us:.0f}")
    _OUT.print(table)


def main(
    stored: Annotated[str, typer.Option(help="Numbers of stored contributions, by commas.")] = "10000,1000000",
    graphs: Annotated[int, typer.Option(help="Graphs in a run.")] = 800,
    repeats: Annotated[int, typer.Option(help="Runs of each server.")] = 3,
    connections: Annotated[int, typer.Option(help="Connections of the client.")] = 64,
) -> None:
    """Print everything, side by side."""
    bodies = Bodies(datetime.now(UTC))
    with tempfile.TemporaryDirectory(prefix="tacita-bench-") as folder, ground(Path(folder) / "deployment") as on:
        bench = Bench(on, Path(folder), connections)
        sides = []
        for total in sorted(int(each) for each in stored.split(",")):
            on.store(total)
            sides.append(_side_by_side(bench, bodies, graphs, repeats))
            _print_side(sides[-1])
        _print_latency(bench, bodies, sides[-1], graphs)
        _print_connections(bench, bodies, graphs)
    if len(sides) > 1:
        cpu = [side.median(NAMES[0], "cpu_us") / statistics.median(side.floor_us) for side in sides]
        _OUT.print(f"from {sides[0].stored:,} to {sides[-1].stored:,}: x floor {cpu[0]:.2f} to {cpu[-1]:.2f}")


if __name__ == "__main__":
    typer.run(main)

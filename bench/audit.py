"""What the audit certifies of the real release path and of each planted leak: `python -m bench.audit [--write]`.

2,000 games an arm at epsilon 4, each over several seeds (cohorts and canaries; the noise is fresh anyway).
`--write docs/threat-model.md` puts the table there.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from tests import leaks

from bench.page import put
from tacita.privacy import accountant, audit, policy
from tacita.privacy.canaries import Published

RUNS, EPSILON = 2_000, 4.0
BEGIN, END = "<!-- audit: written by bench/audit.py -->", "<!-- audit: end -->"


def row(name: str, path: Published, seeds: int) -> str:
    """Return one line of the table, in Markdown."""
    charge = accountant.charge_for(EPSILON, policy.DELTA)
    found = [audit.audit(path, charge, seed, RUNS) for seed in range(seeds)]
    certified = np.array([each.epsilon for each in found])
    figures = f"{certified.min():.2f} | {certified.mean():.2f} | {certified.max():.2f}"
    return f"| {name} | {figures} | {sum(not each.holds for each in found)} of {seeds} |"


def main() -> None:
    """Measure; print the table, and write it into the page if asked to."""
    parser = argparse.ArgumentParser(prog="bench.audit", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", type=Path, help="the page to write the table into")
    parser.add_argument("--seeds", type=int, default=20)
    chosen = parser.parse_args()
    lines = ["| release path | lowest ε certified | mean | highest | claim broken |", "| --- | --- | --- | --- | --- |"]
    for name, path in {"the real one": audit.published, **leaks.PLANTED}.items():
        lines.append(row(name, path, chosen.seeds))
        sys.stderr.write(lines[-1] + "\n")
    print("\n".join(lines))
    if chosen.write is not None:
        put(chosen.write, BEGIN, END, lines)


if __name__ == "__main__":
    main()

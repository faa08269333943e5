"""`python -m tacita.training train|evaluate`: what launchers start. Bad input: one line on stderr, exit code 1."""

import argparse
import sys
from pathlib import Path

import msgspec

from tacita.errors import TacitaError
from tacita.models.policy_pack import decode_pack, encode_pack
from tacita.models.release_file import decode_release_file
from tacita.training import gates
from tacita.training.learner import learn


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tacita.training", description="Learn from releases; judge what was learned.")
    steps = parser.add_subparsers(dest="step", required=True)
    for step in ("train", "evaluate"):
        chosen = steps.add_parser(step)
        for name in ("input", "base", *(["candidate"] if step == "evaluate" else []), "output"):
            chosen.add_argument(f"--{name}", type=Path, required=True)
    return parser


def _run(arguments: argparse.Namespace) -> None:
    file = decode_release_file(arguments.input.read_bytes())
    base = decode_pack(arguments.base.read_bytes())
    if arguments.step == "train":
        made = encode_pack(learn(gates.trusted(file), base))
    else:
        candidate = decode_pack(arguments.candidate.read_bytes())
        made = msgspec.json.encode(gates.evaluate_robustly(file, base, candidate), order="sorted")
    partial = arguments.output.with_suffix(".partial")
    partial.write_bytes(made)
    partial.replace(arguments.output)


def main() -> int:
    """Do one step; the artefact appears whole or not at all."""
    try:
        _run(_parser().parse_args())
    except (TacitaError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

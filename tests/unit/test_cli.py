"""The command line holds together: every command, at every depth, can say what it does."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.testing import CliRunner

from tacita.cli import app


def _paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from _paths(below, (*path, name))


def test_every_command_shows_its_help() -> None:
    paths = list(_paths(typer.main.get_command(app)))

    ended = {path: CliRunner().invoke(app, [*path, "--help"]).exit_code for path in paths}

    assert len(paths) > 30
    assert set(ended.values()) == {0}

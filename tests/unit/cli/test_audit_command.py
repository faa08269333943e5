"""`tacita privacy audit`: a table for people, JSON for machines, exit code 1 when the claim breaks."""

import json
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

from tacita.cli import app
from tacita.cli.audit import AuditFailed
from tacita.privacy import audit
from tacita.privacy.bounding import Counts
from tacita.privacy.policy import NanoRho
from tacita.privacy.release import Release

QUICK = ["privacy", "audit", "--runs", "112"]


def test_the_audit_of_the_real_path_says_what_it_certified_of_which_claim() -> None:
    result = CliRunner().invoke(app, [*QUICK, "--seed-worlds", "2", "--json"])

    assert result.exit_code == 0
    first, second = json.loads(result.stdout)["audits"]
    assert (first["claimed"], first["delta"], first["confidence"], first["holds"]) == (4.0, 1e-6, 0.95, True)
    assert 0 <= first["epsilon"] <= 4
    assert (first["seed"], second["seed"]) == (0, 1)


def test_the_audit_shows_a_table() -> None:
    result = CliRunner().invoke(app, QUICK)

    assert result.exit_code == 0
    assert "0.95 confidence" in result.stdout
    assert "holds" in result.stdout


def test_a_leaking_path_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = audit.published

    def twice(counts: Sequence[Counts], charge: NanoRho) -> Sequence[Release]:
        return real([*counts, *counts], charge)

    monkeypatch.setattr(audit, "published", twice)

    result = CliRunner().invoke(app, ["privacy", "audit", "--runs", "1000"])

    assert isinstance(result.exception, AuditFailed)
    assert "BROKEN" in result.stdout


def test_too_little_certified_fails_when_more_was_asked_for() -> None:
    result = CliRunner().invoke(app, ["privacy", "audit", "--runs", "28", "--at-least", "1"])

    assert isinstance(result.exception, AuditFailed)
    assert "could be certified" in str(result.exception)

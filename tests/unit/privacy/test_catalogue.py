import json
from math import comb

from typer.testing import CliRunner

from tacita.cli import app
from tacita.privacy import catalogue, policy
from tacita.privacy.catalogue import Kind
from tacita.protocol.refusals import Rule


def test_every_rule_that_a_403_can_name_knows_its_kind_and_its_rate() -> None:
    described = {entry.code: entry for entry in catalogue.entries() if entry.kind is not Kind.DECLARED}

    assert set(described) == {rule.value for rule in Rule}
    assert all((entry.false_positives == 0) == (entry.kind is Kind.PROVED) for entry in described.values())


def test_all_tested_rules_together_stay_under_the_designed_rate() -> None:
    tested = [entry.false_positives or 1 for entry in catalogue.entries() if entry.kind is Kind.TESTED]

    assert sum(tested) <= 3e-6


def test_what_the_derivations_say_follows_from_the_constants() -> None:
    last_node = 2 * policy.SAME_TIME_S / (2 * policy.APP_TIME_SHIFT.total_seconds())
    phases = (2 * policy.SAME_TIME_S) ** (policy.MIN_SAME_PHASES - 1)
    gaps = comb(policy.REGULAR_NODES - 2, policy.MIN_REGULAR_GAPS) * last_node**policy.MIN_REGULAR_GAPS

    assert last_node + phases + gaps <= policy.TESTED_FALSE_POSITIVES
    assert policy.APP_KEEPS_NODE**policy.MIN_UNSAMPLED <= policy.TESTED_FALSE_POSITIVES
    assert policy.APP_KEEPS_NODE ** (policy.MIN_UNSAMPLED - 1) > policy.TESTED_FALSE_POSITIVES


def test_the_command_lists_every_rule_for_machines_too() -> None:
    result = CliRunner().invoke(app, ["privacy", "rules", "--json"])

    assert result.exit_code == 0
    assert [entry["code"] for entry in json.loads(result.stdout)] == [entry.code for entry in catalogue.entries()]

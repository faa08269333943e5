"""Every check, in the order in which they are played and shown."""

from collections.abc import Iterator, Sequence

from tacita.device.conformance import case_checks, enrolment_checks, model_checks, submission_checks, withdrawals
from tacita.device.conformance.check import Check, Verdict
from tacita.device.conformance.probe import Broken, Probe
from tacita.device.uploader import ServerAway

CHECKS: tuple[Check, ...] = (
    *enrolment_checks.CHECKS,
    *case_checks.ENROLMENTS,
    *case_checks.ACCEPTED,
    *submission_checks.CHECKS,
    *case_checks.REFUSED,
    *withdrawals.CHECKS,
    *case_checks.WITHDRAWALS,
    *model_checks.CHECKS,
)


def play(probe: Probe, checks: Sequence[Check] = CHECKS) -> Iterator[Verdict]:
    """Run checks one after the other and yield what came of each."""
    for check in checks:
        try:
            check.run(probe)
        except (Broken, ServerAway) as broken:
            yield Verdict(check.clause, check.name, holds=False, reason=" ".join(str(broken).split()))
        else:
            yield Verdict(check.clause, check.name, holds=True, reason="")

"""A check for each case: its request is sent, and its answer compared."""

import httpx

from tacita.device.conformance import withdrawals
from tacita.device.conformance.case import Case
from tacita.device.conformance.check import Check
from tacita.device.conformance.encodings import ENCODINGS, FORMATS, FRESH, FULL_BODY
from tacita.device.conformance.malformed import ENVELOPES, OVERSIZED, UNOPENED, UNSIGNED, enrolments
from tacita.device.conformance.probe import Probe, content, require, shown
from tacita.device.conformance.refusals import NO_GRAPHS, VIOLATIONS


def matches(case: Case, answer: httpx.Response) -> None:
    """Compare an answer with what the contract says of it: texts where it gives them, else the status and a detail.

    Raises:
        Broken: it differs.
    """
    require(answer.status_code == case.status, f"answered {shown(answer)}, where {case.status} belongs")
    found, wanted = content(answer), case.answer
    if case.status in {409, 413, 422}:
        detail = found.get("detail")
        require(isinstance(detail, str), f"the {case.status} has no detail: {shown(answer)}")
        field = str(wanted["detail"]).rpartition(": ")[2]
        named = case.status != httpx.codes.UNPROCESSABLE_ENTITY or field == "body" or field in str(detail)
        require(named, f"the 422 does not name {field}: {shown(answer)}")
        return
    if case.status == httpx.codes.OK:
        model = found.get("next_model_version")
        require(isinstance(model, str) and bool(model), f"the 200 has no next_model_version: {shown(answer)}")
        wanted = wanted | {"next_model_version": model}
    require(found == wanted, f"answered {shown(answer)}, where the contract says {wanted}")


def _played(case: Case) -> Check:
    def run(probe: Probe) -> None:
        matches(case, probe.post(case.path, case.make(probe.lent()).body))

    return Check(case.clause, case.name, run)


def _enrolment(number: int) -> Check:
    """Return the check of one refused enrolment; its case is made when the server's key ids are known."""
    named = enrolments("")[number]

    def run(probe: Probe) -> None:
        case = enrolments(probe.usable_keys()[0].key_id)[number]
        matches(case, probe.post(case.path, case.make(probe.stranger()).body))

    return Check(named.clause, named.name, run)


ACCEPTED = tuple(_played(case) for case in (*FORMATS, *ENCODINGS, *FRESH, FULL_BODY))
REFUSED = tuple(_played(case) for case in (*UNSIGNED, *UNOPENED, *ENVELOPES, *OVERSIZED, *NO_GRAPHS, *VIOLATIONS))
WITHDRAWALS = tuple(_played(case) for case in withdrawals.REFUSED)
ENROLMENTS = tuple(_enrolment(number) for number in range(len(enrolments(""))))

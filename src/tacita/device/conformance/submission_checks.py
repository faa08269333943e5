"""What takes more than one submission to see: retries, repeated nodes, silence, limits (contract §2.7, §3, §4)."""

from collections.abc import Iterator

from tacita.crypto.envelope import sign
from tacita.device.conformance.author import graph, node, submission
from tacita.device.conformance.check import Check
from tacita.device.conformance.malformed import ENVELOPES
from tacita.device.conformance.probe import Probe, content, require, shown
from tacita.device.conformance.refusals import CANARY, NO_GRAPHS, VIOLATIONS
from tacita.protocol.envelope import MAX_BODY_BYTES

_MOST_AT_ONCE = 100
_CHUNK = 1 << 16
_VARYING_HEADERS = ("date",)


def _retry(probe: Probe) -> None:
    body = submission(probe.enrolled()).body
    first, again = probe.submit(body), probe.submit(body)
    require(first.status_code == 200, f"a sound graph is not accepted: {shown(first)}")
    require(again.status_code == 200, f"the very same bytes again: answered {shown(again)}, where 200 belongs")
    before, after = content(first), content(again)
    require(before.get("message") != after.get("message"), "a retry can't be told apart by its message")
    same = before | {"message": ""} == after | {"message": ""}
    require(same, f"a retry differs in more than its message: {shown(first)}; {shown(again)}")


def _repeated(probe: Probe) -> None:
    """The app does not clear its graph: the next upload holds the same nodes again, and more (contract §3)."""
    author = probe.enrolled()
    earlier = graph(author)
    probe.submit(submission(author, earlier).body)
    metrics = earlier["aggregateMetrics"] | {"totalInteractions": 7}
    later = earlier | {"nodes": [*earlier["nodes"], node(author)], "aggregateMetrics": metrics}
    answer = probe.submit(submission(author, later).body)
    require(answer.status_code == 200, f"a graph with nodes that were sent before: answered {shown(answer)}")


def _alike(probe: Probe) -> None:
    author = probe.enrolled()
    unknown = probe.submit(submission(probe.stranger()).body)
    wrong = probe.submit(submission(author, signer=lambda _key, sealed: sign(bytes(32), sealed)).body)
    for answer in (unknown, wrong):
        require(answer.status_code == 401, f"answered {shown(answer)}, where 401 belongs")
    same = unknown.content == wrong.content
    require(same, f"an unknown device is told {shown(unknown)}, a wrong signature {shown(wrong)}")
    headers = [
        {name: value for name, value in answer.headers.items() if name not in _VARYING_HEADERS}
        for answer in (unknown, wrong)
    ]
    require(headers[0] == headers[1], "an unknown device and a wrong signature differ in their headers")


def _silent(probe: Probe) -> None:
    """Every text of the sender's own that a refusal could repeat contains one word; no answer may hold it."""
    for case in (*NO_GRAPHS, *VIOLATIONS, *ENVELOPES):
        author = probe.lent()
        request = case.make(author)
        if CANARY.encode() in request.body + (request.plaintext or b""):
            answer = probe.post(case.path, request.body)
            require(CANARY not in answer.text, f"{case.name}: the answer repeats what was sent: {shown(answer)}")
            require(author.key.hex() not in answer.text, f"{case.name}: the answer holds a key")


def _chunked(probe: Probe) -> None:
    def chunks() -> Iterator[bytes]:
        sent = 0
        while sent <= MAX_BODY_BYTES:
            yield b" " * _CHUNK
            sent += _CHUNK

    answer = probe.post("/api/v1/learning-graphs/submit", chunks())
    require(answer.status_code == 413, f"over 1 MiB, not announced: answered {shown(answer)}, where 413 belongs")


def _fast(probe: Probe) -> None:
    """A server may find that a hundred times the same bytes is too fast; then it says for how long."""
    body = submission(probe.enrolled()).body
    for _ in range(_MOST_AT_ONCE):
        answer = probe.submit(body)
        if answer.status_code == 429:
            seconds = answer.headers.get("Retry-After", "")
            require(seconds.isdigit() and int(seconds) > 0, f"a 429 with Retry-After {seconds!r}")
            require(isinstance(content(answer).get("detail"), str), f"a 429 without a detail: {shown(answer)}")
            return
        require(answer.status_code == 200, f"the same bytes again: answered {shown(answer)}")


CHECKS: tuple[Check, ...] = (
    Check("2.7", "a retry differs by its message only", _retry),
    Check("3", "nodes that were sent before come again", _repeated),
    Check("2.7", "an unknown device and a wrong signature look alike", _alike),
    Check("2.7", "no answer repeats what was sent", _silent),
    Check("2.7", "a 429 says when to come again", _fast),
    Check("4", "over 1 MiB without saying so first", _chunked),
)

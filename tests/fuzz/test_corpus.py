"""What fuzzing has found is replayed, and each target is tried for a moment with changed inputs of its corpus."""

import random
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.campaign import CORPUS, TARGETS
from tests.fuzz.mutation import mutate_json
from tests.fuzz.target_door import attacked_on

Check = Callable[[bytes], None]
_PURE = [target for target in TARGETS if target != "door"]


def _corpus(target: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def _check(target: str) -> Check:
    check: Check = import_module(f"tests.fuzz.target_{target}").check
    return check


@pytest.fixture
def door(database: str, tmp_path: Path) -> Iterator[Check]:
    with attacked_on(database, tmp_path) as check:
        yield check
    structlog.reset_defaults()


@pytest.mark.parametrize("target", _PURE)
def test_every_input_of_the_corpus_is_taken_or_refused(target: str) -> None:
    check = _check(target)

    for data in _corpus(target):
        check(data)


def test_every_request_of_the_corpus_is_answered_as_documented(door: Check) -> None:
    for data in _corpus("door"):
        door(data)


@pytest.mark.parametrize("target", _PURE)
@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_inputs_are_taken_or_refused(target: str, data: st.DataObject) -> None:
    sound = data.draw(st.sampled_from(_corpus(target)))
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    changed = mutate_json(sound, 1 << 16, rng) or data.draw(st.binary(max_size=200))

    _check(target)(changed)


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_changed_requests_are_answered_as_documented(door: Check, seed: int) -> None:
    rng = random.Random(seed)
    sound = rng.choice(_corpus("door"))

    door(mutate_json(sound, 1 << 16, rng) or sound.replace(b"/", b"%", rng.randrange(4)))

"""What a pack must hold, and that it decides as it says."""

import json
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.packs import PACKS

from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PackError, PolicyPack, decode_pack, encode_pack
from tacita.protocol import contexts

DRAWS = 4_000


def changed(**changes: Any) -> bytes:
    return json.dumps(json.loads(encode_pack(genesis_pack())) | changes).encode()


def table(name: str, value: float | None = None, at: tuple[int, ...] = (0, 0)) -> Any:
    """Return the genesis pack's table as lists, with one number replaced."""
    rows = json.loads(encode_pack(genesis_pack()))[name]
    if value is not None:
        inner = rows
        for index in at[:-1]:
            inner = inner[index]
        inner[at[-1]] = value
    return rows


@settings(max_examples=40)
@given(PACKS)
def test_a_pack_survives_its_file(pack: PolicyPack) -> None:
    assert decode_pack(encode_pack(pack)) == pack


@settings(max_examples=20)
@given(PACKS)
def test_the_same_pack_always_gives_the_same_bytes(pack: PolicyPack) -> None:
    assert encode_pack(decode_pack(encode_pack(pack))) == encode_pack(pack)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_pack_are_a_pack_error(data: bytes) -> None:
    with pytest.raises(PackError):
        decode_pack(data)


@pytest.mark.parametrize(
    "data",
    [
        changed(extra=1),
        changed(version="no spaces allowed"),
        changed(version=3),
        changed(routing=None),
        changed(releases=[1]),
        b"[" * 100_000,
        b'{"version": "\xff"}',
    ],
    ids=["extra key", "bad version", "version type", "null table", "release type", "deep nesting", "not UTF-8"],
)
def test_a_wrong_key_or_type_is_a_pack_error(data: bytes) -> None:
    with pytest.raises(PackError, match="can't be read"):
        decode_pack(data)


@pytest.mark.parametrize("name", ["version", "base_version", "releases", "routing", "emotion", "calibration"])
def test_a_missing_key_is_a_pack_error(name: str) -> None:
    fields = json.loads(changed())
    del fields[name]
    with pytest.raises(PackError, match=name):
        decode_pack(json.dumps(fields).encode())


def test_another_format_is_refused() -> None:
    with pytest.raises(PackError, match="format"):
        decode_pack(changed(format="tacita/policy-pack/2"))


@pytest.mark.parametrize("name", ["routing", "emotion", "calibration", "escalation"])
def test_a_table_with_a_row_too_few_is_refused(name: str) -> None:
    with pytest.raises(PackError, match=f"{name} table has another shape"):
        decode_pack(changed(**{name: table(name)[1:]}))


@pytest.mark.parametrize("name", ["routing", "emotion", "calibration", "escalation"])
def test_a_table_with_a_longer_row_is_refused(name: str) -> None:
    rows = table(name)
    rows[-1] = [*rows[-1], rows[-1][-1]]
    with pytest.raises(PackError, match=f"{name} table has another shape"):
        decode_pack(changed(**{name: rows}))


@pytest.mark.parametrize("value", [-1e-9, 1.000001, 1e300])
@pytest.mark.parametrize("name", ["routing", "calibration", "escalation"])
def test_a_number_that_is_no_probability_is_refused(name: str, value: float) -> None:
    with pytest.raises(PackError, match="no probability"):
        decode_pack(changed(**{name: table(name, value)}))


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(PackError):
        decode_pack(changed(routing=table("routing", float("nan"))))


def test_emotions_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(PackError, match="sum to one"):
        decode_pack(changed(emotion=table("emotion", 0.3, (0, 0, 0))))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_model_that_is_never_tried_is_refused(value: float) -> None:
    with pytest.raises(PackError, match="never tries"):
        decode_pack(changed(routing=table("routing", value)))


def test_an_emotion_that_is_never_shown_is_refused() -> None:
    emotion = table("emotion")
    emotion[3][2] = [0.0, *[0.2] * 5]
    with pytest.raises(PackError, match="never tries"):
        decode_pack(changed(emotion=emotion))


def test_certain_escalation_is_allowed() -> None:
    pack = decode_pack(changed(escalation=table("escalation", 1.0)))
    assert pack.should_escalate("greeting", 0.0)


@settings(max_examples=10)
@given(PACKS, st.integers())
def test_models_are_drawn_with_their_probability(pack: PolicyPack, seed: int) -> None:
    rng = random.Random(seed)
    drawn = Counter(pack.choose_model("command", 0.45, rng) for _ in range(DRAWS))
    wanted = pack.quality_probability("command", 0.45)
    assert drawn["quality"] / DRAWS == pytest.approx(wanted, abs=5 * (wanted * (1 - wanted) / DRAWS) ** 0.5 + 1e-3)


@settings(max_examples=10)
@given(PACKS, st.integers())
def test_emotions_are_drawn_with_their_probabilities(pack: PolicyPack, seed: int) -> None:
    rng = random.Random(seed)
    drawn = Counter(pack.choose_emotion(0.2, -0.9, rng) for _ in range(DRAWS))
    wanted = dict(zip(contexts.EMOTIONS, pack.emotion_probabilities(0.2, -0.9), strict=True))
    for emotion, share in wanted.items():
        assert drawn[emotion] / DRAWS == pytest.approx(share, abs=5 * (share * (1 - share) / DRAWS) ** 0.5 + 1e-3)


def test_a_draw_at_the_very_top_is_the_last_emotion() -> None:
    class Top:
        def random(self) -> float:
            return float(np.nextafter(1.0, 0.0))

    emotion = [[[1 / 6 - 1e-6] * 6] * 3] * 4
    pack = decode_pack(changed(emotion=emotion))
    assert pack.choose_emotion(0.0, 0.0, Top()) == contexts.EMOTIONS[-1]


def test_the_greedy_choices_are_the_likeliest_ones() -> None:
    pack = decode_pack(changed(routing=table("routing", 0.51)))
    assert (pack.greedy_model("greeting", 0.0), pack.greedy_emotion(-1.0, -1.0)) == ("quality", "SAD")


@pytest.mark.parametrize(("complexity", "column"), [(0.0, 0), (0.1, 1), (0.10000000149011612, 1), (0.59, 2), (1.0, 3)])
def test_a_context_is_looked_up_in_the_bins_that_are_counted(complexity: float, column: int) -> None:
    pack = genesis_pack()
    assert pack.quality_probability("search", complexity) == pack.routing[3][column]


def test_calibration_is_looked_up_by_confidence_then_query_type() -> None:
    pack = decode_pack(changed(calibration=table("calibration", 0.123, (4, 5))))
    assert pack.calibrated_confidence(0.92, "emotional") == 0.123


def test_an_unknown_query_type_is_a_pack_error_that_does_not_echo_it() -> None:
    with pytest.raises(PackError) as caught:
        genesis_pack().choose_model("secret words", 0.5, random.Random(1))
    assert "secret" not in str(caught.value)

"""The policy pack and the release file: what is written is read back; what isn't a policy is refused."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import worlds

from tacita.fleet.world import World
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PackError, decode_pack, encode_pack
from tacita.models.release_file import ReleaseFileError, decode_release_file, encode_release_file


def test_a_pack_is_read_back_as_it_was_written() -> None:
    assert decode_pack(encode_pack(genesis_pack())) == genesis_pack()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "tacita/other/1"},
        {"routing": ((0.5,) * 4,) * 6},
        {"routing": ((0.0,) * 4,) * 7},
        {"routing": ((1.0,) * 4,) * 7},
        {"emotion": (((0.2,) * 6,) * 3,) * 4},
        {"emotion": (((1 / 6,) * 6,) * 3,) * 3},
        {"calibration": ((1.1,) * 7,) * 5},
        {"escalation": ((-0.1,) * 4,) * 7},
    ],
)
def test_what_is_no_policy_is_refused(change: dict[str, object]) -> None:
    broken = msgspec.structs.replace(genesis_pack(), **change)

    with pytest.raises(PackError):
        decode_pack(encode_pack(broken))


@given(st.binary(max_size=200))
def test_any_other_bytes_are_a_pack_error(data: bytes) -> None:
    with pytest.raises(PackError):
        decode_pack(data)


def test_choices_follow_their_probabilities() -> None:
    pack, rng = genesis_pack(), np.random.default_rng(0)

    shown = [pack.choose_emotion(0.8, 0.8, rng) for _ in range(20_000)]
    quality = [pack.choose_model("question", 0.5, rng) == "quality" for _ in range(20_000)]

    assert abs(shown.count("EXCITED") / len(shown) - max(pack.emotion_probabilities(0.8, 0.8))) < 0.015
    assert abs(np.mean(quality) - pack.quality_probability("question", 0.5)) < 0.015


def test_the_greedy_choice_is_the_most_probable_one() -> None:
    pack = genesis_pack()

    assert (pack.greedy_emotion(-0.9, -0.9), pack.greedy_model("greeting", 0.05)) == ("SAD", "fast")


def test_a_release_file_is_read_back_as_it_was_written() -> None:
    file, _ = worlds.learned(World.drawn(1), 2, 1)[-1]

    assert decode_release_file(encode_release_file(file)) == file


def test_releases_out_of_order_are_refused() -> None:
    file, _ = worlds.learned(World.drawn(1), 2, 1)[-1]
    turned = msgspec.structs.replace(file, releases=file.releases[::-1])

    with pytest.raises(ReleaseFileError, match="ascending"):
        decode_release_file(encode_release_file(turned))


@given(st.binary(max_size=200))
def test_any_other_bytes_are_a_release_file_error(data: bytes) -> None:
    with pytest.raises(ReleaseFileError):
        decode_release_file(data)

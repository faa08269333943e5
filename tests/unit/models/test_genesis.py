"""The pack that every deployment starts with."""

import itertools

import pytest

from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import check_pack
from tacita.protocol import contexts
from tacita.protocol.ids import model_version

MOODS = list(itertools.product((-0.9, -0.2, 0.2, 0.9), (-0.9, 0.0, 0.9)))


def test_the_genesis_pack_is_a_policy() -> None:
    check_pack(genesis_pack())


def test_the_genesis_pack_is_version_one_and_was_learned_from_nothing() -> None:
    pack = genesis_pack()
    assert (pack.version, pack.base_version, pack.releases) == (model_version(1), None, ())


@pytest.mark.parametrize("mood", MOODS)
def test_every_emotion_is_shown_often_enough_to_be_learned_about(mood: tuple[float, float]) -> None:
    shares = genesis_pack().emotion_probabilities(*mood)
    assert min(shares) >= 0.1


@pytest.mark.parametrize("query_type", contexts.QUERY_TYPES)
def test_harder_queries_go_to_the_quality_model_more_often(query_type: str) -> None:
    shares = [genesis_pack().quality_probability(query_type, complexity) for complexity in (0.0, 0.2, 0.5, 0.9)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


@pytest.mark.parametrize("confidence", [0.3, 0.6, 0.75, 0.9, 0.99])
def test_a_models_confidence_is_taken_at_its_word(confidence: float) -> None:
    believed = genesis_pack().calibrated_confidence(confidence, "question")
    assert believed == pytest.approx(confidence, abs=0.13)

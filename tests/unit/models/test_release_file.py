"""The release file's round trip and what it refuses."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.packs import DIGESTS, VERSIONS, release_entry, release_file

from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PackError
from tacita.models.release_file import (
    VECTOR_CELLS,
    Release,
    ReleaseFile,
    ReleaseFileError,
    decode_release_file,
    encode_release_file,
)
from tacita.privacy.tables import CELLS

_RELEASES = st.builds(
    Release,
    round=st.integers(1, 2**31),
    digest=DIGESTS,
    model_version=VERSIONS,
    vector=st.lists(st.integers(-(2**53), 2**53), min_size=CELLS, max_size=CELLS).map(tuple),
    sigma=st.floats(0, 1e9),
    devices=st.integers(1, 10**9),
    nano_rho=st.integers(1, 10**10),
    epsilon=st.floats(0, 50),
    delta=st.floats(0, 1),
    policy_hash=DIGESTS,
)


def changed(**changes: Any) -> bytes:
    return json.dumps(json.loads(encode_release_file(release_file())) | changes).encode()


def entry(**changes: Any) -> Any:
    return json.loads(encode_release_file(release_file()))["releases"][0] | changes


def test_a_release_has_as_many_numbers_as_the_tables_have_cells() -> None:
    assert VECTOR_CELLS == CELLS


@settings(max_examples=15)
@given(st.lists(_RELEASES, min_size=1, max_size=3, unique_by=lambda made: made.round))
def test_a_release_file_survives_its_encoding(made: list[Release]) -> None:
    file = ReleaseFile(target_version="granite-3b-v9", releases=tuple(sorted(made, key=lambda each: each.round)))
    assert decode_release_file(encode_release_file(file)) == file


def test_a_release_file_carries_its_packs() -> None:
    file = decode_release_file(encode_release_file(release_file()))
    assert file.pack("granite-3b-v1") == genesis_pack()


def test_a_pack_that_is_not_in_the_file_is_a_release_file_error() -> None:
    with pytest.raises(ReleaseFileError, match="granite-3b-v7"):
        release_file().pack("granite-3b-v7")


def test_unknown_keys_of_a_newer_writer_are_ignored() -> None:
    assert decode_release_file(changed(releases=[entry(novelty=1)])).releases[0] == release_entry(1)


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b"\xff", b"nonsense"])
def test_bytes_that_are_no_release_file_are_refused(data: bytes) -> None:
    with pytest.raises(ReleaseFileError, match="can't be read"):
        decode_release_file(data)


@pytest.mark.parametrize(
    "change",
    [
        {"round": 0},
        {"digest": "XY"},
        {"devices": 0},
        {"sigma": -1.0},
        {"vector": [1.5] * CELLS},
        {"model_version": "a/b"},
        {"vector": [0] * (CELLS - 1)},
    ],
    ids=["round", "digest", "devices", "sigma", "fractions", "version", "cells"],
)
def test_a_release_outside_its_domain_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ReleaseFileError):
        decode_release_file(changed(releases=[entry(**change)]))


def test_a_file_without_releases_is_refused() -> None:
    with pytest.raises(ReleaseFileError):
        decode_release_file(changed(releases=[]))


def test_another_format_is_refused() -> None:
    with pytest.raises(ReleaseFileError, match="format"):
        decode_release_file(changed(format="tacita/releases/2"))


@pytest.mark.parametrize("rounds", [(2, 1), (1, 1)])
def test_rounds_out_of_order_or_twice_are_refused(rounds: tuple[int, int]) -> None:
    with pytest.raises(ReleaseFileError, match="ascending"):
        decode_release_file(changed(releases=[entry(round=number) for number in rounds]))


def test_a_pack_that_is_no_policy_is_refused() -> None:
    packs = json.loads(changed())["packs"]
    packs[0]["routing"][0][0] = 1.0
    with pytest.raises(PackError):
        decode_release_file(changed(packs=packs))

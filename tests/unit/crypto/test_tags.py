import uuid

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from tacita.crypto.keyring import keyed_tag
from tacita.crypto.tags import TAG_BYTES, node_tags

KEY = bytes(range(32))
IDS = st.lists(st.uuids().map(lambda made: str(made).upper()), max_size=20)


@given(IDS)
def test_an_id_has_the_same_name_in_whatever_company(ids: list[str]) -> None:
    together = node_tags(KEY, ids)

    assert together == [node_tags(KEY, [one])[0] for one in ids]


@given(st.uuids())
def test_a_name_is_the_first_half_of_the_ids_block_under_a_key_of_its_own(made: uuid.UUID) -> None:
    tag_key = keyed_tag(KEY, "node tags", b"AES-256")
    zero_iv = modes.CBC(bytes(16))
    block = Cipher(algorithms.AES256(tag_key), zero_iv).encryptor().update(made.bytes)

    assert node_tags(KEY, [str(made).upper()]) == [block[:TAG_BYTES]]


def test_another_key_gives_other_names() -> None:
    ids = [str(uuid.UUID(int=number)).upper() for number in range(1_000)]

    assert set(node_tags(KEY, ids)).isdisjoint(node_tags(bytes(32), ids))


def test_a_thousand_neighbouring_ids_have_a_thousand_names() -> None:
    ids = [str(uuid.UUID(int=number)).upper() for number in range(1_000)]

    assert len(set(node_tags(KEY, ids))) == 1_000


def test_what_is_no_uuid_gets_no_name() -> None:
    with pytest.raises(ValueError, match="Non-hexadecimal"):
        node_tags(KEY, ["my mother's name"])

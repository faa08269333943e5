"""Encodings and domains of the wire (contract §1, §2.1)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.protocol import contexts, dates, ids
from tacita.protocol.envelope import Envelope, MalformedBody, decode_body

SOUND: dict[str, Any] = {
    "deviceIdHash": "ab" * 32,
    "appVersion": "1.4.0",
    "modelVersion": "granite-3b-v1",
    "encryptedData": "AAAA",
    "signature": "AAAA",
    "timestamp": 817214280.5,
}


@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - made aware
def test_apple_seconds_and_unix_seconds_name_the_same_moment(moment: datetime) -> None:
    assert abs(dates.from_unix(dates.unix_seconds(dates.apple_seconds(moment))) - moment) < timedelta(milliseconds=1)


def test_the_apple_epoch_is_the_year_2001() -> None:
    assert dates.unix_seconds(0.0) == datetime(2001, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("key", SOUND)
def test_a_missing_key_is_named(key: str) -> None:
    body = json.dumps({name: value for name, value in SOUND.items() if name != key}).encode()

    with pytest.raises(MalformedBody) as error:
        decode_body(body, Envelope)

    assert error.value.field == key


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("deviceIdHash", "AB" * 32),
        ("deviceIdHash", "ab" * 31),
        ("deviceIdHash", "ab" * 32 + "\n"),
        ("appVersion", ""),
        ("appVersion", "1" * 65),
        ("modelVersion", "granite 3b"),
        ("timestamp", "2026-11-24T12:00:00"),
        ("timestamp", None),
        ("signature", 7),
    ],
)
def test_a_value_outside_its_domain_is_named_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(MalformedBody) as error:
        decode_body(json.dumps(SOUND | {key: value}).encode(), Envelope)

    assert error.value.field == key


@given(st.binary(max_size=300))
def test_any_other_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedBody):
        decode_body(data, Envelope)


@given(st.floats(-2, 2, width=32))
def test_both_texts_of_a_float_fall_into_the_same_bin(value: float) -> None:
    shortest = float(str(np.float32(value)))

    assert contexts.bins(shortest, contexts.PLEASURE_EDGES) == contexts.bins(value, contexts.PLEASURE_EDGES)


def test_an_edge_belongs_to_the_bin_above_it() -> None:
    assert contexts.bins([0.0999, 0.1, 0.3, 0.6, 1.0], contexts.COMPLEXITY_EDGES).tolist() == [0, 1, 2, 3, 3]


def test_an_identifier_is_hashed_as_the_app_does() -> None:
    assert ids.device_id_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

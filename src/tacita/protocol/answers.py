"""What the server answers (contract §2.7, §5.1, §6.1); snake_case on the wire."""

from typing import Any

import msgspec


class SubmitAnswer(msgspec.Struct, frozen=True):
    """A 200: the contribution is durably committed; `next_model_version` is what its round will train."""

    status: str
    next_model_version: str
    message: str


class ServerKey(msgspec.Struct, frozen=True):
    """One public enrolment key; `public_key` is Base64."""

    key_id: str
    suite: str
    public_key: str
    status: str
    not_after: str | None


class ServerKeys(msgspec.Struct, frozen=True):
    """The answer of `GET /api/v1/keys`."""

    keys: list[ServerKey]


class LatestModel(msgspec.Struct, frozen=True):
    """The answer of `GET /api/v1/models/latest`.

    Attributes:
        version: the model's version.
        created_at: when it was made, ISO 8601.
        delta_size_mb: what is to be downloaded (the delta, where the device's version has one), in 10^6 bytes.
        improvements: what the evaluation measured, in words with numbers.
        download_url: where what is to be downloaded lies.
        size_bytes: its length.
        sha256: its digest, in hex.
        base_version: what it was made from (of a delta: what it leads from), or null for the first.
        format: how to read it; `tacita-delta/1` is a delta.
        release: the privacy statement of the release that trained it, or null for the first.
    """

    version: str
    created_at: str
    delta_size_mb: float
    improvements: list[str]
    download_url: str
    size_bytes: int
    sha256: str
    base_version: str | None
    format: str
    release: dict[str, Any] | None

"""Dates on the wire: Apple reference seconds or ISO 8601 text (contract §1.2)."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

APPLE_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
APPLE_EPOCH_UNIX = APPLE_EPOCH.timestamp()

WireDate = float | Annotated[datetime, msgspec.Meta(tz=True)]
"""A JSON number of seconds since `APPLE_EPOCH`, or RFC 3339 text with an offset; text without one does not decode."""

_DECODER = msgspec.json.Decoder(WireDate)


def require_date(token: msgspec.Raw) -> None:
    """Check that a JSON token is a wire date.

    Raises:
        msgspec.DecodeError: it is not.
    """
    _DECODER.decode(token)


def token_unix_seconds(token: msgspec.Raw) -> float:
    """Return seconds since 1970-01-01T00:00:00Z of a JSON token that `require_date` took."""
    return unix_seconds(_DECODER.decode(token))


def apple_seconds(moment: datetime) -> float:
    """Return seconds since 2001-01-01T00:00:00Z, as Swift's `JSONEncoder` writes a `Date`."""
    return (moment - APPLE_EPOCH).total_seconds()


def unix_seconds(date: float | datetime) -> float:
    """Return seconds since 1970-01-01T00:00:00Z for either form of a wire date."""
    if isinstance(date, datetime):
        return date.timestamp()
    return date + APPLE_EPOCH_UNIX


def from_unix(seconds: float) -> datetime:
    """Return the UTC moment of `seconds` since 1970."""
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)

"""What a withdrawal is answered with (contract §5.5): a receipt, and its signature over the receipt's canonical JSON.

Canonical is: keys sorted, no white space, UTF-8. Anybody can verify a receipt with the deployment's public key alone.
"""

from typing import Any

import msgspec

FORMAT = "tacita/receipt/1"
WHAT_STAYS = (
    "What was released stays released; each release's statement bounds what it tells of any one device. The ledger of"
    " privacy budgets keeps what was charged for this device, under a keyed hash without its name, so that enrolling"
    " again buys no second budget."
)


class Erased(msgspec.Struct, frozen=True):
    """What was erased: the device's keys, how many accepted envelopes' records, and the contributions, by round."""

    device_keys: bool
    accepted_envelopes: int
    contributions_to_rounds: list[int]


class ReleasedInto(msgspec.Struct, frozen=True):
    """A release that the device's data had gone into: its digest (hex), when it was made, and what it guarantees."""

    round: int
    digest: str
    released_at: str
    statement: dict[str, Any]


class Receipt(msgspec.Struct, frozen=True):
    """A withdrawal's receipt; `withdrawn_at` is ISO 8601."""

    device_id_hash: str
    withdrawn_at: str
    erased: Erased
    released: list[ReleasedInto]
    what_stays: str = WHAT_STAYS
    format: str = FORMAT


class SignedReceipt(msgspec.Struct, frozen=True):
    """A receipt and its Ed25519 signature (Base64) by the key of that id; `receipt` may be of a later format."""

    receipt: Any
    key_id: str
    signature: str


class PublicReceiptKey(msgspec.Struct, frozen=True):
    """The answer of `GET /api/v1/receipt-key`: the 32 bytes of the key in Base64, and the same as PEM."""

    key_id: str
    algorithm: str
    public_key: str
    pem: str


def canonical(receipt: Any) -> bytes:
    """Return the bytes that the signature is over."""
    return msgspec.json.encode(receipt, order="sorted")

"""The device's side of a withdrawal (contract §5.5): the signed request, and the receipt that it keeps."""

from datetime import datetime

import msgspec

from tacita.crypto import receipts
from tacita.crypto.envelope import sign
from tacita.device.state import Device
from tacita.errors import TacitaError
from tacita.protocol.dates import apple_seconds
from tacita.protocol.envelope import Withdrawal, withdrawal_text
from tacita.protocol.receipt import Receipt, SignedReceipt, canonical


class ReceiptError(TacitaError):
    """A file isn't a receipt of withdrawal, or not one that its signature holds for."""


def request(device: Device, now: datetime) -> bytes:
    """Return the body of a withdrawal. The very same bytes get the same receipt again, if the first was lost."""
    timestamp = msgspec.json.encode(apple_seconds(now))
    signature = sign(device.key, withdrawal_text(device.id_hash, timestamp))
    return msgspec.json.encode(Withdrawal(device.id_hash, msgspec.Raw(timestamp), signature))


def verified(data: bytes, pem: bytes) -> Receipt:
    """Return what a receipt's file says, if it was signed with the key of this PEM.

    Raises:
        ReceiptError: it isn't a receipt.
        WrongReceiptSignature: the signature doesn't hold.
    """
    try:
        signed = msgspec.json.decode(data, type=SignedReceipt)
        receipts.verify(pem, canonical(signed.receipt), signed.signature)
        return msgspec.convert(signed.receipt, Receipt)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ReceiptError("this is not a receipt of withdrawal") from None

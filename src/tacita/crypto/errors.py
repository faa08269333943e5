"""What can go wrong with a key, a signature or a sealed text. No message says more than which of them it was."""

from tacita.errors import TacitaError
from tacita.protocol.refusals import Refusal


class CryptographyError(TacitaError):
    """The root of this room's errors."""


class MalformedBase64(CryptographyError):  # noqa: N818 - named for the state of the text
    """The text is not standard Base64 with padding (contract §1.3)."""


class DoesNotOpen(CryptographyError):  # noqa: N818 - named for what the sealed text does
    """A sealed text is too short, was changed, or was sealed under another key."""


class MalformedPublicKey(CryptographyError):  # noqa: N818 - named for the state of the key
    """A public key does not have its suite's length, or is a point that agrees on nothing."""


class AttestationRefused(CryptographyError):  # noqa: N818 - what happened to it
    """An App Attest attestation does not show what it must; `reason` says at which step."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(f"attestation refused: {reason.value}")
        self.reason = reason


class KeyringError(CryptographyError):
    """The deployment's key files, or the key-encryption key that opens them, are missing or wrong."""

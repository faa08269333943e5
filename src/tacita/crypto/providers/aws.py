"""A key-encryption key that AWS KMS wraps (`Encrypt`, `Decrypt`), with boto3."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tacita.crypto.errors import KeyringError
from tacita.crypto.providers.kept import WrappedKek

_CONTEXT = {"purpose": "tacita/kek/1"}
"""KMS binds it to the ciphertext and writes it to its log."""


def _call(text: str, operation: Callable[..., dict[str, Any]], answer: str, **arguments: Any) -> bytes:
    try:
        return bytes(operation(EncryptionContext=_CONTEXT, **arguments)[answer])
    except ClientError as error:
        raise KeyringError(f"{text}: {error.response['Error']['Code']}") from None
    except BotoCoreError as error:
        raise KeyringError(f"{text}: {type(error).__name__}") from None


def source(scheme: str, reference: str, folder: Path) -> WrappedKek:
    """Return the source of `aws-kms:KEY`; region, credentials and endpoint are boto3's to find."""
    text = f"{scheme}:{reference}"
    try:
        kms = boto3.client("kms")
    except BotoCoreError as error:
        raise KeyringError(f"{text}: {type(error).__name__}") from None
    return WrappedKek(
        text,
        folder,
        wrap=lambda kek: _call(text, kms.encrypt, "CiphertextBlob", KeyId=reference, Plaintext=kek),
        unwrap=lambda wrapped: _call(text, kms.decrypt, "Plaintext", KeyId=reference, CiphertextBlob=wrapped),
    )

"""Apple App Attest (contract §5.4): a genuine instance of the operator's app, on Apple's hardware, made an enrolment.

The steps are those of Apple's "Validating Apps That Connect to Your Server", numbered as there. The wire's
`attestation` is `{"keyId", "attestationObject"}`, both Base64, as `DCAppAttestService` gives them. There is no
challenge to fetch: the app hashes what the server sees anyway,

    clientDataHash = SHA-256(UTF-8 "tacita/attest/1|<deviceIdHash>|<sealedKey, the Base64 text>")

so that an attestation serves one device and one sealed key only (decision 18).
"""

import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError
from fido2 import cbor

from tacita.crypto.errors import AttestationRefused, KeyringError
from tacita.protocol.refusals import Refusal

Environment = Literal["production", "development"]

MAX_OBJECT_BYTES = 16_384
"""Apple's objects take about 6 KB; decoding costs the square of this, and is done for strangers."""

_APPLES_ROOT = Path(__file__).with_name("apple_app_attestation_root_ca.pem")
_FORMAT = "apple-appattest"
_NONCE_OID = x509.ObjectIdentifier("1.2.840.113635.100.8.2")
_NONCE_DER = bytes.fromhex("3024a1220420")
"""SEQUENCE { [1] { OCTET STRING of 32 bytes } }, what the nonce is wrapped in."""
_AUTH_DATA = struct.Struct(">32s B I 16s H 32s")
"""rpIdHash, flags, counter, aaguid, credentialId's length and bytes (WebAuthn §6.1); what follows isn't needed.

Since iOS 27 extensions follow the public key without the flag that WebAuthn demands for them; the nonce covers them.
"""
_AAGUIDS: dict[Environment, bytes] = {
    "production": b"appattest\0\0\0\0\0\0\0",
    "development": b"appattestdevelop",
}


class _Statement(msgspec.Struct):
    x5c: list[bytes]


class _Object(msgspec.Struct, rename="camel"):
    fmt: str
    att_stmt: _Statement
    auth_data: bytes


def client_data_hash(device_id_hash: str, sealed_key: str) -> bytes:
    """Return what the app hands to `attestKey(_:clientDataHash:)`: 32 bytes."""
    return hashlib.sha256(f"tacita/attest/1|{device_id_hash}|{sealed_key}".encode()).digest()


@dataclass(frozen=True)
class AppAttest:
    """What an operator demands of attestations.

    Attributes:
        app_ids: the apps, each as `<team id>.<bundle id>`.
        environment: which of Apple's attestation services.
        root: the certificate that chains end in.
    """

    app_ids: frozenset[str]
    environment: Environment
    root: x509.Certificate

    @classmethod
    def demanding(cls, app_ids: frozenset[str], environment: Environment, root: Path | None) -> "AppAttest":
        """Return it with Apple's own root, or with another (of a test) from a PEM file.

        Raises:
            KeyringError: the file holds no certificate.
        """
        path = root or _APPLES_ROOT
        try:
            return cls(app_ids, environment, x509.load_pem_x509_certificate(path.read_bytes()))
        except (OSError, ValueError):
            raise KeyringError(f"{path} does not hold a certificate in PEM") from None

    def verify(self, key_id: bytes, attestation_object: bytes, data_hash: bytes, now: datetime) -> None:
        """Check an attestation whose nonce must cover `data_hash` (32 bytes).

        Raises:
            AttestationRefused: with the step that failed as its reason.
        """
        opened = _decoded(attestation_object)
        leaf = self._leaf(opened.att_stmt.x5c, now)
        nonce = hashlib.sha256(opened.auth_data + data_hash).digest()
        _require(hmac.compare_digest(_nonce(leaf), _NONCE_DER + nonce), Refusal.ATTESTATION_NOT_BOUND)  # steps 2 to 4
        try:
            rp_id_hash, _, counter, aaguid, length, credential_id = _AUTH_DATA.unpack_from(opened.auth_data)
        except struct.error:
            raise AttestationRefused(Refusal.ATTESTATION_MALFORMED) from None
        of_leaf = hashlib.sha256(_public_point(leaf)).digest()
        own = of_leaf == key_id == credential_id and length == len(credential_id)
        _require(own, Refusal.ATTESTATION_OTHER_KEY)  # steps 5 and 9
        apps = {hashlib.sha256(app_id.encode()).digest() for app_id in self.app_ids}
        _require(rp_id_hash in apps, Refusal.ATTESTATION_OTHER_APP)  # step 6
        _require(counter == 0, Refusal.ATTESTATION_KEY_USED)  # step 7
        _require(aaguid == _AAGUIDS[self.environment], Refusal.ATTESTATION_OTHER_ENVIRONMENT)  # step 8

    def _leaf(self, chain: list[bytes], now: datetime) -> x509.Certificate:
        """Return the credential's certificate if its chain holds now (step 1)."""
        verifier = (
            PolicyBuilder()
            .store(Store([self.root]))
            .time(now.astimezone(UTC).replace(tzinfo=None))
            .max_chain_depth(1)
            .extension_policies(
                ee_policy=ExtensionPolicy.permit_all(),  # Apple's leaf names no host, and has Apple's own extensions
                ca_policy=ExtensionPolicy.webpki_defaults_ca(),
            )
            .build_client_verifier()
        )
        try:
            leaf, *intermediates = [x509.load_der_x509_certificate(each) for each in chain]
            verifier.verify(leaf, intermediates)
        except (VerificationError, x509.UnsupportedGeneralNameType, ValueError):
            raise AttestationRefused(Refusal.ATTESTATION_UNTRUSTED) from None
        return leaf


def _decoded(attestation_object: bytes) -> _Object:
    if len(attestation_object) > MAX_OBJECT_BYTES:
        raise AttestationRefused(Refusal.ATTESTATION_MALFORMED)
    try:
        opened = msgspec.convert(cbor.decode(attestation_object), _Object, builtin_types=[bytes])
    except (ValueError, LookupError, TypeError, RecursionError, struct.error):  # whatever the decoder meets
        raise AttestationRefused(Refusal.ATTESTATION_MALFORMED) from None
    _require(opened.fmt == _FORMAT, Refusal.ATTESTATION_MALFORMED)
    return opened


def _nonce(leaf: x509.Certificate) -> bytes:
    try:
        extension = leaf.extensions.get_extension_for_oid(_NONCE_OID).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return b""
    return extension.value if isinstance(extension, x509.UnrecognizedExtension) else b""


def _public_point(leaf: x509.Certificate) -> bytes:
    """Return the public key as an uncompressed X9.62 point, or nothing when it is of another kind."""
    try:
        key = leaf.public_key()
    except ValueError:
        return b""
    if not isinstance(key, EllipticCurvePublicKey):
        return b""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _require(holds: bool, reason: Refusal) -> None:
    if not holds:
        raise AttestationRefused(reason)

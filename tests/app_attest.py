"""Apple's side of App Attest, played by a chain of our own: a root, an intermediate, and a leaf for each key."""

import hashlib
import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from fido2 import cbor
from tests.graphs import NOW

APP_ID = "ABCDE12345.com.example.assistant"
_NONCE = x509.ObjectIdentifier("1.2.840.113635.100.8.2")


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass
class Authority:
    """A root that signs itself, or an intermediate that its issuer signs."""

    name: str
    issuer: "Authority | None" = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        issuer = self.issuer or self
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        ) | {"key_cert_sign": True, "crl_sign": True, "encipher_only": False, "decipher_only": False}
        builder = (
            _dated(_name(self.name), _name(issuer.name), self.key, NOW - timedelta(days=900), timedelta(days=9_000))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0 if self.issuer else None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        )
        self.certificate = builder.sign(issuer.key, hashes.SHA384())


def _dated(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, since: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(since).not_valid_after(since + lifetime)


@dataclass
class Apple:
    """Attests keys; each argument of `attest` that is given makes the attestation wrong in that one way."""

    root: Authority = field(default_factory=lambda: Authority("Test Attestation Root"))
    intermediate: Authority = field(init=False)

    def __post_init__(self) -> None:
        self.intermediate = Authority("Test Attestation CA", self.root)

    def attest(
        self,
        data_hash: bytes,
        *,
        app_id: str = APP_ID,
        aaguid: bytes = b"appattest".ljust(16, b"\0"),
        counter: int = 0,
        credential_id: bytes | None = None,
        made_at: datetime = NOW,
        fmt: str = "apple-appattest",
        nonce_prefix: str = "3024a1220420",
        chain: list[x509.Certificate] | None = None,
    ) -> tuple[bytes, bytes]:
        """Return the key's id and its attestation object over `data_hash`."""
        key = ec.generate_private_key(ec.SECP256R1())
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        key_id = hashlib.sha256(point).digest()
        named = key_id if credential_id is None else credential_id
        cose: dict[int, Any] = {1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]}
        auth_data = hashlib.sha256(app_id.encode()).digest() + struct.pack(">BI", 0x40, counter) + aaguid
        auth_data += struct.pack(">H", len(named)) + named + cbor.encode(cose)
        nonce = hashlib.sha256(auth_data + data_hash).digest()
        leaf = (
            _dated(_name(key_id.hex()), _name(self.intermediate.name), key, made_at - timedelta(1), timedelta(days=3))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.UnrecognizedExtension(_NONCE, bytes.fromhex(nonce_prefix) + nonce), critical=False)
            .sign(self.intermediate.key, hashes.SHA256())
        )
        certificates = [leaf, *([self.intermediate.certificate] if chain is None else chain)]
        statement = {"x5c": [each.public_bytes(Encoding.DER) for each in certificates], "receipt": b"receipt"}
        return key_id, cbor.encode({"fmt": fmt, "attStmt": statement, "authData": auth_data})

"""Certificates of every kind for tests: an authority and what it has issued."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from live.sections import Provenance

Key: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

EMAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
DOCUMENTS = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
CLAIMS = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Issued:
    """A signer's certificate, its key and who issued it."""

    leaf: x509.Certificate
    key: Key
    authority: x509.Certificate

    @property
    def chain(self) -> str:
        return text(self.leaf) + text(self.authority)

    def settings(self, folder: Path, *, chain: str | None = None, key: str = "") -> Provenance:
        """Both in files, as an operator has them."""
        certificate, private_key = folder / "chain.pem", folder / "key.pem"
        certificate.write_text(self.chain if chain is None else chain)
        private_key.write_text(key or secret(self.key))
        private_key.chmod(0o600)
        return Provenance(certificate=certificate, private_key=private_key)


def issued(
    key: Key | None = None,
    *,
    purposes: tuple[x509.ObjectIdentifier, ...] = (EMAIL,),
    days: tuple[float, float] = (-1, 365),
    is_authority: bool = False,
    by_itself: bool = False,
    has_issuer_id: bool = True,
) -> Issued:
    """A certificate of a new authority; `days`: from when until when, counted from now."""
    key = key or p256()
    authority_key: Key = p256()
    authority = _signed(
        _builder("Authority", "Authority", authority_key, (-30, 3000), True), authority_key
    )
    name = "Operator Ltd"
    builder = _builder(name, name if by_itself else "Authority", key, days, is_authority)
    if has_issuer_id:
        public = authority_key.public_key()
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(public)
        builder = builder.add_extension(issuer, critical=False)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    leaf = _signed(builder, key if by_itself else authority_key)
    return Issued(leaf, key, authority)


def text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def secret(key: Key, password: bytes | None = None) -> str:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    ).decode()


def _signed(builder: x509.CertificateBuilder, key: Key) -> x509.Certificate:
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm)


def _builder(
    subject: str, issuer: str, key: Key, days: tuple[float, float], is_authority: bool
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
    )


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )

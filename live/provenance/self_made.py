"""A certificate for trying things out: an authority of our own and what it issued, made once.

Both say in their names that they prove nothing about who signed. The authority's key is thrown
away as soon as it has issued the one certificate, so nobody can issue another in its name.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from live.keys import read_or_make
from live.provenance.certificates import SigningCertificate, checked, pem, read_chain, read_key
from live.provenance.library import EXTENDED_KEY_USAGES

FILE = "provenance-test.pem"
NAME = "Visavis test certificate, proves no identity"
AUTHORITY = "Visavis test authority, proves no identity"
_ORGANIZATION = "Test only"

_VALID = timedelta(days=3650)
_BEFORE = timedelta(hours=1)  # for readers whose clocks are behind ours
_RENEWED = timedelta(days=30)


def self_made(folder: Path) -> SigningCertificate:
    """The test certificate of this folder, made where there is none or it ends soon."""
    file = folder / FILE
    data = read_or_make(file, _new)
    chain = read_chain(data, str(file))
    if min(one.not_valid_after_utc for one in chain) - datetime.now(UTC) < _RENEWED:
        file.unlink(missing_ok=True)
        data = read_or_make(file, _new)
        chain = read_chain(data, str(file))
    return checked(chain, read_key(data, str(file)), str(file), str(file), is_test=True)


def _new() -> bytes:
    """The key, its certificate and that of the authority, in one file: they never part."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name(AUTHORITY)
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    own = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    purposes = [
        x509.ObjectIdentifier(oid)
        for oid, name in EXTENDED_KEY_USAGES.items()
        if name in ("emailProtection", "c2pa-kp-claimSigning")
    ]
    leaf = (
        _builder(_name(NAME), authority_name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(own, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return secret + pem(leaf).encode() + pem(authority).encode()


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )

"""A certificate chain and its private key in, what signs content credentials out.

What readers would refuse is refused here, when the server starts and not when a film is done.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.x509.oid import NameOID

from live.errors import SettingsError
from live.provenance.library import EXTENDED_KEY_USAGES

LARGEST = 65_536
"""Bytes of a certificate or key file that is looked at."""

_ECDSA = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_SMALLEST_RSA = 2048


@dataclass(frozen=True, slots=True)
class SigningCertificate:
    """A chain that readers of content credentials accept, with the key of its first."""

    chain: tuple[x509.Certificate, ...]
    """The signer's own first, then that of whoever issued it, and so on."""
    key: PrivateKeyTypes = field(repr=False)
    algorithm: str
    """As C2PA names it: es256, es384, es512, ps256, ed25519."""
    is_test: bool = False
    """Whether we made it ourselves: then it proves nothing about who signed."""

    @property
    def leaf(self) -> x509.Certificate:
        """The signer's own."""
        return self.chain[0]

    @property
    def chain_pem(self) -> str:
        """The chain as text."""
        return "".join(map(pem, self.chain))

    @property
    def key_pem(self) -> str:
        """The private key as text (PKCS #8)."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    @property
    def name(self) -> str:
        """Whom it names."""
        return common_name(self.leaf)

    @property
    def issuer(self) -> str:
        """Who says so."""
        return common_name(self.chain[-1])

    @property
    def ends(self) -> datetime:
        """When the first of its certificates is no longer valid."""
        return min(one.not_valid_after_utc for one in self.chain)


def pem(certificate: x509.Certificate) -> str:
    """The certificate as text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def common_name(certificate: x509.Certificate) -> str:
    """Whom a certificate names."""
    for attribute in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for one in certificate.subject.get_attributes_for_oid(attribute):
            return str(one.value)
    return certificate.subject.rfc4514_string()


def from_files(certificate: Path, private_key: Path) -> SigningCertificate:
    """The operator's own. Raises `SettingsError` for a pair that readers would refuse."""
    chain = read_chain(_read(certificate, "provenance.certificate"), str(certificate))
    key_data = _read(private_key, "provenance.private_key")
    mode = stat.S_IMODE(private_key.stat().st_mode)
    if mode & 0o007:
        raise SettingsError(
            f"{private_key} is a secret that everybody may read (mode {mode:04o}):"
            f" chmod 600 {private_key}"
        )
    key = read_key(key_data, str(private_key))
    return checked(chain, key, str(certificate), str(private_key))


def read_chain(data: bytes, where: str) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file."""
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(
            f"{where} holds no certificates in PEM; give the signer's own first and those of its"
            " issuers after it"
        ) from error


def read_key(data: bytes, where: str) -> PrivateKeyTypes:
    """The private key of a PEM file."""
    try:
        return serialization.load_pem_private_key(data, password=None)
    except TypeError as error:
        raise SettingsError(
            f"{where} is protected by a password; take that off: openssl pkcs8 -topk8 -nocrypt"
            f" -in {where} -out KEY.pem"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{where} is no private key in PEM (PKCS #8)") from error


def checked(
    chain: tuple[x509.Certificate, ...],
    key: PrivateKeyTypes,
    where: str,
    key_where: str,
    *,
    is_test: bool = False,
) -> SigningCertificate:
    """The two together; raises `SettingsError` where they do not fit or are not fit for this."""
    leaf = chain[0]
    algorithm = _algorithm(leaf.public_key(), where)
    if _public_bytes(key.public_key()) != _public_bytes(leaf.public_key()):
        raise SettingsError(
            f"{key_where} is not the key of the first certificate in {where}; the signer's own"
            " certificate has to come first, those of its issuers after it"
        )
    _check_use(leaf, where)
    _check_order(chain, where)
    made = SigningCertificate(chain, key, algorithm, is_test)
    check_dates(made, where)
    return made


def check_dates(certificate: SigningCertificate, where: str = "the signing certificate") -> None:
    """Raises `SettingsError` where one of the chain is not valid now."""
    now = datetime.now(UTC)
    for one in certificate.chain:
        if now < one.not_valid_before_utc:
            begin = one.not_valid_before_utc
            raise SettingsError(
                f"{where}: the certificate of {common_name(one)!r} is valid from {begin:%Y-%m-%d}"
                " on; is the clock of this machine right?"
            )
        if now > one.not_valid_after_utc:
            end = one.not_valid_after_utc
            raise SettingsError(
                f"{where}: the certificate of {common_name(one)!r} has expired on {end:%Y-%m-%d};"
                " get a new one"
            )


def _read(file: Path, setting: str) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise SettingsError(f"{setting}: {file} cannot be read ({error.strerror})") from error
    if len(data) > LARGEST:
        raise SettingsError(f"{setting}: {file} is too large to be PEM")
    return data


def _algorithm(key: PublicKeyTypes, where: str) -> str:
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _ECDSA:
        return _ECDSA[key.curve.name]
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _SMALLEST_RSA:
        return "ps256"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    raise SettingsError(
        f"{where} is for a key that content credentials are not signed with; take an elliptic"
        f" curve of NIST's (P-256, P-384, P-521), Ed25519, or RSA of {_SMALLEST_RSA} bits and more"
    )


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _check_use(leaf: x509.Certificate, where: str) -> None:
    """Whether the certificate is meant for signatures of this kind."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except (x509.ExtensionNotFound, ValueError) as error:
        raise SettingsError(
            f"{where} does not say what its key is for or who issued it; {_needed()}, and an"
            " authority key identifier"
        ) from error
    if not usage.digital_signature or usage.key_cert_sign:
        raise SettingsError(
            f"{where} is an authority's certificate or not for digital signatures; {_needed()}"
        )
    told = {purpose.dotted_string for purpose in purposes}
    if not told & set(EXTENDED_KEY_USAGES):
        raise SettingsError(f"{where} is for other uses (as servers' are, for TLS); {_needed()}")


def _needed() -> str:
    names = ", ".join(EXTENDED_KEY_USAGES.values())
    return (
        f"needed are the key usage digitalSignature and the extended key usage of one of: {names}"
    )


def _check_order(chain: tuple[x509.Certificate, ...], where: str) -> None:
    """Whether each was issued by the next, and there is a next."""
    if chain[0].issuer == chain[0].subject:
        raise SettingsError(
            f"{where} was signed with its own key, which readers refuse; get one from an authority,"
            " or unset provenance.certificate and provenance.private_key for a test certificate"
        )
    if len(chain) == 1:
        missing = chain[0].issuer.rfc4514_string()
        raise SettingsError(
            f"{where} holds the signer's certificate alone; append that of its issuer ({missing}),"
            " or readers cannot tell whom to trust"
        )
    for one, issuer in pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise SettingsError(
                f"{where}: the certificate of {common_name(one)!r} was not issued by that of"
                f" {common_name(issuer)!r}, which follows it; put them in order, the signer's first"
            ) from error

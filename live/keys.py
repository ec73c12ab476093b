"""The operator's secrets: files or environment in, keys in memory out.

Two secrets say who runs this server. The signing key (Ed25519) signs consent records, statements
about calls, the audit log and access tokens. The mark key (32 bytes) spreads the in-pixel mark,
and only who has it can find that. Both are made on first use, in a folder of mode 0700, in files
of mode 0600, unless the environment gives them.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from live.errors import SettingsError
from live.sections import Keys
from live.signed import key_id

SIGNING_FILE = "signing.pem"
MARK_FILE = "mark.key"
MARK_BYTES = 32


@dataclass(frozen=True, slots=True)
class OperatorKeys:
    """What this operator signs and marks with, and whom it believes."""

    signing: Ed25519PrivateKey = field(repr=False)
    mark: bytes = field(repr=False)
    """`MARK_BYTES` long."""
    former_marks: tuple[bytes, ...] = field(default=(), repr=False)
    """Mark keys of before, which still find old marks."""
    trusted: Mapping[str, Ed25519PublicKey] = field(default_factory=dict)
    """Other operators' keys, by id, whose consent records are believed."""

    @property
    def id(self) -> str:
        """The signing key's thumbprint."""
        return key_id(self.signing.public_key())

    @property
    def own(self) -> dict[str, Ed25519PublicKey]:
        """The signing key's public half by its id, as `signed.opened` takes it."""
        return {self.id: self.signing.public_key()}

    @property
    def believed(self) -> dict[str, Ed25519PublicKey]:
        """Ours and the trusted ones."""
        return {**self.trusted, **self.own}

    @property
    def mark_id(self) -> str:
        """Names the mark key without giving it away: 16 hexadecimal digits."""
        return mark_id(self.mark)


def mark_id(mark: bytes) -> str:
    """Names a mark key without giving it away."""
    return sha256(b"visavis mark key\0" + mark).hexdigest()[:16]


def load(settings: Keys) -> OperatorKeys:
    """The operator's keys; what is missing is made. Raises `SettingsError`."""
    folder = settings.folder
    if settings.signing is not None:
        signing = _private(settings.signing.get_secret_value().encode(), "keys.signing")
    else:
        file = folder / SIGNING_FILE
        signing = _private(read_or_make(file, _new_signing), str(file))
    if settings.mark is not None:
        mark = _mark(settings.mark.get_secret_value(), "keys.mark")
    else:
        file = folder / MARK_FILE
        mark = _mark(read_or_make(file, _new_mark).decode("ascii", "replace"), str(file))
    former = tuple(
        _mark(one.get_secret_value(), "keys.former_marks") for one in settings.former_marks
    )
    return OperatorKeys(signing, mark, former, _trusted(settings.trusted))


def _new_signing() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _new_mark() -> bytes:
    return secrets.token_hex(MARK_BYTES).encode() + b"\n"


def read_or_make(file: Path, make: Callable[[], bytes]) -> bytes:
    """A secret file's bytes, made where there is none; one that others may read is refused."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    if not file.exists():
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(make())
                stream.flush()
                os.fsync(stream.fileno())
            with suppress(FileExistsError):  # the first of two processes wins
                os.link(part, file)
        finally:
            part.unlink(missing_ok=True)
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        raise SettingsError(
            f"{file} is a secret that others may read (mode {mode:04o}): chmod 600 {file}"
        )
    return file.read_bytes()


def _private(pem: bytes, where: str) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"{where} is no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(
            f"{where} is a key of another kind; make one with: openssl genpkey -algorithm ed25519"
        )
    return key


def _mark(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != MARK_BYTES:
        raise SettingsError(
            f"{where} has to be {2 * MARK_BYTES} hexadecimal digits: openssl rand -hex {MARK_BYTES}"
        )
    return key


def _trusted(folder: Path | None) -> dict[str, Ed25519PublicKey]:
    if folder is None:
        return {}
    keys = {}
    for file in sorted(folder.glob("*.pem")):
        try:
            key = serialization.load_pem_public_key(file.read_bytes())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SettingsError(f"{file} is no public key in PEM") from error
        if not isinstance(key, Ed25519PublicKey):
            raise SettingsError(f"{file} is no Ed25519 key, and no other is used for records")
        keys[key_id(key)] = key
    return keys

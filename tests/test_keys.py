"""Secrets are made once, kept from others' eyes, and given by the environment where one wants."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from pydantic import SecretStr

from live import keys
from live.errors import SettingsError
from live.sections import Keys


def _pem(key: object) -> str:
    return key.private_bytes(  # type: ignore[attr-defined,no-any-return]  # of any kind
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def test_made_once_for_the_operators_eyes(tmp_path: Path) -> None:
    settings = Keys(folder=tmp_path / "keys")
    first, second = keys.load(settings), keys.load(settings)
    assert (first.id, first.mark) == (second.id, second.mark)
    for name in (keys.SIGNING_FILE, keys.MARK_FILE):
        assert stat.S_IMODE((settings.folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in settings.folder.iterdir()) == ["mark.key", "signing.pem"]


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    settings = Keys(folder=tmp_path)
    keys.load(settings)
    (tmp_path / keys.SIGNING_FILE).chmod(0o640)
    with pytest.raises(SettingsError, match=r"mode 0640.*chmod 600"):
        keys.load(settings)


def test_the_environment_stands_in_for_files(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    given = Keys(
        folder=tmp_path / "none", signing=SecretStr(_pem(key)), mark=SecretStr("ab" * 32 + "\n")
    )
    loaded = keys.load(given)
    assert loaded.signing.public_key() == key.public_key()
    assert loaded.mark == b"\xab" * 32
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("signing", "mark", "said"),
    [
        ("nonsense", "00" * 32, "no private key in PEM"),
        (_pem(generate_private_key(65537, 2048)), "00" * 32, "another kind"),
        (_pem(Ed25519PrivateKey.generate()), "00" * 31, "64 hexadecimal digits"),
        (_pem(Ed25519PrivateKey.generate()), "zz" * 32, "64 hexadecimal digits"),
    ],
)
def test_bad_secrets_are_refused_and_not_repeated(signing: str, mark: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as raised:
        keys.load(Keys(signing=SecretStr(signing), mark=SecretStr(mark)))
    assert signing not in str(raised.value)
    assert mark not in str(raised.value)


def test_no_secret_in_what_is_printed(tmp_path: Path) -> None:
    loaded = keys.load(Keys(folder=tmp_path))
    assert loaded.mark.hex() not in repr(loaded)
    assert len(loaded.mark_id) == 16
    assert loaded.mark_id not in loaded.mark.hex()


def test_trusted_keys_are_believed_beside_our_own(tmp_path: Path) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    pem = other.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "other.pem").write_bytes(pem)
    loaded = keys.load(Keys(folder=tmp_path / "own", trusted=tmp_path))
    assert len(loaded.believed) == 2
    assert loaded.id in loaded.believed
    assert list(loaded.own) == [loaded.id]

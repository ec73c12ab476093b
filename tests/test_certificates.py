"""A certificate that readers would refuse is refused when the server starts, with the reason."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from live.errors import SettingsError
from live.examination import credentials as examination
from live.provenance import self_made
from live.provenance.certificates import read_chain, read_key
from live.provenance.credentials import Credentials
from live.sections import Keys, Provenance
from tests.certificates import (
    CLAIMS,
    DOCUMENTS,
    EMAIL,
    SERVER,
    Issued,
    Key,
    issued,
    p256,
    secret,
    text,
)


def _load(settings: Provenance, folder: Path) -> Credentials:
    return Credentials.load(settings, Keys(folder=folder / "keys"))


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (p256(), "es256"),
        (ec.generate_private_key(ec.SECP384R1()), "es384"),
        (ed25519.Ed25519PrivateKey.generate(), "ed25519"),
        (rsa.generate_private_key(65537, 2048), "ps256"),
    ],
)
def test_keys_of_every_kind_that_credentials_know(tmp_path: Path, key: Key, algorithm: str) -> None:
    loaded = _load(issued(key).settings(tmp_path), tmp_path)
    assert loaded.certificate.algorithm == algorithm
    assert not loaded.certificate.is_test
    assert "'Operator Ltd', issued by 'Authority'" in loaded.described
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("purpose", [EMAIL, DOCUMENTS, CLAIMS])
def test_every_purpose_that_credentials_know(
    tmp_path: Path, purpose: x509.ObjectIdentifier
) -> None:
    _load(issued(purposes=(purpose,)).settings(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (issued(days=(-9, -1)), "'Operator Ltd' has expired on"),
        (issued(days=(1, 9)), "valid from .* clock"),
        (issued(purposes=(SERVER,)), "other uses"),
        (issued(purposes=()), "does not say what its key is for"),
        (issued(has_issuer_id=False), "or who issued it.*authority key identifier"),
        (issued(is_authority=True), "an authority's certificate"),
        (issued(by_itself=True), "signed with its own key"),
        (issued(ec.generate_private_key(ec.SECP256K1())), "not signed with; take"),
        (issued(rsa.generate_private_key(65537, 1024)), "RSA of 2048 bits"),
    ],
)
def test_a_certificate_that_is_unfit(tmp_path: Path, certificate: Issued, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        _load(certificate.settings(tmp_path), tmp_path)


GOOD = issued()


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        (text(GOOD.leaf), "alone; append that of its issuer.*Authority"),
        (text(GOOD.leaf) + text(issued().authority), "was not issued by"),
        (text(GOOD.authority) + text(GOOD.leaf), "is not the key of the first"),
        ("", "no certificates in PEM"),
        (secret(GOOD.key), "no certificates in PEM"),
        (text(GOOD.leaf)[:300], "no certificates in PEM"),
        (text(GOOD.leaf) * 200, "too large"),
    ],
)
def test_a_chain_that_is_none(tmp_path: Path, chain: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        _load(GOOD.settings(tmp_path, chain=chain), tmp_path)


def _dsa() -> str:
    return (
        dsa.generate_private_key(1024)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (secret(p256()), "is not the key of the first certificate"),
        (secret(ed25519.Ed25519PrivateKey.generate()), "is not the key of the first"),
        (secret(GOOD.key, b"secret"), "password; take that off: openssl pkcs8"),
        (text(GOOD.leaf), "no private key in PEM"),
        (_dsa(), "is not the key of the first certificate"),
    ],
)
def test_a_key_that_does_not_fit(tmp_path: Path, key: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as raised:
        _load(GOOD.settings(tmp_path, key=key), tmp_path)
    assert "BEGIN" not in str(raised.value)


def test_a_key_that_everybody_may_read(tmp_path: Path) -> None:
    settings = GOOD.settings(tmp_path)
    (tmp_path / "key.pem").chmod(0o644)
    with pytest.raises(SettingsError, match=r"mode 0644.*chmod 600"):
        _load(settings, tmp_path)


@pytest.mark.parametrize("name", ["chain.pem", "key.pem"])
def test_files_that_are_not_there(tmp_path: Path, name: str) -> None:
    settings = GOOD.settings(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(SettingsError, match=rf"provenance\.\w+: .*{name} cannot be read"):
        _load(settings, tmp_path)


def test_a_test_certificate_is_made_once_and_says_that_it_is_one(tmp_path: Path) -> None:
    first, second = _load(Provenance(), tmp_path), _load(Provenance(), tmp_path)
    certificate = first.certificate
    assert certificate.leaf == second.certificate.leaf
    assert certificate.is_test
    names = [one.subject.rfc4514_string() for one in certificate.chain]
    assert all("Test only" in name and "proves no identity" in name for name in names)
    assert "proves nothing about who signed" in first.described
    file = tmp_path / "keys" / self_made.FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().count("PRIVATE KEY") == 2, "the authority's key is not kept"


def test_a_test_certificate_is_made_anew_before_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(self_made, "_VALID", timedelta(days=20))
        old = _load(Provenance(), tmp_path).certificate
    new = _load(Provenance(), tmp_path).certificate
    assert old.leaf != new.leaf
    assert new.ends - datetime.now(UTC) > timedelta(days=3000)


def test_the_doctor_says_what_films_are_signed_with(tmp_path: Path) -> None:
    for number, (certificate, chain, ok, words) in enumerate(
        (
            (GOOD, GOOD.chain, True, "the certificate of 'Operator Ltd'"),
            (GOOD, text(GOOD.leaf), False, "append that of its issuer"),
            (soon := issued(days=(-1, 20)), soon.chain, False, "ends on"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        [found] = examination.examine(certificate.settings(folder, chain=chain))
        assert found.ok == ok
        assert words in found.found + found.mend
    [found] = examination.examine(Provenance())
    assert found.ok
    assert "test certificate" in found.found
    assert "provenance.certificate" in found.mend


def test_a_damaged_test_certificate_is_said(tmp_path: Path) -> None:
    _load(Provenance(), tmp_path)
    file = tmp_path / "keys" / self_made.FILE
    file.write_bytes(file.read_bytes()[:600])
    with pytest.raises(SettingsError, match=self_made.FILE):
        _load(Provenance(), tmp_path)


@given(st.binary(max_size=300), st.integers(0, 700))
def test_whatever_the_files_hold_it_is_a_settings_error(rest: bytes, place: int) -> None:
    for start in (b"", text(GOOD.leaf).encode()[:place], secret(GOOD.key).encode()[:place]):
        for read in (read_chain, read_key):
            try:
                read(start + rest, "file")
            except SettingsError:
                continue

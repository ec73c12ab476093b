"""What is signed comes out as it went in; anything else does not come out at all."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm

from live import signed
from live.errors import BadSignature

KEY = Ed25519PrivateKey.generate()
KEYS = {signed.key_id(KEY.public_key()): KEY.public_key()}
CLAIMS = {"who": "subject-1", "häufig": [1, 2.5, None, True]}
DOCUMENT = signed.sign(CLAIMS, KEY, "visavis-test")


def test_there_and_back() -> None:
    assert signed.opened(DOCUMENT + "\n", KEYS, "visavis-test") == CLAIMS
    assert signed.sign(CLAIMS, KEY, "visavis-test") == DOCUMENT


def test_a_kid_is_the_thumbprint_that_others_compute() -> None:
    """The key and its thumbprint are those of RFC 8037, appendix A.3."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    key = OKPAlgorithm.from_jwk(jwk)
    assert isinstance(key, Ed25519PublicKey)
    kid = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert signed.public_jwk(key) == {**jwk, "kid": kid}


def test_another_kind_and_another_key_are_refused() -> None:
    with pytest.raises(BadSignature, match="another kind"):
        signed.opened(DOCUMENT, KEYS, "visavis-other")
    with pytest.raises(BadSignature, match="not known here"):
        signed.opened(DOCUMENT, {}, "visavis-test")
    other = Ed25519PrivateKey.generate().public_key()
    with pytest.raises(BadSignature, match="was changed"):
        signed.opened(DOCUMENT, dict.fromkeys(KEYS, other), "visavis-test")


def test_no_algorithm_is_none() -> None:
    unsigned = jwt.PyJWS().encode(b"{}", "", algorithm="none", headers={"typ": "visavis-test"})
    with pytest.raises(BadSignature):
        signed.opened(unsigned, KEYS, "visavis-test")


@given(place=st.integers(0, len(DOCUMENT) - 1), letter=st.sampled_from("AZaz09-_.="))
def test_one_changed_letter_is_refused(place: int, letter: str) -> None:
    changed = DOCUMENT[:place] + letter + DOCUMENT[place + 1 :]
    if changed == DOCUMENT:
        return
    with pytest.raises(BadSignature):
        signed.opened(changed, KEYS, "visavis-test")


@given(st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(BadSignature):
        signed.opened(text, KEYS, "visavis-test")


def test_a_long_text_is_not_looked_at() -> None:
    with pytest.raises(BadSignature, match="at most"):
        signed.opened("a" * (signed.LONGEST + 1), KEYS, "visavis-test")

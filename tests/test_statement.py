"""A statement about a call is believed with this server's signature, and in its own form only."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from live import signed
from live.errors import BadSignature
from live.provenance.facts import MarkFacts
from live.provenance.statement import TYP, Statement, opened

KEY = Ed25519PrivateKey.generate()
KEYS = {signed.key_id(KEY.public_key()): KEY.public_key()}
NOW = datetime(2026, 8, 2, 12, 0, 1, tzinfo=UTC)
STATEMENT = Statement(
    session="a1b2c3d4e5f6",
    avatar="vera",
    portrait="1a" * 32,
    consent="consent-1",
    started_at=NOW,
    issued_at=NOW,
    mark=MarkFacts(key="0123456789abcdef", payload="01a1b2c3d4e5f6"),
    operator="Bühne GmbH",
    label="Künstlich",
)


def test_there_and_back() -> None:
    assert opened(STATEMENT.sign(KEY), KEYS) == STATEMENT


def test_the_words_that_others_read() -> None:
    claims = signed.opened(STATEMENT.sign(KEY), KEYS, TYP)
    assert claims == {
        "v": 1,
        "session": "a1b2c3d4e5f6",
        "avatar": "vera",
        "portrait": "1a" * 32,
        "consent": "consent-1",
        "started_at": "2026-08-02T12:00:01Z",
        "issued_at": "2026-08-02T12:00:01Z",
        "mark": {
            "algorithm": "visavis-mark-1",
            "key": "0123456789abcdef",
            "payload": "01a1b2c3d4e5f6",
        },
        "operator": "Bühne GmbH",
        "label": "Künstlich",
    }


def test_others_signatures_and_other_documents_are_refused() -> None:
    with pytest.raises(BadSignature, match="not known here"):
        opened(STATEMENT.sign(Ed25519PrivateKey.generate()), KEYS)
    claims = STATEMENT.model_dump(mode="json")
    with pytest.raises(BadSignature, match="another kind"):
        opened(signed.sign(claims, KEY, "visavis-consent"), KEYS)
    with pytest.raises(BadSignature, match="not one that is known"):
        opened(signed.sign({**claims, "v": 2}, KEY, TYP), KEYS)


@given(st.sampled_from(sorted(Statement.model_fields)), st.none() | st.text(max_size=30))
def test_one_field_of_another_shape(field: str, value: str | None) -> None:
    claims = {**STATEMENT.model_dump(mode="json"), field: value}
    try:
        found = opened(signed.sign(claims, KEY, TYP), KEYS)
    except BadSignature:
        return
    assert found.model_dump(mode="json") == claims

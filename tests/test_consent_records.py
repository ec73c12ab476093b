"""What a record may say, who may grant one, and what becomes of one that was changed."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from live.audit import Event
from live.consent.authority import Consents, Reason
from live.consent.fingerprint import fingerprint
from live.consent.granting import Wish, random_subject
from live.consent.record import LONGEST_DAYS, TYP, Basis, Mode, Purpose, parse, time_text
from live.consent.verdict import Standing, examined
from live.errors import BadSignature, NoConsent, NotFound, NotLogged, UnknownKey
from live.keys import OperatorKeys
from live.signed import sign
from tests import consents
from tests.consents import keys
from tests.fakes import MemoryAudit

NOON = datetime(2026, 8, 2, 12, tzinfo=UTC)
PORTRAIT = np.arange(64 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(64, 64, 3)
OTHER = np.ascontiguousarray(PORTRAIT[:, ::-1])


class Office:
    """An authority with a clock and a log that a test can look at."""

    def __init__(self, folder: Path, own: OperatorKeys | None = None) -> None:
        self.now = NOON
        self.log = MemoryAudit()
        self.consents = Consents(
            folder, own or keys(), self.log, operator="Ops Ltd", days=30, now=lambda: self.now
        )

    def grant(self, **wished: Any) -> str:
        wish = Wish("Drawn by us.", **wished)
        return self.consents.grant(PORTRAIT, wish, Basis.SYNTHETIC, {}).document

    def standing(self, document: str) -> Standing:
        return examined(self.consents, document, fingerprint(PORTRAIT)).standing


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_record_says_what_was_granted(office: Office) -> None:
    wish = Wish(
        "  Signed on\n1 August. ",
        "emp-4711",
        frozenset({Purpose.CALL}),
        frozenset({Mode.SPEECH}),
        days=2,
    )
    granted = office.consents.grant(
        PORTRAIT, wish, Basis.SIGNED_PAPER, {"document_sha256": "ab" * 32}
    )
    assert granted.record.claims() == {
        "v": 1,
        "id": granted.record.id,
        "subject": "emp-4711",
        "portrait": {
            "sha256": fingerprint(PORTRAIT).sha256,
            "perceptual": fingerprint(PORTRAIT).perceptual,
        },
        "purposes": ["call"],
        "modes": ["speech"],
        "not_before": "2026-08-02T12:00:00Z",
        "not_after": "2026-08-04T12:00:00Z",
        "basis": "signed_paper",
        "statement": "Signed on 1 August.",
        "evidence": {"document_sha256": "ab" * 32},
        "operator": "Ops Ltd",
        "granted_at": "2026-08-02T12:00:00Z",
    }
    assert office.consents.record(granted.document) == granted.record
    assert office.consents.granted(granted.record.id) == granted
    assert office.consents.ids() == [granted.record.id]
    ((event, facts),) = office.log.told
    assert event is Event.CONSENT_GRANTED
    assert facts["consent"] == granted.record.id
    assert "emp-4711" not in str(facts)


def test_what_is_not_said_is_the_operators(office: Office) -> None:
    record = office.consents.record(office.grant())
    assert record.not_after - record.not_before == timedelta(30)
    assert record.purposes == {Purpose.CALL, Purpose.RENDER}
    assert record.subject.startswith("subject-")
    assert record.subject != office.consents.record(office.grant()).subject


def test_without_a_name_the_operator_is_the_key(tmp_path: Path) -> None:
    nameless = Consents(tmp_path, keys(), MemoryAudit())
    granted = nameless.grant(PORTRAIT, Wish("Drawn."), Basis.SYNTHETIC, {})
    assert granted.record.operator == keys().id


@pytest.mark.parametrize(
    ("wished", "words"),
    [
        ({"subject": "Ada Lovelace"}, "subject"),
        ({"subject": "ada@example.org"}, "e-mail"),
        ({"subject": "adalovelace"}, "may be a name"),
        ({"subject": "x" * 65}, "subject"),
        ({"purposes": frozenset()}, "purposes"),
        ({"modes": frozenset()}, "modes"),
        ({"days": 0}, "1 to"),
        ({"days": -1}, "1 to"),
        ({"days": 10**9}, "1 to"),
        ({"not_after": NOON}, "not_after"),
        ({"not_after": NOON - timedelta(1)}, "not_after"),
        ({"not_after": NOON + timedelta(LONGEST_DAYS, 1)}, "not_after"),
        ({"not_before": NOON + timedelta(microseconds=1)}, "whole seconds"),
    ],
)
def test_wishes_that_are_refused(office: Office, wished: dict[str, Any], words: str) -> None:
    with pytest.raises(NoConsent, match=words):
        office.grant(**wished)
    assert office.log.told == []
    assert office.consents.ids() == []


@pytest.mark.parametrize("statement", ["", " \n", "x" * 501, "bell\a", "\ud800"])
def test_a_statement_is_there_and_can_be_read(office: Office, statement: str) -> None:
    with pytest.raises(NoConsent, match="statement"):
        office.consents.grant(PORTRAIT, Wish(statement), Basis.SYNTHETIC, {})


@pytest.mark.parametrize(
    "evidence",
    [
        {"Name": "x"},
        {"a b": "x"},
        {"a": "x" * 129},
        {"a": "line\nbreak"},
        {"a": float("nan")},
        {"a": 10**400},
        {"a": None},
        {"a": ["x"]},
        {f"a{n}": n for n in range(17)},
    ],
)
def test_evidence_is_small_and_plain(office: Office, evidence: dict[str, Any]) -> None:
    with pytest.raises(NoConsent, match="evidence"):
        office.consents.grant(PORTRAIT, Wish("Drawn."), Basis.SYNTHETIC, evidence)


def test_live_enrolment_has_a_door_of_its_own(office: Office) -> None:
    wish = Wish("I agree.")
    with pytest.raises(NoConsent, match="before the camera"):
        office.consents.grant(PORTRAIT, wish, Basis.LIVE_ENROLMENT, {"challenge": "ab"})
    with pytest.raises(NoConsent, match="evidence"):
        office.consents.grant_enrolled(PORTRAIT, wish, {})
    granted = office.consents.grant_enrolled(PORTRAIT, wish, {"challenge": "ab", "blinked": True})
    assert granted.record.basis is Basis.LIVE_ENROLMENT


def test_what_cannot_be_logged_is_not_granted(office: Office) -> None:
    office.log.full = True
    with pytest.raises(NotLogged):
        office.grant()
    assert office.consents.ids() == []


# When it holds.


def test_a_record_holds_from_its_first_second_to_before_its_last(office: Office) -> None:
    document = office.grant(not_before=NOON, not_after=NOON + timedelta(hours=1))
    for at, standing in (
        (timedelta(microseconds=-1), Standing.NOT_YET),
        (timedelta(), Standing.VALID),
        (timedelta(minutes=59, seconds=59, microseconds=999_999), Standing.VALID),
        (timedelta(hours=1), Standing.EXPIRED),
        (timedelta(days=10_000), Standing.EXPIRED),
    ):
        office.now = NOON + at
        assert office.standing(document) is standing


def test_a_clock_in_another_zone_is_the_same_clock(office: Office) -> None:
    document = office.grant(days=1)
    office.now = (NOON + timedelta(1)).astimezone(timezone(timedelta(hours=14)))
    assert office.standing(document) is Standing.EXPIRED
    office.now -= timedelta(seconds=1)
    assert office.standing(document) is Standing.VALID


def test_what_a_verdict_tells(office: Office, tmp_path: Path) -> None:
    document = office.grant()
    assert office.standing(document) is Standing.VALID
    wrong = examined(office.consents, document, fingerprint(OTHER))
    assert (wrong.standing, wrong.record is not None) == (Standing.OTHER_PORTRAIT, True)
    assert examined(office.consents, document).standing is Standing.VALID
    assert office.standing("") is Standing.CHANGED
    stranger = Office(tmp_path / "b", OperatorKeys(Ed25519PrivateKey.generate(), bytes(32)))
    assert stranger.standing(document) is Standing.UNKNOWN_KEY
    office.consents.revoke(office.consents.record(document).id, "asked by mail")
    assert office.standing(document) is Standing.REVOKED


def test_another_operators_record_is_believed_where_their_key_is(tmp_path: Path) -> None:
    theirs = Office(tmp_path / "theirs", OperatorKeys(Ed25519PrivateKey.generate(), bytes(32)))
    document = theirs.grant()
    key = theirs.consents._keys
    ours = Office(tmp_path / "ours", replace(keys(), trusted=key.own))
    assert ours.standing(document) is Standing.VALID
    record = ours.consents.record(document)
    with pytest.raises(NotFound):
        ours.consents.revoke(record.id)
    assert ours.consents.revoke_foreign(document) == record.id
    assert ours.standing(document) is Standing.REVOKED
    assert theirs.standing(document) is Standing.VALID


def test_flaws_have_reasons_for_the_data_channel(office: Office) -> None:
    record = office.consents.record(office.grant(days=1))
    assert office.consents.flaw(record) is None
    office.now += timedelta(1)
    flaw = office.consents.flaw(record)
    assert flaw is not None
    assert (flaw.reason, "2026-08-03T12:00:00Z" in flaw.message) == (Reason.EXPIRED, True)


# What was changed.

DOCUMENT = consents.granted(PORTRAIT).document


@given(st.binary(max_size=400))
def test_any_bytes_are_a_record_or_refused(data: bytes) -> None:
    with pytest.raises((BadSignature, NoConsent)):
        consents.authority().record(data.decode("utf-8", "replace"))


@given(st.integers(0, len(DOCUMENT) - 1), st.characters(), st.sampled_from(["put", "in", "out"]))
@settings(max_examples=300)
def test_any_change_of_a_record_is_found(at: int, sign: str, how: str) -> None:
    rest = DOCUMENT[at:] if how == "in" else DOCUMENT[at + 1 :]
    changed = DOCUMENT[:at] + ("" if how == "out" else sign) + rest
    if changed.strip() == DOCUMENT:
        return
    with pytest.raises((BadSignature, NoConsent)):
        consents.authority().record(changed)


def test_every_part_of_a_record_is_signed() -> None:
    """One bit of the first, a middle and the last byte of header, claims and signature."""
    parts = DOCUMENT.split(".")
    for number, part in enumerate(parts):
        data = bytearray(urlsafe_b64decode(part + "=="))
        for at in (0, len(data) // 2, len(data) - 1):
            changed = bytearray(data)
            changed[at] ^= 1
            other = urlsafe_b64encode(changed).rstrip(b"=").decode()
            document = ".".join([*parts[:number], other, *parts[number + 1 :]])
            with pytest.raises(BadSignature):
                consents.authority().record(document)


def test_a_record_of_another_kind_of_document_is_none() -> None:
    claims = consents.authority().record(DOCUMENT).claims()
    with pytest.raises(BadSignature, match="another kind"):
        consents.authority().record(sign(claims, keys().signing, "visavis-statement"))
    stranger = Ed25519PrivateKey.generate()
    with pytest.raises(UnknownKey):
        consents.authority().record(sign(claims, stranger, TYP))


CLAIMS = consents.authority().record(DOCUMENT).claims()
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=6,
)


@given(st.sampled_from(sorted(CLAIMS)), PLAIN)
def test_any_other_value_of_a_field_is_refused_or_means_itself(field: str, value: Any) -> None:
    claims = CLAIMS | {field: value}
    try:
        record = parse(claims)
    except NoConsent:
        return
    assert record.claims() == claims


@given(st.dictionaries(st.sampled_from([*CLAIMS, "more"]) | st.text(max_size=4), PLAIN))
def test_any_signed_object_is_a_record_or_refused(claims: dict[str, Any]) -> None:
    try:
        document = sign(claims, keys().signing, TYP)
    except (UnicodeEncodeError, ValueError):
        return
    with pytest.raises((BadSignature, NoConsent)):
        consents.authority().record(document)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("v", True),
        ("v", 2),
        ("id", "../../etc"),
        ("id", "A" * 16),
        ("portrait", {"sha256": "A" * 64, "perceptual": "0" * 64}),
        ("portrait", {"sha256": "a" * 64}),
        ("purposes", ["call", "call"]),
        ("purposes", "call"),
        ("modes", ["face", "hands"]),
        ("not_before", "2026-08-02T12:00:00+00:00"),
        ("not_before", "2026-02-30T12:00:00Z"),
        ("not_before", "٢٠٢٦-08-02T12:00:00Z"),
        ("basis", "own"),
        ("statement", " padded "),
        ("operator", ""),
    ],
)
def test_values_that_are_nearly_right(field: str, value: Any) -> None:
    with pytest.raises(NoConsent, match=field):
        parse(CLAIMS | {field: value})


def test_fields_are_all_there_and_no_others() -> None:
    for field in CLAIMS:
        with pytest.raises(NoConsent, match=f"`{field}` is missing"):
            parse({key: value for key, value in CLAIMS.items() if key != field})
    with pytest.raises(NoConsent, match="one too many"):
        parse(CLAIMS | {"name": "Ada"})


def test_the_claims_survive_json() -> None:
    assert parse(json.loads(json.dumps(CLAIMS))).claims() == CLAIMS
    assert time_text(parse(CLAIMS).not_before) == CLAIMS["not_before"]


def test_random_subjects_pass() -> None:
    assert all(parse(CLAIMS | {"subject": random_subject()}) for _ in range(100))

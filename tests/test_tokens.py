"""Access tokens: made, read, refused, revoked, and the command for all of it."""

from __future__ import annotations

import base64
import io
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from live import keys, signed
from live.__main__ import main
from live.access import revocations
from live.access.revocations import FILE, MOST, Revocations
from live.access.scopes import EVERYTHING, Scope
from live.access.tokens import LONGEST_LIFETIME_S, SKEW_S, Grant, issue, read
from live.errors import BadRequest, BadSignature, Conflict, InvalidToken
from live.keys import OperatorKeys

OURS = OperatorKeys(Ed25519PrivateKey.from_private_bytes(b"\1" * 32), bytes(32))
THEIRS = OperatorKeys(Ed25519PrivateKey.from_private_bytes(b"\2" * 32), bytes(32))
HOUR = 3600


def token(**changed: Any) -> str:
    """One that `issue` would make but for what is changed in its claims; `None` leaves one out."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": OURS.id,
        "aud": "visavis",
        "iat": now,
        "exp": now + HOUR,
        "jti": "0123456789abcdef",
        "scope": "session",
    }
    claims |= changed
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, OURS.signing, "EdDSA", {"typ": "visavis-access", "kid": OURS.id})


def test_a_token_says_what_it_is_good_for_and_until_when() -> None:
    before = int(time.time())
    grant = read(issue(OURS, [Scope.SPEAK, Scope.SESSION], HOUR, label="front desk"), OURS)
    assert grant.scopes == {Scope.SESSION, Scope.SPEAK}
    assert before <= grant.issued_at <= time.time()
    assert grant.expires_at == grant.issued_at + HOUR
    assert grant.label == "front desk"
    assert grant.id != read(issue(OURS, [Scope.SPEAK], HOUR), OURS).id


def test_admin_is_good_for_everything() -> None:
    assert read(issue(OURS, [Scope.ADMIN], HOUR), OURS).scopes == EVERYTHING


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": None},
        {"iat": None},
        {"jti": None},
        {"aud": None},
        {"iss": None},
        {"scope": None},
        {"aud": "another"},
        {"iss": THEIRS.id},
        {"exp": int(time.time()) + LONGEST_LIFETIME_S + HOUR},  # signed, but unreasonable
        {"exp": "tomorrow"},
        {"scope": "session everything"},
        {"nbf": int(time.time()) + HOUR},
    ],
    ids=str,
)
def test_claims_that_are_missing_or_wrong(changed: dict[str, Any]) -> None:
    assert read(token(), OURS)
    with pytest.raises(InvalidToken):
        read(token(**changed), OURS)


def test_clocks_may_differ_a_little() -> None:
    now = time.time()
    for begun in (now - HOUR - SKEW_S + 10, now + SKEW_S - 10):
        assert read(issue(OURS, [Scope.SPEAK], HOUR, now=begun), OURS)
    with pytest.raises(InvalidToken, match="expired"):
        read(issue(OURS, [Scope.SPEAK], HOUR, now=now - HOUR - SKEW_S - 10), OURS)
    with pytest.raises(InvalidToken, match="clock"):
        read(issue(OURS, [Scope.SPEAK], HOUR, now=now + SKEW_S + 10), OURS)


def test_nobody_else_signs_our_tokens() -> None:
    with pytest.raises(InvalidToken):
        read(issue(THEIRS, [Scope.SESSION], HOUR), OURS)
    believed = OperatorKeys(OURS.signing, OURS.mark, trusted=THEIRS.own)
    with pytest.raises(InvalidToken):
        read(issue(THEIRS, [Scope.SESSION], HOUR), believed)


def test_other_ways_to_sign_are_not_taken() -> None:
    head, body, signature = issue(OURS, [Scope.ADMIN], HOUR).split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"visavis-access"}').decode()
    public = OURS.signing.public_key().public_bytes_raw()
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    shared = jwt.encode(claims, public, "HS256", {"typ": "visavis-access"})
    for forged in (
        f"{unsigned.rstrip('=')}.{body}.",
        f"{head}.{body}.",
        f"{head}.{body}.{signature[::-1]}",
        shared,
    ):
        with pytest.raises(InvalidToken):
            read(forged, OURS)


def test_another_signed_document_is_no_token() -> None:
    now = int(time.time())
    claims = {"iss": OURS.id, "aud": "visavis", "iat": now, "exp": now + HOUR, "jti": "a"}
    document = signed.sign({**claims, "scope": "admin"}, OURS.signing, "visavis-consent")
    with pytest.raises(InvalidToken, match="no access token"):
        read(document, OURS)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300) | st.from_regex(r"[\w-]{1,60}\.[\w-]{0,60}\.[\w-]{0,60}"))
def test_whatever_comes_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidToken) as refused:
        read(text, OURS)
    assert len(text) < 12 or text not in str(refused.value)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_one_changed_character_is_refused(data: st.DataObject) -> None:
    whole = issue(OURS, [Scope.SESSION], HOUR, now=int(time.time()))
    # The last character of each part has bits that nothing is made of.
    places = [i for i in range(len(whole)) if whole[i + 1 : i + 2] not in (".", "")]
    place = data.draw(st.sampled_from(places))
    other = data.draw(st.sampled_from("AZaz09-_").filter(lambda one: one != whole[place]))
    with pytest.raises(InvalidToken):
        read(whole[:place] + other + whole[place + 1 :], OURS)


@pytest.mark.parametrize(
    ("scopes", "lifetime", "label"),
    [
        ([], HOUR, ""),
        ([Scope.SPEAK], 0, ""),
        ([Scope.SPEAK], LONGEST_LIFETIME_S + 1, ""),
        ([Scope.SPEAK], HOUR, "x" * 61),
        ([Scope.SPEAK], HOUR, "two\nlines"),
        ([Scope.SPEAK], HOUR, "turned\u202eround"),
    ],
)
def test_tokens_that_are_not_made(scopes: list[Scope], lifetime: int, label: str) -> None:
    with pytest.raises(BadRequest):
        issue(OURS, scopes, lifetime, label=label)


# Revocation.


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def grant(begun: float | None = None) -> Grant:
    return read(issue(OURS, [Scope.SESSION], HOUR, now=begun), OURS)


def test_a_revoked_token_is_refused_within_a_second(tmp_path: Path) -> None:
    clock = Clock()
    running, command = Revocations(tmp_path, OURS, clock), Revocations(tmp_path, OURS)
    one, other = grant(), grant()
    running.check(one)
    command.revoke(one.id)
    clock.now += 1
    with pytest.raises(InvalidToken, match="revoked"):
        running.check(one)
    assert running.has(one)
    running.check(other)
    command.revoke(other.id)
    command.revoke(other.id)  # twice does no harm
    clock.now += 1
    assert running.has(one)
    assert running.has(other)


def test_all_until_now_are_revoked_at_once(tmp_path: Path) -> None:
    listed = Revocations(tmp_path, OURS)
    one = grant(time.time() - 10)
    listed.revoke_all()
    after = Revocations(tmp_path, OURS)
    assert after.has(one)
    assert not after.has(grant(time.time() + 2))


@pytest.mark.parametrize("broken", [b"", b"nonsense", b"\xff\xfe", b"theirs", b"cut"])
def test_a_list_that_cannot_be_believed_lets_nobody_in(
    tmp_path: Path, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    Revocations(tmp_path, OURS).revoke(grant().id)
    file = tmp_path / FILE
    if broken == b"theirs":
        claims = {"v": 1, "until": 0, "tokens": {}}
        broken = signed.sign(claims, THEIRS.signing, "visavis-revoked-tokens").encode()
    file.write_bytes(file.read_bytes()[:-20] if broken == b"cut" else broken)
    listed, one = Revocations(tmp_path, OURS), grant()
    for _ in range(3):
        with pytest.raises(InvalidToken, match="operator"):
            listed.check(one)
    assert not listed.has(one)  # running calls are not ended for it
    assert caplog.text.count("cannot be believed") == 1
    with pytest.raises(BadSignature):
        listed.revoke(one.id)


def test_the_list_has_an_end_and_forgets_what_has_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocations, "MOST", 3)
    listed = Revocations(tmp_path, OURS)
    ids = [f"{number:016x}" for number in range(4)]
    for each in ids[:3]:
        listed.revoke(each)
    with pytest.raises(Conflict, match="--all"):
        listed.revoke(ids[3])
    later = time.time() + LONGEST_LIFETIME_S + 2 * SKEW_S
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: later)
        listed.revoke(ids[3])
    assert Revocations(tmp_path, OURS)._read().tokens.keys() == {ids[3]}


def test_a_full_list_can_be_read(tmp_path: Path) -> None:
    listed = Revocations(tmp_path, OURS)
    full = revocations.Revoked(2**33, {f"{number:016x}": 2**33 for number in range(MOST)})
    listed._write(full)
    assert listed._read() == full


# The command.


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "visavis"


def test_a_token_is_made_shown_and_revoked(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["token", "grant", "--scope", "session", "--scope", "speak", "--label", "d"]) == 0
    shown = capsys.readouterr()
    made = shown.out.strip()
    assert made not in shown.err
    assert main(["token", "show", made]) == 0
    said = capsys.readouterr().out
    assert made not in said
    described = json.loads(said)
    assert described["scopes"] == ["session", "speak"]
    assert described["label"] == "d"
    assert main(["token", "revoke", described["id"]]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(made + "\n"))
    assert main(["token", "show", "-"]) == 1
    assert "revoked" in capsys.readouterr().out
    log = (home / "audit.jsonl").read_text()
    assert log.count(described["id"]) == 2
    assert made not in log


def test_all_tokens_are_revoked_and_new_ones_made_at_once(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "grant", "--scope", "admin", "--expires", "90d"]) == 0
    old = capsys.readouterr().out.strip()
    assert main(["token", "revoke", "--all"]) == 0
    assert main(["token", "grant", "--scope", "admin", "--expires", "5m"]) == 0
    new = capsys.readouterr().out.splitlines()[-1]
    assert main(["token", "show", old]) == 1
    assert main(["token", "show", new]) == 0


@pytest.mark.parametrize(
    "words",
    [
        ["grant", "--scope", "session", "--expires", "soon"],
        ["grant", "--scope", "session", "--expires", "91d"],
        ["revoke"],
        ["revoke", "0123456789abcdef", "--all"],
        ["revoke", "me"],
        ["revoke", "a.b.c"],
    ],
)
def test_wrong_usage_of_the_command(
    words: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_revoking_does_not_depend_on_the_log(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "grant", "--scope", "session"]) == 0
    made = capsys.readouterr().out.strip()
    (home / "audit.jsonl").write_text("broken")
    assert main(["token", "revoke", made]) == 1
    assert main(["token", "show", made]) == 1
    assert main(["token", "grant", "--scope", "session"]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert not any(
        line.startswith("ey") for line in shown
    )  # what cannot be logged is not made known


def test_a_token_is_made_with_keys_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pem = keys._new_signing().decode()
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "XDG_DATA_HOME": str(tmp_path),
        "VISAVIS_KEYS__SIGNING": pem,
        "VISAVIS_KEYS__MARK": "ab" * 32,
        "VISAVIS_KEYS__FOLDER": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    assert main(["token", "grant", "--scope", "session"]) == 0
    made = capsys.readouterr().out.strip()
    assert main(["token", "revoke", made]) == 0
    assert main(["token", "show", made]) == 1

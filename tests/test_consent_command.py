"""`visavis consent` and `visavis avatar`: a record's whole life on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from engines import avatars as built_in
from live import parts
from live.__main__ import main
from live.avatar_files import decoded
from tests.http_fakes import workshop

Out = pytest.CaptureFixture[str]
BASIS = ["--basis", "synthetic", "--statement", "Drawn by us."]


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(parts, "workshop", lambda weights, renderers: workshop())


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A portrait of nobody."""
    file = tmp_path / "me.png"
    rgb = decoded(built_in.contents("leo").portrait)
    small = cv2.resize(rgb, (256, 256), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(file), small[..., ::-1])
    return file


def said(capsys: Out, *words: Any, code: int = 0) -> str:
    """What a command prints, which has to end with this code."""
    got = main([str(word) for word in words])
    captured = capsys.readouterr()
    assert got == code, captured.err
    return captured.out if code == 0 or captured.out else captured.err


def granted(capsys: Out, image: Path, *more: str) -> dict[str, Any]:
    out = said(capsys, "consent", "grant", image, *BASIS, "--json", "-o", "me.jws", *more)
    record: dict[str, Any] = json.loads(out)
    return record


def standing(capsys: Out, *words: Any, code: int = 1) -> str:
    out = said(capsys, "consent", "verify", "me.jws", "--json", *words, code=code)
    return str(json.loads(out)["standing"])


def test_a_record_lives_and_is_revoked(capsys: Out, image: Path, tmp_path: Path) -> None:
    record = granted(capsys, image, "--subject", "emp-4711", "--days", "30")
    assert Path("me.jws").read_text().strip() == record["record"]
    assert standing(capsys, "--image", image, code=0) == "valid"
    assert "valid" in said(capsys, "consent", "show", "me.jws")
    assert "emp-4711" in said(capsys, "consent", "show", record["id"])
    assert record["id"] in said(capsys, "consent", "list")
    added = said(capsys, "avatar", "add", image, "--id", "me", "--consent", "me.jws", "--json")
    assert json.loads(added)["consent"] == record["id"]

    assert record["id"] in said(capsys, "consent", "revoke", record["id"], "--reason", "by mail")
    assert standing(capsys) == "revoked"
    (listed,) = json.loads(said(capsys, "consent", "list", "--json"))
    assert listed["standing"] == "revoked"
    assert "revoked" in said(capsys, "avatar", "show", "me", code=2)
    entries = json.loads(said(capsys, "avatar", "list", "--json"))
    assert entries[-1]["usable"] is False
    assert "revoked" in entries[-1]["trouble"]
    assert "revoked" in said(
        capsys, "avatar", "add", image, "--id", "two", "--consent", "me.jws", code=2
    )
    assert "no such consent" in said(capsys, "consent", "revoke", "0" * 16, code=2)
    said(capsys, "audit", "verify")
    told = said(capsys, "audit", "show")
    assert all(word in told for word in ("consent_granted", "avatar_added", "consent_revoked"))
    assert "emp-4711" not in told


def test_each_way_not_to_hold_is_told(capsys: Out, image: Path, tmp_path: Path) -> None:
    granted(capsys, image, "--from", "2026-01-01", "--to", "2026-01-02")
    assert standing(capsys) == "expired"
    granted(capsys, image, "--from", "2999-01-01", "--to", "2999-01-02")
    assert standing(capsys) == "not_yet_valid"
    granted(capsys, image)
    other = tmp_path / "other.png"
    picture = cv2.imread(str(image))
    assert picture is not None
    cv2.imwrite(str(other), np.ascontiguousarray(picture[:, ::-1]))
    assert standing(capsys, "--image", other) == "other_portrait"
    copied = tmp_path / "copy.jpg"
    cv2.imwrite(str(copied), picture, [cv2.IMWRITE_JPEG_QUALITY, 50])
    assert standing(capsys, "--image", copied, code=0) == "valid"
    whole = Path("me.jws").read_text()
    at = len(whole) // 2
    Path("me.jws").write_text(whole[:at] + ("A" if whole[at] != "A" else "B") + whole[at + 1 :])
    assert standing(capsys) == "changed"
    Path("me.jws").write_text(whole)
    for key in (tmp_path / "data/visavis/keys").glob("signing.pem"):
        key.unlink()
    assert standing(capsys) == "unknown_key"


def test_the_answer_of_verify_is_for_people_too(capsys: Out, image: Path) -> None:
    granted(capsys, image)
    assert said(capsys, "consent", "verify", "me.jws").startswith("valid\n")
    Path("me.jws").write_text("nothing")
    assert "changed: " in said(capsys, "consent", "verify", "me.jws", code=1)
    assert "cannot read" in said(capsys, "consent", "verify", "none.jws", code=2)
    assert "signed document" in said(capsys, "consent", "show", "me.jws", code=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--subject", "Ada Lovelace"], "subject"),
        (["--purposes", "everything"], "purposes"),
        (["--modes", ""], "modes"),
        (["--days", "0"], "days"),
        (["--from", "2026-02-01", "--to", "2026-01-01"], "not_after"),
        (["--document", "none.pdf"], "cannot read none.pdf"),
    ],
)
def test_records_that_are_not_granted(
    capsys: Out, image: Path, words: list[str], told: str
) -> None:
    assert told in said(capsys, "consent", "grant", image, *BASIS, *words, code=2)


@pytest.mark.parametrize(
    "words",
    [
        ["--basis", "live_enrolment", "--statement", "It is me."],
        ["--basis", "synthetic"],
        ["--statement", "Drawn."],
        [*BASIS, "--avatar", "me"],
        [*BASIS, "--from", "tomorrow"],
    ],
)
def test_options_that_are_wrong(capsys: Out, image: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["consent", "grant", str(image), *words])
    assert ended.value.code == 2
    capsys.readouterr()


def test_the_papers_hash_is_kept(capsys: Out, image: Path) -> None:
    Path("paper.pdf").write_bytes(b"signed")
    record = granted(capsys, image, "--document", "paper.pdf")
    assert len(record["claims"]["evidence"]["document_sha256"]) == 64


def test_an_avatar_is_renewed_in_place(capsys: Out, image: Path) -> None:
    first = granted(capsys, image)
    said(capsys, "avatar", "add", image, "--id", "me", "--consent", "me.jws")
    assert said(capsys, "consent", "grant", "--avatar", "me", *BASIS, "--purposes", "call")
    shown = json.loads(said(capsys, "avatar", "show", "me", "--json"))
    assert shown["consent"] != first["id"]
    assert shown["purposes"] == ["call"]
    assert "needs no consent" in said(capsys, "consent", "grant", "--avatar", "ada", *BASIS, code=2)

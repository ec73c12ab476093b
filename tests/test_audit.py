"""The audit log: whatever is done to it afterwards is found, and what cannot be logged is known."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import shutil
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from live.__main__ import main
from live.audit import AuditLog, Event, line
from live.audit.inspection import Inspection, entries, inspect
from live.audit.line import Place
from live.audit.log import head_of
from live.consent.revocations import Revocations
from live.errors import NotFound, NotLogged
from live.keys import OperatorKeys, load
from live.sections import Keys

KEYS = OperatorKeys(Ed25519PrivateKey.generate(), bytes(32))
OTHER = OperatorKeys(Ed25519PrivateKey.generate(), bytes(32))
PUBLIC = KEYS.signing.public_key()


def logged(folder: Path, events: int = 6, keys: OperatorKeys = KEYS) -> Path:
    """A log of so many lines, the first one included."""
    file = folder / "audit.jsonl"
    log = AuditLog(file, keys)
    for number in range(events - 1):
        log.write(Event.SESSION_OPENED, session=f"{number:012x}", avatar="ada", label=True)
    return file


def lines_of(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines(keepends=True)


def found(file: Path, expected: str = "") -> list[str]:
    return [str(one) for one in inspect(file, PUBLIC, expected).findings]


def test_a_log_as_it_was_written(tmp_path: Path) -> None:
    file = logged(tmp_path)
    one = inspect(file, PUBLIC)
    assert one == Inspection(6, AuditLog(file, KEYS).check())
    assert one.intact
    first, second, *_ = entries(file, PUBLIC)
    assert (first.event, first.facts, first.follows) == ("log_opened", {"key": KEYS.id}, "0" * 64)
    assert second.facts == {"session": "000000000000", "avatar": "ada", "label": True}
    assert second.follows == first.place.hash
    assert (file.stat().st_mode & 0o777, head_of(file).stat().st_mode & 0o077) == (0o600, 0o044)


def test_the_format_is_as_documented(tmp_path: Path) -> None:
    """Read with nothing but what docs/audit.md says."""
    file = logged(tmp_path, 4)
    before = "0" * 64
    for text in file.read_text(encoding="ascii").splitlines():
        own, _, end = text.partition(',"hash":"')
        claimed, signature = end[:64], end[len(end) - 130 : -2]
        digest = sha256((own + "}").encode()).digest()
        assert digest.hex() == claimed
        PUBLIC.verify(bytes.fromhex(signature), b"visavis-audit\0" + digest)
        assert json.loads(text)["prev"] == before
        before = claimed
    head = head_of(file).read_text(encoding="ascii").split(".")
    header, claims = (json.loads(urlsafe_b64decode(part + "===")) for part in head[:2])
    assert (header["alg"], header["typ"]) == ("EdDSA", "visavis-audit-head")
    assert claims == {"count": 4, "hash": before}
    PUBLIC.verify(urlsafe_b64decode(head[2].strip() + "==="), ".".join(head[:2]).encode())


def edit(lines: list[bytes]) -> None:
    lines[2] = lines[2].replace(b'"ada"', b'"eve"')


def delete(lines: list[bytes]) -> None:
    del lines[2:4]


def delete_first(lines: list[bytes]) -> None:
    del lines[0]


def cut(lines: list[bytes]) -> None:
    del lines[4:]


def cut_within(lines: list[bytes]) -> None:
    lines[5] = lines[5][:40]


def empty(lines: list[bytes]) -> None:
    lines.clear()


def swap(lines: list[bytes]) -> None:
    lines[2], lines[3] = lines[3], lines[2]


def repeat(lines: list[bytes]) -> None:
    lines.insert(4, lines[1])


def insert(lines: list[bytes]) -> None:
    lines.insert(3, b'{"seq":4,"event":"session_opened"}\n')


def swap_fields(lines: list[bytes]) -> None:
    fields = json.loads(lines[3])
    moved = {"hash": fields.pop("hash"), **fields}
    lines[3] = json.dumps(moved, separators=(",", ":")).encode() + b"\n"


def chain_anew(lines: list[bytes]) -> None:
    """With a key of the forger's own."""
    place = Place()
    for number in range(len(lines)):
        lines[number], place = line.written(place, Event.RENDERED, {}, OTHER.signing)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edit, ["line 3 was changed or put in: its signature does not fit"]),
        (
            delete,
            [
                "line 3 stands where number 3 of the log is missing",
                "line 3 stands where number 4 of the log is missing",
            ],
        ),
        (delete_first, ["line 1 stands where number 1 of the log is missing"]),
        (cut, ["the head says that 2 more lines were written: the end of the log is missing"]),
        (
            cut_within,
            [
                "line 6 is torn: its writer was ended in the midst of it, or the disk was full; the"
                " next event will tell its hash",
                "the head says that 1 more lines were written: the end of the log is missing",
            ],
        ),
        (empty, ["the head says that 6 more lines were written: the end of the log is missing"]),
        (swap, ["line 4 was moved: it is number 3 of the log"]),
        (repeat, ["line 5 was repeated: it is number 2 of the log"]),
        (insert, ["line 4 was changed or put in: its signature does not fit"]),
        (swap_fields, ["line 4 was changed or put in: its signature does not fit"]),
        (
            chain_anew,
            [
                *(
                    f"line {n} was changed or put in: its signature does not fit"
                    for n in range(1, 7)
                ),
                "the head says that 6 more lines were written: the end of the log is missing",
            ],
        ),
    ],
)
def test_what_is_done_to_it_afterwards_is_found(
    tmp_path: Path, change: Callable[[list[bytes]], None], said: list[str]
) -> None:
    file = logged(tmp_path)
    lines = lines_of(file)
    change(lines)
    file.write_bytes(b"".join(lines))
    assert found(file) == said


@pytest.mark.parametrize(
    "change", [cut, cut_within, empty, chain_anew], ids=lambda one: str(one.__name__)
)
def test_nothing_is_written_to_a_log_that_was_changed(
    tmp_path: Path, change: Callable[[list[bytes]], None]
) -> None:
    file = logged(tmp_path)
    lines = lines_of(file)
    change(lines)
    file.write_bytes(b"".join(lines))
    before = file.read_bytes()
    with pytest.raises(NotLogged, match="visavis audit verify"):
        AuditLog(file, KEYS).write(Event.RENDERED)
    assert file.read_bytes() == before


def test_the_head(tmp_path: Path) -> None:
    file = logged(tmp_path)
    head = head_of(file)
    now = head.read_bytes()
    head.unlink()
    assert found(file) == [
        "the head is missing: whether the end of the log is there cannot be told"
    ]
    for forged in (
        b"",
        b"\xff",
        now[:-2] + (b"B\n" if now.endswith(b"A\n") else b"A\n"),
        now.rstrip(),
        line.head(Place(6), OTHER.signing),
    ):
        head.write_bytes(forged)
        assert found(file) == ["the head was changed: its signature does not fit"]
        with pytest.raises(NotLogged):
            AuditLog(file, KEYS).write(Event.RENDERED)
    head.write_bytes(line.head(Place(3), KEYS.signing))
    assert found(file) == [
        "the head is not of this log's end: it was put back, or is of another log"
    ]
    head.write_bytes(now)
    file.unlink()
    assert found(file) == ["the head is there, but not the log"]
    with pytest.raises(NotLogged):
        AuditLog(file, KEYS).write(Event.RENDERED)
    head.unlink()
    file.unlink()
    with pytest.raises(NotFound):
        inspect(file, PUBLIC)


def test_a_line_of_another_log_with_the_same_key(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    file, other = logged(tmp_path), logged(tmp_path / "other")
    lines = lines_of(file)
    lines[2] = lines_of(other)[2]
    file.write_bytes(b"".join(lines))
    assert found(file) == [
        "line 3 does not follow the line before it: it is of another log",
        "line 4 does not follow the line before it: it is of another log",
    ]


def test_a_log_and_head_that_were_both_put_back(tmp_path: Path) -> None:
    """Nothing in them shows it: a hash noted elsewhere does."""
    file = logged(tmp_path)
    old = file.read_bytes(), head_of(file).read_bytes()
    log = AuditLog(file, KEYS)
    noted = log.write(Event.LABEL_OFF)
    log.write(Event.RENDERED)
    assert not found(file, noted)
    file.write_bytes(old[0])
    head_of(file).write_bytes(old[1])
    assert not found(file)
    assert found(file, noted) == [
        "the head that was asked for is no line's hash: the log was put back or made anew"
    ]


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A log to be changed, and its bytes as they were."""
    file = logged(tmp_path_factory.mktemp("changing"))
    return file, file.read_bytes()


@given(at=st.integers(0, 10_000), by=st.integers(1, 255))
@settings(deadline=None, max_examples=150)
def test_any_change_of_any_byte_is_found(changing: tuple[Path, bytes], at: int, by: int) -> None:
    file, whole = changing
    changed = bytearray(whole)
    changed[at % len(whole)] ^= by
    file.write_bytes(changed)
    assert found(file)


@given(order=st.lists(st.integers(0, 5), max_size=9))
@settings(deadline=None, max_examples=100)
def test_any_other_order_is_found(changing: tuple[Path, bytes], order: list[int]) -> None:
    file, whole = changing
    assume(order != list(range(6)))
    lines = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[each] for each in order))
    assert found(file)


@given(at=st.integers(0, 10_000), what=st.binary(min_size=1, max_size=60))
@settings(deadline=None, max_examples=100)
def test_anything_put_in_is_found(changing: tuple[Path, bytes], at: int, what: bytes) -> None:
    file, whole = changing
    at %= len(whole) + 1
    file.write_bytes(whole[:at] + what + whole[at:])
    assert found(file)


def test_a_crash_between_line_and_head(tmp_path: Path) -> None:
    file = logged(tmp_path)
    head = head_of(file).read_bytes()
    AuditLog(file, KEYS).write(Event.LABEL_OFF)
    head_of(file).write_bytes(head)
    one = inspect(file, PUBLIC)
    assert one.intact
    assert [str(each) for each in one.notes] == ["the head is one line behind, as after a crash"]
    AuditLog(file, KEYS).write(Event.RENDERED)
    assert inspect(file, PUBLIC) == Inspection(8, AuditLog(file, KEYS).check())


def test_a_crash_before_there_was_a_head(tmp_path: Path) -> None:
    file = logged(tmp_path, 2)
    file.write_bytes(lines_of(file)[0])
    head_of(file).unlink()
    assert inspect(file, PUBLIC).intact
    AuditLog(file, KEYS).write(Event.RENDERED)
    assert inspect(file, PUBLIC).lines == 2


@pytest.mark.parametrize("kept", [0, 1, 5])
@pytest.mark.parametrize("torn", [b'{"seq":7,"at":"2026-', b"\n{", b"{\n\n\x00\x00", b"x\n"])
def test_a_line_written_in_part_only_is_told_of_and_kept(
    tmp_path: Path, torn: bytes, kept: int
) -> None:
    file = logged(tmp_path, kept) if kept > 1 else tmp_path / "audit.jsonl"
    if kept == 1:
        AuditLog(file, KEYS).write(Event.RENDERED)
        file.write_bytes(lines_of(file)[0])
        head_of(file).unlink()
    with file.open("ab") as stream:
        stream.write(torn)
    assert not inspect(file, PUBLIC).intact
    AuditLog(file, KEYS).write(Event.RENDERED)
    one = inspect(file, PUBLIC)
    assert one.intact, found(file)
    assert one.lines == kept + 2
    number = one.notes[0].line
    assert number == kept + 1
    assert "was written in part only" in str(one.notes[0])
    assert torn in file.read_bytes()
    # and from then on that is fixed, too
    file.write_bytes(file.read_bytes().replace(torn, torn + b" "))
    assert found(file)


def test_more_than_a_torn_line_is_no_torn_line(tmp_path: Path) -> None:
    file = logged(tmp_path)
    with file.open("ab") as stream:
        stream.write(b"x" * 3 * line.LONGEST)
    assert found(file)[0] == "line 7 was changed or put in: its signature does not fit"
    with pytest.raises(NotLogged, match="has not signed"):
        AuditLog(file, KEYS).write(Event.RENDERED)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = logged(tmp_path)
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:100])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(NotLogged, match=r"No space left.*not done"):
        AuditLog(file, KEYS).write(Event.LABEL_OFF)
    monkeypatch.undo()
    AuditLog(file, KEYS).write(Event.RENDERED)
    one = inspect(file, PUBLIC)
    assert (one.intact, one.lines, len(one.notes)) == (True, 8, 1)


def test_a_head_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = logged(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(NotLogged, match="No space left"):
        AuditLog(file, KEYS).write(Event.LABEL_OFF)
    monkeypatch.undo()
    AuditLog(file, KEYS).write(Event.RENDERED)
    assert inspect(file, PUBLIC) == Inspection(8, AuditLog(file, KEYS).check())


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotLogged):
        AuditLog(tmp_path / "file" / "audit.jsonl", KEYS).write(Event.RENDERED)


def test_a_log_that_another_process_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.audit.log._LOCKED_WITHIN_S", 0.05)
    file = logged(tmp_path)
    with file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(NotLogged, match="another process"):
            AuditLog(file, KEYS).write(Event.RENDERED)


def _write_some(file: Path, signing: bytes, count: int) -> None:
    log = AuditLog(file, OperatorKeys(Ed25519PrivateKey.from_private_bytes(signing), bytes(32)))
    for _ in range(count):
        log.write(Event.RENDERED, pid=os.getpid())


def test_processes_and_threads_write_at_once(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    signing = KEYS.signing.private_bytes_raw()
    spawn = multiprocessing.get_context("spawn")
    other = spawn.Process(target=_write_some, args=(file, signing, 10))
    other.start()
    threads = [threading.Thread(target=_write_some, args=(file, signing, 10)) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    other.join()
    assert other.exitcode == 0
    assert inspect(file, PUBLIC).intact
    assert inspect(file, PUBLIC).lines == 41


@pytest.mark.parametrize(
    "facts",
    [
        {"who": "Ada Lovelace"},
        {"who": "ada@example.org"},
        {"peer": "192.168.1.7"},
        {"peer": "2001:db8::1"},
        {"file": "/home/ada/portrait.png"},
        {"who": "Zoë"},
        {"text": "x" * 65},
        {"seq": 1},
        {"Who": "ada"},
        {"a b": "ada"},
        {"number": 2**53},
        {"number": 1.5},
        {"many": ["a"]},
        {f"fact_{n}": n for n in range(17)},
    ],
)
def test_facts_that_tell_who_somebody_is_are_not_taken(
    tmp_path: Path, facts: dict[str, str]
) -> None:
    file = tmp_path / "audit.jsonl"
    log = AuditLog(file, KEYS)
    log.write(Event.RENDERED)
    before = file.read_bytes()
    with pytest.raises(ValueError, match=r"fact|audit log") as raised:
        log.write(Event.SESSION_OPENED, **facts)
    told = str(raised.value)
    assert not any(value in told for value in facts.values() if isinstance(value, str))
    assert file.read_bytes() == before


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of an operator with settings of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISAVIS_AUDIT__FILE", str(tmp_path / "audit.jsonl"))
    monkeypatch.setenv("VISAVIS_KEYS__FOLDER", str(tmp_path / "keys"))
    (tmp_path / "public.pem").write_bytes(
        PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return tmp_path


def test_the_command_verifies(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify"]) == 2
    assert "no audit log" in capsys.readouterr().err
    file = logged(at_home)
    assert main(["audit", "verify"]) == 1  # signed with another key than the operator's
    assert "FOUND: line 1 was changed" in capsys.readouterr().out
    by_key = ["audit", "verify", "--key", "public.pem"]
    assert main(by_key) == 0
    head = AuditLog(file, KEYS).check().hash
    assert f"6 lines, each as it was written; head {head}" in capsys.readouterr().out
    assert main([*by_key, "--head", head.upper(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(file),
        "intact": True,
        "lines": 6,
        "head": head,
        "findings": [],
        "notes": [],
    }
    assert main([*by_key, "--head", "0" * 64]) == 1
    lines = lines_of(file)
    edit(lines)
    file.write_bytes(b"".join(lines))
    capsys.readouterr()
    assert main([*by_key, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["intact"], told["findings"][0]["line"]) == (False, 3)
    shutil.copy(file, at_home / "copy.jsonl")
    assert main([*by_key, "--file", "copy.jsonl"]) == 1


def test_the_command_shows(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logged(at_home)
    by_key = ["audit", "show", "--key", "public.pem"]
    assert main(by_key) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[2].endswith("session_opened     session=000000000001 avatar=ada label=True")
    assert main([*by_key, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["event"] for one in told][:2] == ["log_opened", "session_opened"]
    assert main(["audit", "show", "--json"]) == 0  # another key's: nothing that can be believed
    assert json.loads(capsys.readouterr().out) == []


def test_the_log_and_the_list_of_revoked_consents_are_compared(
    at_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = at_home / "consents"
    monkeypatch.setenv("VISAVIS_CONSENT__FOLDER", str(folder))
    keys = load(Keys(folder=at_home / "keys"))
    log = AuditLog(at_home / "audit.jsonl", keys)
    listed = Revocations(folder, keys)
    for each in ("aa", "bb"):
        listed.add(each, "", datetime.now(UTC))
        log.write(Event.CONSENT_REVOKED, consent=each)
        if each == "aa":
            earlier = {one: one.read_bytes() for one in folder.iterdir()}
    assert main(["audit", "verify"]) == 0
    listed.add("cc", "", datetime.now(UTC))
    capsys.readouterr()
    assert main(["audit", "verify"]) == 0
    assert (
        "note: the revocation list says that the consent cc was revoked, and the log does not"
        in capsys.readouterr().out
    )
    for one, content in earlier.items():  # put back: the list and its number fit each other
        one.write_bytes(content)
    assert main(["audit", "verify", "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding == {
        "line": 3,
        "what": "line 3 says that the consent bb was revoked, and the revocation list does not",
    }
    for one in folder.iterdir():
        one.write_bytes(b"nonsense")
    assert main(["audit", "verify"]) == 1
    assert "the revocation list cannot be compared" in capsys.readouterr().out


def test_no_server_starts_over_a_log_that_was_changed(
    at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logged(at_home)  # with another key than the operator's
    assert main(["serve", "--port", "0"]) == 1
    assert "has not signed" in capsys.readouterr().err


@pytest.mark.parametrize("pem", [b"", b"nonsense", None])
def test_a_key_that_is_none(at_home: Path, pem: bytes | None) -> None:
    logged(at_home)
    if pem is not None:
        (at_home / "key.pem").write_bytes(pem)
    assert main(["audit", "verify", "--key", "key.pem"]) == 2

"""The list of what was taken back: for good, in order, and nothing opens where it was touched."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.consent import revocations
from live.consent.revocations import Revocations
from live.errors import Conflict, NoConsent
from live.keys import OperatorKeys
from live.signed import sign
from tests.consents import keys

NOON = datetime(2026, 8, 2, 12, tzinfo=UTC)
LIST, SERIAL = "revocations.jws", "revocations.serial"


def listed(folder: Path) -> list[str]:
    """As a process sees it that has just begun."""
    return sorted(Revocations(folder, keys()).current().revoked)


def with_two(folder: Path) -> Revocations:
    made = Revocations(folder, keys())
    made.add("record-a", "asked by mail", NOON)
    made.add("record-b", "", NOON)
    return made


def test_nothing_was_revoked_where_nothing_says_so(tmp_path: Path) -> None:
    assert listed(tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_what_is_revoked_stays_revoked(tmp_path: Path) -> None:
    made = with_two(tmp_path)
    assert listed(tmp_path) == ["record-a", "record-b"]
    made.add("record-a", "again", NOON)
    current = made.current()
    assert current.serial == 2
    assert (current.revoked["record-a"].reason, current.revoked["record-a"].at) == (
        "asked by mail",
        "2026-08-02T12:00:00Z",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", LIST, SERIAL]


def test_another_process_is_seen_at_once(tmp_path: Path) -> None:
    watching = Revocations(tmp_path, keys())
    assert not watching.current().revoked
    with_two(tmp_path)
    assert sorted(watching.current().revoked) == ["record-a", "record-b"]


def test_the_file_is_read_only_where_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = with_two(tmp_path)
    made.current()
    monkeypatch.setattr(revocations, "opened", None)
    assert len(made.current().revoked) == 2


@pytest.mark.parametrize("name", [LIST, SERIAL])
def test_one_changed_byte_and_nothing_opens(tmp_path: Path, name: str) -> None:
    watching = with_two(tmp_path)
    file = tmp_path / name
    whole = file.read_bytes()
    for at in (0, len(whole) // 3, len(whole) // 2, len(whole) - 2):
        changed = bytearray(whole)
        changed[at] ^= 1
        file.write_bytes(changed)
        for list_of in (watching, Revocations(tmp_path, keys())):
            with pytest.raises(NoConsent, match="nothing is opened"):
                list_of.current()
            with pytest.raises(NoConsent):
                list_of.add("record-c", "", NOON)
    file.write_bytes(whole)
    assert len(watching.current().revoked) == 2


@given(data=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_other_content_and_nothing_opens(tmp_path: Path, data: bytes) -> None:
    (tmp_path / LIST).write_bytes(data)
    with pytest.raises(NoConsent):
        Revocations(tmp_path, keys()).current()


def test_a_list_that_has_gone_is_missed(tmp_path: Path) -> None:
    watching = with_two(tmp_path)
    (tmp_path / LIST).unlink()
    with pytest.raises(NoConsent, match="is gone"):
        listed(tmp_path)
    (tmp_path / SERIAL).unlink()
    with pytest.raises(NoConsent, match="is gone"):  # by who has seen it
        watching.current()
    assert listed(tmp_path) == []  # by nobody else: docs/disclosure.md says so


def test_an_older_list_is_known_for_one(tmp_path: Path) -> None:
    made = with_two(tmp_path)
    older, number = (tmp_path / LIST).read_bytes(), (tmp_path / SERIAL).read_bytes()
    made.add("record-c", "", NOON)
    (tmp_path / LIST).write_bytes(older)
    with pytest.raises(NoConsent, match="older"):
        listed(tmp_path)
    (tmp_path / SERIAL).write_bytes(number)
    with pytest.raises(NoConsent, match="older"):
        made.current()


def test_a_crash_between_list_and_number_does_no_harm(tmp_path: Path) -> None:
    made = with_two(tmp_path)
    number = (tmp_path / SERIAL).read_bytes()
    made.add("record-c", "", NOON)
    (tmp_path / SERIAL).write_bytes(number)
    assert len(listed(tmp_path)) == 3
    Revocations(tmp_path, keys()).add("record-d", "", NOON)
    assert len(listed(tmp_path)) == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_list_that_cannot_be_read_stands_for_none(tmp_path: Path) -> None:
    with_two(tmp_path)
    (tmp_path / LIST).chmod(0)
    with pytest.raises(NoConsent, match="cannot be read"):
        listed(tmp_path)


def test_a_folder_in_its_place_stands_for_none(tmp_path: Path) -> None:
    (tmp_path / LIST).mkdir()
    with pytest.raises(NoConsent, match="cannot be read"):
        listed(tmp_path)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"v": 2, "serial": 1, "revoked": {}},
        {"v": 1, "serial": True, "revoked": {}},
        {"v": 1, "serial": 0, "revoked": {}},
        {"v": 1, "serial": 1, "revoked": ["a"]},
        {"v": 1, "serial": 1, "revoked": {"a": {}}},
        {"v": 1, "serial": 1, "revoked": {"a": None}},
    ],
)
def test_a_signed_list_of_another_shape_is_none(tmp_path: Path, claims: dict[str, object]) -> None:
    (tmp_path / LIST).write_text(sign(claims, keys().signing, revocations.TYP))
    with pytest.raises(NoConsent):
        listed(tmp_path)


@pytest.mark.parametrize("reason", ["two\nlines", "x" * 201, " padded"])
def test_reasons_that_cannot_be_shown(tmp_path: Path, reason: str) -> None:
    with pytest.raises(NoConsent, match="reason"):
        Revocations(tmp_path, keys()).add("record-a", reason, NOON)
    assert listed(tmp_path) == []


def test_the_list_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "CAPACITY", 2)
    made = with_two(tmp_path)
    with pytest.raises(Conflict, match="holds 2"):
        made.add("record-c", "", NOON)


def test_a_long_list_is_read(tmp_path: Path) -> None:
    revoked = {
        f"record-{n:09}": {"at": "2026-08-02T12:00:00Z", "reason": ""} for n in range(20_000)
    }
    claims = {"v": 1, "serial": 20_000, "revoked": revoked}
    (tmp_path / LIST).write_text(sign(claims, keys().signing, revocations.TYP))
    assert len(listed(tmp_path)) == 20_000


def test_who_reads_does_not_wait_for_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped in the middle of a revocation."""
    monkeypatch.setattr(revocations, "_PATIENCE_S", 0.05)
    made = with_two(tmp_path)
    with (tmp_path / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="another process"):
            made.add("record-c", "", NOON)
        assert len(made.current().revoked) == 2
    made.add("record-c", "", NOON)
    assert len(listed(tmp_path)) == 3


def _revoke(folder: Path, name: str, signing: bytes) -> None:
    same = OperatorKeys(Ed25519PrivateKey.from_private_bytes(signing), bytes(32))
    made = Revocations(folder, same)
    for n in range(5):
        made.add(f"{name}-{n}", "", NOON)


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    signing = keys().signing.private_bytes_raw()
    writers = [
        spawn.Process(target=_revoke, args=(tmp_path, name, signing)) for name in ("left", "right")
    ]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)
        assert each.exitcode == 0
    assert len(listed(tmp_path)) == 10
    assert Revocations(tmp_path, keys()).current().serial == 10

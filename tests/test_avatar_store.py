from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import avatars as built_in
from engines.types import Avatar, Portrait
from live import avatars
from live.avatars import AvatarStore, Entry, is_id, portrait_png
from live.consent import Statement, Whose
from live.errors import (
    BadRequest,
    Conflict,
    ModelUnavailable,
    NoConsent,
    NotFound,
    TooManyRequests,
    UnusablePortrait,
)
from live.prepared import KEPT, PreparedAvatars
from live.workshop import Workshop
from tests.fakes import FakeRenderer, FakeTracker
from tests.http_fakes import png, read


def portrait(size: int = 40) -> Portrait:
    rgb = np.zeros((size, size, 3), np.uint8)
    rgb[..., 0] = 200  # red, so that a swap of channels is seen
    return Portrait(rgb, (), np.full((size, size), 77, np.uint8))


def statement() -> Statement:
    return Statement.made("own", "It is me.")


def test_the_built_in_avatars_are_there_and_stay(tmp_path: Path) -> None:
    store = AvatarStore(tmp_path / "none")
    entries = store.entries()
    assert [entry.id for entry in entries] == built_in.ids()
    assert all(entry.built_in and entry.statement.whose is Whose.SYNTHETIC for entry in entries)
    with pytest.raises(Conflict, match="built in"):
        store.remove(entries[0].id)
    with pytest.raises(Conflict, match="already"):
        store.add(portrait(), statement(), id=entries[0].id)
    assert not (tmp_path / "none").exists()


def test_what_is_added_is_kept_with_its_statement(tmp_path: Path) -> None:
    said = Statement.made("consented", "  My sister\nagreed. ")
    added = AvatarStore(tmp_path).add(portrait(), said, id="sis", name="  My  sister ")
    again = AvatarStore(tmp_path).entry("sis")
    assert again == added
    assert (again.name, again.built_in, again.statement) == ("My sister", False, said)
    assert again.statement.text == "My sister agreed."
    assert again.matte is not None
    assert np.array_equal(avatars.read_picture(again.portrait), portrait().rgb)
    matte = avatars.read_matte(again.matte)
    assert matte is not None
    assert (matte == 77).all()
    assert (tmp_path / "sis").stat().st_mode & 0o077 == 0


def test_an_id_is_made_of_the_name(tmp_path: Path) -> None:
    store = AvatarStore(tmp_path)
    ids = {store.add(portrait(), statement(), name="Zoë & Co").id for _ in range(3)}
    assert len(ids) == 3
    assert all(each.startswith("zo-co-") for each in ids)
    assert store.add(portrait(), statement(), name="漢字").id.startswith("avatar-")


@given(st.text(max_size=70))
def test_an_id_made_of_any_name_is_one(name: str) -> None:
    assert is_id(AvatarStore(Path("nowhere")).free_id(name))


@pytest.mark.parametrize(
    "bad", ["../up", "a/b", "A", "-a", "a-", "a.b", "a\n", "a" * 41, ".hidden", "ä"]
)
def test_ids_that_could_name_something_else_are_refused(tmp_path: Path, bad: str) -> None:
    (tmp_path / "up").mkdir()
    store = AvatarStore(tmp_path / "store")
    with pytest.raises(BadRequest):
        store.add(portrait(), statement(), id=bad)
    for ask in (store.entry, store.remove):
        with pytest.raises(NotFound):
            ask(bad)
    assert (tmp_path / "up").exists()


@pytest.mark.parametrize("name", ["x" * 61, "bell\a", "\u202egnp"])
def test_names_that_cannot_be_shown_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequest, match="name"):
        AvatarStore(tmp_path).add(portrait(), statement(), name=name)


def test_an_id_is_given_once(tmp_path: Path) -> None:
    store = AvatarStore(tmp_path)
    store.add(portrait(), statement(), id="me", name="first")
    with pytest.raises(Conflict):
        store.add(portrait(), statement(), id="me", name="second")
    assert store.entry("me").name == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me"]


def test_two_at_once_get_one_id_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = AvatarStore(tmp_path)
    monkeypatch.setattr(store, "check_free", lambda _: None)
    store.add(portrait(), statement(), id="me", name="first")
    with pytest.raises(Conflict):
        store.add(portrait(), statement(), id="me", name="second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me"]


def test_what_fails_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Statement, "to_json", fail)
    with pytest.raises(OSError, match="No space"):
        AvatarStore(tmp_path).add(portrait(), statement(), id="me")
    assert list(tmp_path.iterdir()) == []


def test_what_is_removed_is_gone(tmp_path: Path) -> None:
    store = AvatarStore(tmp_path)
    store.add(portrait(), statement(), id="me")
    store.remove("me")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotFound):
        store.entry("me")
    with pytest.raises(NotFound):
        store.remove("me")
    store.add(portrait(), statement(), id="me")


def test_the_store_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avatars, "CAPACITY", 2)
    store = AvatarStore(tmp_path)
    for name in ("a", "b"):
        store.add(portrait(), statement(), id=name)
    with pytest.raises(Conflict, match="remove one first"):
        store.add(portrait(), statement(), id="c")


@pytest.mark.parametrize("broken", [None, "", "{", "[]", '{"id": "1", "whose": "mine"}'])
def test_no_avatar_without_its_statement(tmp_path: Path, broken: str | None) -> None:
    store = AvatarStore(tmp_path)
    store.add(portrait(), statement(), id="me")
    file = tmp_path / "me/consent.json"
    file.unlink() if broken is None else file.write_text(broken, "utf-8")
    with pytest.raises(NoConsent):
        store.entry("me")
    assert "me" not in [entry.id for entry in store.entries()]
    store.remove("me")


@pytest.mark.parametrize(
    ("whose", "text"),
    [(None, "x"), ("", "x"), ("mine", "x"), ("own", None), ("own", " \n"), ("own", "x" * 501)],
)
def test_a_statement_is_whole_or_refused(whose: str | None, text: str | None) -> None:
    with pytest.raises(NoConsent):
        Statement.made(whose, text)


@given(st.sampled_from(Whose), st.text(min_size=1, max_size=500))
def test_a_statement_survives_its_file(whose: Whose, text: str) -> None:
    if text.split():
        said = Statement.made(whose, text)
        assert Statement.from_json(said.to_json()) == said


@given(
    st.recursive(st.none() | st.text() | st.integers(), st.lists)
    | st.dictionaries(st.sampled_from(["id", "whose", "text", "stated_at"]), st.text() | st.none())
)
def test_any_other_file_is_no_statement(content: object) -> None:
    try:
        Statement.from_json(json.dumps(content))
    except NoConsent:
        return
    assert isinstance(content, dict)
    assert content["whose"] in list(Whose)


def test_the_shown_portrait_is_small_and_in_its_colours(tmp_path: Path) -> None:
    entry = AvatarStore(tmp_path).add(portrait(700), statement(), id="me")
    shown = cv2.imdecode(np.frombuffer(portrait_png(entry), np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (512, 512, 3)
    assert tuple(shown[0, 0]) == (0, 0, 200)


class CountingWorkshop(Workshop):
    """Counts what it prepares, and waits until it is let."""

    def __init__(self) -> None:
        super().__init__(FakeTracker(), FakeRenderer(), read)
        self.prepared: list[str] = []
        self.threads: set[int] = set()
        self.go = threading.Event()
        self.go.set()

    def prepare(self, entry: Entry, size: int, by: str = "") -> Avatar:
        self.prepared.append(entry.id)
        self.threads.add(threading.get_ident())
        assert self.go.wait(10)
        return super().prepare(entry, size)


def store_of(folder: Path, *ids: str) -> AvatarStore:
    store = AvatarStore(folder)
    for each in ids:
        store.add(portrait(), statement(), id=each)
    return store


def test_an_avatar_is_prepared_once_for_all_who_wait(tmp_path: Path) -> None:
    async def scene() -> None:
        workshop = CountingWorkshop()
        prepared = PreparedAvatars(store_of(tmp_path, "me"), lambda: workshop)
        workshop.go.clear()
        waiting = [asyncio.create_task(prepared.open("me", 64)) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # one who gives up takes nothing from the others
        workshop.go.set()
        got = await asyncio.gather(*waiting[1:])
        assert all(each is got[0] for each in got)
        assert await prepared.open("me", 64) is got[0]
        assert workshop.prepared == ["me"]
        assert threading.get_ident() not in workshop.threads
        prepared.close()

    asyncio.run(scene())


def test_the_prepared_ones_are_few_and_the_oldest_goes(tmp_path: Path) -> None:
    async def scene() -> None:
        workshop = CountingWorkshop()
        ids = [f"a{i}" for i in range(KEPT + 1)]
        prepared = PreparedAvatars(store_of(tmp_path, *ids), lambda: workshop)
        for each in ids:
            await prepared.open(each, 64)
        await prepared.open(ids[-1], 64)
        assert len(workshop.prepared) == KEPT + 1
        await prepared.open(ids[0], 64)
        assert workshop.prepared[-1] == ids[0]
        prepared.close()

    asyncio.run(scene())


def test_an_avatar_that_is_removed_while_being_prepared_is_not_kept(tmp_path: Path) -> None:
    async def scene() -> None:
        workshop = CountingWorkshop()
        store = store_of(tmp_path, "me")
        prepared = PreparedAvatars(store, lambda: workshop)
        workshop.go.clear()
        opening = asyncio.create_task(prepared.open("me", 64))
        await asyncio.sleep(0)
        prepared.forget("me")
        workshop.go.set()
        await opening
        store.remove("me")
        with pytest.raises(NotFound):
            await prepared.open("me", 64)
        prepared.close()

    asyncio.run(scene())


def test_a_crowd_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        workshop = CountingWorkshop()
        ids = [f"a{i}" for i in range(20)]
        prepared = PreparedAvatars(store_of(tmp_path, *ids), lambda: workshop)
        workshop.go.clear()
        opening = [asyncio.create_task(prepared.open(each, 64)) for each in ids]
        await asyncio.sleep(0.01)
        workshop.go.set()
        results = await asyncio.gather(*opening, return_exceptions=True)
        assert sum(isinstance(each, TooManyRequests) for each in results) == 4
        assert sum(isinstance(each, Avatar) for each in results) == 16
        prepared.close()

    asyncio.run(scene())


def test_parts_that_cannot_be_loaded_are_tried_again(tmp_path: Path) -> None:
    async def scene() -> None:
        tries: list[int] = []

        def furnish() -> Workshop:
            tries.append(1)
            if len(tries) == 1:
                raise ModelUnavailable("no network")
            return CountingWorkshop()

        prepared = PreparedAvatars(store_of(tmp_path, "me"), furnish)
        with pytest.raises(ModelUnavailable):
            await prepared.warm()
        before = prepared.is_warm
        assert (await prepared.open("me", 64)).id == "me"
        assert (before, prepared.is_warm) == (False, True)
        assert len(tries) == 2
        prepared.close()

    asyncio.run(scene())


def test_an_image_is_kept_only_when_an_avatar_can_be_made_of_it(tmp_path: Path) -> None:
    workshop = Workshop(FakeTracker(), FakeRenderer(), read)
    store = AvatarStore(tmp_path)
    assert workshop.add(store, png(), statement(), id="me").id == "me"
    with pytest.raises(Conflict):
        workshop.add(store, b"not even looked at", statement(), id="me")
    with pytest.raises(UnusablePortrait):
        workshop.add(store, png(level=0), statement(), id="nobody")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me"]

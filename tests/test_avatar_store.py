from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import avatars as built_in
from engines.types import Avatar, Portrait
from live import avatars
from live.avatars import AvatarStore, Opened, free_id, is_id, portrait_png
from live.consent import seal
from live.consent.fingerprint import fingerprint
from live.consent.permitted import Permitted
from live.consent.record import Basis
from live.errors import (
    BadRequest,
    Conflict,
    ModelUnavailable,
    NotFound,
    TooManyRequests,
    UnusablePortrait,
)
from live.prepared import KEPT, PreparedAvatars
from live.workshop import Workshop
from tests import consents
from tests.fakes import FakeRenderer, FakeTracker, MemoryAudit
from tests.http_fakes import agreed, png, read


def portrait(size: int = 40) -> Portrait:
    rgb = np.zeros((size, size, 3), np.uint8)
    rgb[..., 0] = 200  # red, so that a swap of channels is seen
    return Portrait(rgb, (), np.full((size, size), 77, np.uint8))


def document() -> str:
    """A consent for `portrait()`."""
    return consents.granted(portrait().rgb).document


def store_in(folder: Path) -> AvatarStore:
    return AvatarStore(folder, consents.authority(), consents.keys(), MemoryAudit())


def test_the_built_in_avatars_are_there_and_stay(tmp_path: Path) -> None:
    store = store_in(tmp_path / "none")
    entries = store.entries()
    assert [entry.id for entry in entries] == built_in.ids()
    assert all(entry.built_in and entry.consent.basis is Basis.SYNTHETIC for entry in entries)
    with pytest.raises(Conflict, match="built in"):
        store.remove(entries[0].id)
    with pytest.raises(Conflict, match="already"):
        store.add(portrait(), document(), id=entries[0].id)
    assert not (tmp_path / "none").exists()


def test_what_is_added_is_kept_with_its_consent(tmp_path: Path) -> None:
    grant = consents.granted(portrait().rgb)
    added = store_in(tmp_path).add(portrait(), grant.document, id="sis", name="  My  sister ")
    opened = store_in(tmp_path).opened("sis")
    assert opened.entry == added == store_in(tmp_path).entry("sis")
    assert (added.name, added.built_in, added.consent) == ("My sister", False, grant.record)
    assert np.array_equal(opened.contents.rgb(), portrait().rgb)
    matte = opened.contents.coverage()
    assert matte is not None
    assert (matte == 77).all()
    assert opened.permit.record == grant.record
    assert opened.permit.portrait == fingerprint(portrait().rgb)
    assert (tmp_path / "sis").stat().st_mode & 0o077 == 0


def test_an_id_is_made_of_the_name(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    ids = {store.add(portrait(), document(), name="Zoë & Co").id for _ in range(3)}
    assert len(ids) == 3
    assert all(each.startswith("zo-co-") for each in ids)
    assert store.add(portrait(), document(), name="漢字").id.startswith("avatar-")


@given(st.text(max_size=70))
def test_an_id_made_of_any_name_is_one(name: str) -> None:
    assert is_id(free_id(name))


@pytest.mark.parametrize(
    "bad", ["../up", "a/b", "A", "-a", "a-", "a.b", "a\n", "a" * 41, ".hidden", "ä"]
)
def test_ids_that_could_name_something_else_are_refused(tmp_path: Path, bad: str) -> None:
    (tmp_path / "up").mkdir()
    store = store_in(tmp_path / "store")
    with pytest.raises(BadRequest):
        store.add(portrait(), document(), id=bad)
    for ask in (store.entry, store.remove):
        with pytest.raises(NotFound):
            ask(bad)
    assert (tmp_path / "up").exists()


@pytest.mark.parametrize("name", ["x" * 61, "bell\a", "\u202egnp"])
def test_names_that_cannot_be_shown_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequest, match="name"):
        store_in(tmp_path).add(portrait(), document(), name=name)


def test_an_id_is_given_once(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add(portrait(), document(), id="me", name="first")
    with pytest.raises(Conflict):
        store.add(portrait(), document(), id="me", name="second")
    assert store.entry("me").name == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me"]


def test_two_at_once_get_one_id_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(tmp_path)
    monkeypatch.setattr(store, "check_free", lambda _: None)
    store.add(portrait(), document(), id="me", name="first")
    with pytest.raises(Conflict):
        store.add(portrait(), document(), id="me", name="second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me"]


def test_what_fails_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(seal, "sealed", fail)
    with pytest.raises(OSError, match="No space"):
        store_in(tmp_path).add(portrait(), document(), id="me")
    assert list(tmp_path.iterdir()) == []


def test_what_is_removed_is_gone(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add(portrait(), document(), id="me")
    store.remove("me")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotFound):
        store.entry("me")
    with pytest.raises(NotFound):
        store.remove("me")
    store.add(portrait(), document(), id="me")


def test_the_store_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avatars, "CAPACITY", 2)
    store = store_in(tmp_path)
    for name in ("a", "b"):
        store.add(portrait(), document(), id=name)
    with pytest.raises(Conflict, match="remove one first"):
        store.add(portrait(), document(), id="c")


def test_the_shown_portrait_is_small_and_in_its_colours(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.add(portrait(700), consents.granted(portrait(700).rgb).document, id="me")
    data = portrait_png(store.opened("me").contents)
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
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

    def prepare(self, opened: Opened, size: int, by: str = "") -> Avatar:
        self.prepared.append(opened.entry.id)
        self.threads.add(threading.get_ident())
        assert self.go.wait(10)
        return super().prepare(opened, size)


def store_of(folder: Path, *ids: str) -> AvatarStore:
    store = store_in(folder)
    for each in ids:
        store.add(portrait(), document(), id=each)
    return store


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def test_an_avatar_is_prepared_once_for_all_who_wait(tmp_path: Path) -> None:
    async def scene() -> None:
        workshop = CountingWorkshop()
        prepared = PreparedAvatars(store_of(tmp_path, "me"), lambda: workshop)
        workshop.go.clear()
        waiting = [asyncio.create_task(prepared.open("me", 64)) for _ in range(5)]
        await until(lambda: workshop.prepared == ["me"])
        waiting[0].cancel()  # one who gives up takes nothing from the others
        workshop.go.set()
        got = await asyncio.gather(*waiting[1:])
        assert all(each.avatar is got[0].avatar for each in got)
        assert (await prepared.open("me", 64)).avatar is got[0].avatar
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
        await until(lambda: workshop.prepared == ["me"])
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
        await until(lambda: sum(each.done() for each in opening) == 4)
        workshop.go.set()
        results = await asyncio.gather(*opening, return_exceptions=True)
        assert sum(isinstance(each, TooManyRequests) for each in results) == 4
        assert sum(isinstance(each, Permitted) for each in results) == 16
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
    store = store_in(tmp_path)
    assert workshop.add(store, png(), agreed(png()), id="me").id == "me"
    with pytest.raises(Conflict):
        workshop.add(store, b"not even looked at", agreed(png()), id="me")
    with pytest.raises(UnusablePortrait):
        workshop.add(store, png(level=0), agreed(png()), id="nobody")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me"]

"""No avatar without a permit, no permit without a consent that holds, for these very pixels."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import live
from engines import avatars as built_in
from engines.avatars import pins
from engines.types import Avatar, Portrait, Rgb
from live.audit import Event
from live.avatar_files import decoded
from live.avatars import AvatarStore
from live.consent import seal
from live.consent.authority import Consents, Permit
from live.consent.fingerprint import fingerprint, same_portrait
from live.consent.permitted import Permitted
from live.consent.record import Mode, Purpose
from live.consent.uses import modes_of
from live.easel import Easel
from live.errors import ChangedAvatar, Conflict, NoConsent, NotFound, NotLogged
from live.pipeline import Pipeline
from live.prepared import PreparedAvatars
from live.request import Parts, SessionRequest
from live.session import Session
from live.signed import sign
from live.workshop import Workshop
from tests import consents, fakes
from tests.fakes import FakeDriver, FakeRenderer, FakeTracker, MemoryAudit, stamp
from tests.http_fakes import read
from tests.loops import in_loop

FILES = ("portrait.png", "matte.png", "record.json", "consent.jws", "seal.jws")


def portrait() -> Portrait:
    rgb = np.full((48, 64, 3), (60, 100, 50), np.uint8)
    rgb[10:40, 20:40] = (200, 150, 90)
    rgb[np.tri(48, 64, 10, dtype=bool)] += 40
    return Portrait(rgb, (), np.full((48, 64), 77, np.uint8))


class Shop:
    """A store and its authority, with a clock."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime(2026, 8, 2, tzinfo=UTC)
        self.log = MemoryAudit()
        self.consents = Consents(
            folder / "consents", consents.keys(), self.log, now=lambda: self.now
        )
        self.folder = folder / "avatars"
        self.store = AvatarStore(self.folder, self.consents, consents.keys(), self.log)

    def add(self, id: str = "me") -> str:
        """The id of the record."""
        granted = consents.granted(portrait().rgb, by=self.consents)
        self.store.add(portrait(), granted.document, id=id, name="Me")
        return granted.record.id

    def events(self) -> list[Event]:
        return [event for event, _ in self.log.told]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


# Who makes permits, and what takes them.


def test_nobody_makes_a_permit_by_hand() -> None:
    real = fakes.permitted().permit
    with pytest.raises(TypeError, match="only"):
        Permit("grey", real.record, real.portrait, consents.authority(), None)
    for again in (
        lambda: copy.copy(real),
        lambda: copy.deepcopy(real),
        lambda: pickle.dumps(real),
        lambda: replace(real, avatar="other"),  # type: ignore[call-arg]
    ):
        with pytest.raises((TypeError, ValueError)):
            again()
    with pytest.raises(AttributeError):
        real.avatar = "other"  # type: ignore[misc]


def test_an_avatar_and_its_permit_have_to_be_of_one_portrait() -> None:
    good = fakes.permitted()
    avatar, permit = good.avatar, good.permit
    other = Portrait(portrait().rgb, ())
    for wrong in (
        replace(avatar, id="other"),
        replace(avatar, consent="other"),
        replace(avatar, portrait=other),
    ):
        with pytest.raises(NoConsent):
            Permitted(wrong, permit)
    with pytest.raises(TypeError):
        Permitted(avatar, None)  # type: ignore[arg-type]
    assert (good.id, good.consent) == (avatar.id, permit.record.id)


def test_a_copy_that_looks_the_same_is_not_the_same_portrait(shop: Shop) -> None:
    """A record may fit a re-encoded copy; what is shown is the very copy that was found to fit."""
    granted = consents.granted(portrait().rgb, by=shop.consents)
    copied: Rgb = portrait().rgb + 1
    with pytest.raises(NoConsent, match="looks like a copy"):
        shop.consents.permit("me", granted.document, fingerprint(copied))
    permit = shop.consents.permit("me", granted.document, fingerprint(copied), copies=True)
    made = Avatar("me", Portrait(copied, ()), 0, "fake", granted.record.id)
    assert Permitted(made, permit).id == "me"
    with pytest.raises(NoConsent, match="not the one"):
        Permitted(replace(made, portrait=portrait()), permit)


def disguised(face: Rgb, look: Rgb) -> Rgb:
    """A picture of `face` with the perceptual hash of `look`."""
    signs = np.unpackbits(np.frombuffer(bytes.fromhex(fingerprint(look).perceptual), np.uint8))
    wanted = np.where(signs.reshape(16, 16), 3.0, -3.0)
    made = face.astype(np.float32)
    for _ in range(3):
        small = cv2.resize(made.astype(np.uint8), (64, 64), interpolation=cv2.INTER_AREA)
        now = cv2.dct(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32))[1:17, 1:17]
        change = np.zeros((64, 64), np.float32)
        change[1:17, 1:17] = np.where(now * wanted > 0, 0, wanted - now)
        blotches = cv2.resize(cv2.idct(change), face.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        made = np.clip(made + blotches[..., None], 0, 255)
    return made.astype(np.uint8)


def test_a_face_that_is_made_to_look_like_another_to_the_hash_is_refused(shop: Shop) -> None:
    """Whoever holds a record of a drawing could put anybody's photograph in, else."""
    drawing, face = (decoded(built_in.contents(each).portrait) for each in ("ada", "leo"))
    forged = disguised(face, drawing)
    assert np.abs(forged.astype(int) - face).mean() < 25
    assert same_portrait(fingerprint(forged), fingerprint(drawing))
    granted = consents.granted(drawing, by=shop.consents)
    with pytest.raises(NoConsent, match="only an operator"):
        shop.store.add(Portrait(forged, ()), granted.document, id="me")
    assert not shop.folder.exists()


def test_a_copy_that_an_operator_took_for_one_is_opened_as_such(shop: Shop) -> None:
    granted = consents.granted(portrait().rgb, by=shop.consents)
    copied = Portrait(portrait().rgb + 1, ())
    shop.store.add(copied, granted.document, id="me", copies=True)
    opened = shop.store.opened("me")
    assert opened.permit.portrait == fingerprint(copied.rgb)
    assert opened.permit.record == granted.record
    assert shop.log.told[-1][1]["exact"] is False


def test_pipelines_and_calls_take_nothing_else() -> None:
    bare: Any = fakes.avatar()
    good = fakes.permitted()
    parts = Parts(FakeTracker, lambda name: FakeDriver(), FakeRenderer, fakes.no_voice)
    for refused in (
        lambda: Pipeline(FakeTracker(), FakeDriver(), FakeRenderer(), bare, stamp()),
        lambda: Easel(FakeRenderer(), bare, lambda fall: None),
        lambda: SessionRequest(bare, parts, fakes.call_settings()),
    ):
        with pytest.raises((TypeError, AttributeError)):
            refused()
    pipeline = Pipeline(FakeTracker(), FakeDriver(), FakeRenderer(), good, stamp())
    with pytest.raises(TypeError, match="permit"):
        pipeline.request(avatar=bare)


@pytest.mark.parametrize(
    ("purposes", "modes", "driver", "words"),
    [
        ({Purpose.RENDER}, set(Mode), "face", "purpose 'call'"),
        ({Purpose.CALL}, {Mode.SPEECH}, "face", "driven by face"),
        ({Purpose.CALL}, {Mode.SPEECH}, "implicit", "driven by face"),
        ({Purpose.CALL}, {Mode.FACE}, "speech", "driven by speech"),
        ({Purpose.CALL}, {Mode.FACE}, "auto", "driven by speech"),
        ({Purpose.CALL}, {Mode.VOICE}, "somebodys", "driven by face and speech"),
    ],
)
def test_a_call_that_was_not_agreed_to(
    purposes: set[Purpose], modes: set[Mode], driver: str, words: str
) -> None:
    permitted = consents.permitted(fakes.avatar(), frozenset(purposes), frozenset(modes))
    parts = Parts(FakeTracker, lambda name: FakeDriver(), FakeRenderer, fakes.no_voice)
    with pytest.raises(NoConsent, match=words):
        SessionRequest(permitted, parts, fakes.call_settings(), driver=driver)
    with pytest.raises(NoConsent, match=words):
        permitted.permit.check(Purpose.CALL, modes_of(driver))


def test_a_recorded_call_has_to_be_agreed_to_as_such() -> None:
    permitted = consents.permitted(fakes.avatar(), frozenset({Purpose.CALL}))
    request = replace(fakes.request(), avatar=permitted)
    with pytest.raises(NoConsent, match="recording"):
        replace(request, purposes=frozenset({Purpose.CALL, Purpose.RECORDING}))


@in_loop
async def test_a_running_call_changes_only_to_what_was_agreed_to() -> None:
    only_face = consents.permitted(fakes.avatar(), modes=frozenset({Mode.FACE}))
    only_speech = consents.permitted(fakes.avatar("talker"), modes=frozenset({Mode.SPEECH}))

    async def open_avatar(id: str) -> Permitted:
        return only_speech

    request = replace(fakes.request(), avatar=only_face, open_avatar=open_avatar)
    session = Session(request)
    session._pipeline = Pipeline(FakeTracker(), FakeDriver(), FakeRenderer(), only_face, stamp())
    for refused, words in (
        ({"driver": "speech"}, "driven by speech"),
        ({"driver": "auto"}, "driven by speech"),
        ({"avatar": "talker"}, "driven by face"),
    ):
        with pytest.raises(NoConsent, match=words):
            await session.change(refused)
    assert (session.avatar, session.report()["mode"]) == ("grey", "face")
    await session.change({"avatar": "talker", "driver": "speech"})
    assert (session.avatar, session.report()["mode"]) == ("talker", "speech")
    with pytest.raises(NoConsent, match="driven by face"):
        await session.change({"driver": "face"})
    await session.close()


def test_nothing_but_enrolment_grants_as_enrolment_does() -> None:
    root = Path(live.__file__).parent
    users = {
        file.relative_to(root).as_posix()
        for file in root.rglob("*.py")
        if "grant_enrolled" in file.read_text("utf-8")
    }
    others = {"consent/authority.py", "server.py"}  # where it is, and who hands it to the desk
    assert {each for each in users - others if "enrol" not in each} == set()


# Avatars on the disk.


def changed(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_one_changed_byte_of_any_file_is_refused(shop: Shop, name: str, place: float) -> None:
    shop.add()
    file = shop.folder / "me" / name
    changed(file, round(place * (file.stat().st_size - 2)))
    with pytest.raises(NoConsent, match=name.replace(".", r"\.")):
        shop.store.opened("me")


def test_every_byte_of_the_small_files_counts(shop: Shop) -> None:
    shop.add()
    for name in ("record.json", "consent.jws"):
        file = shop.folder / "me" / name
        whole = file.read_bytes()
        for at in range(0, len(whole), max(1, len(whole) // 60)):
            changed(file, at)
            with pytest.raises(NoConsent, match=name):
                shop.store.opened("me")
            file.write_bytes(whole)
    assert shop.store.opened("me").entry.name == "Me"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_has_gone_is_missed(shop: Shop, name: str) -> None:
    shop.add()
    (shop.folder / "me" / name).unlink()
    with pytest.raises(NoConsent, match=f"{name} is gone"):
        shop.store.opened("me")


def test_a_matte_that_was_put_in_is_found(shop: Shop) -> None:
    granted = consents.granted(portrait().rgb, by=shop.consents)
    shop.store.add(replace(portrait(), matte=None), granted.document, id="me")
    shutil.copy(Path(built_in.folder("ada")) / "matte.png", shop.folder / "me/matte.png")
    with pytest.raises(NoConsent, match=r"matte\.png was put"):
        shop.store.opened("me")


def test_a_seal_is_of_one_avatar(shop: Shop) -> None:
    shop.add("me")
    shutil.copytree(shop.folder / "me", shop.folder / "you")
    with pytest.raises(NoConsent, match="another avatar's"):
        shop.store.opened("you")


def test_a_record_of_another_cannot_be_put_in(shop: Shop) -> None:
    """Not even with a seal of its own, which only the operator's key could make."""
    shop.add("me")
    mirrored = Portrait(np.ascontiguousarray(portrait().rgb[:, ::-1]), ())
    granted = consents.granted(mirrored.rgb, by=shop.consents)
    with pytest.raises(NoConsent, match="another portrait"):
        shop.store.renew("me", granted.document)
    with pytest.raises(NoConsent, match="another portrait"):
        shop.store.add(portrait(), granted.document, id="you")
    assert not (shop.folder / "you").exists()


@given(st.text(max_size=200))
def test_any_other_text_is_no_seal(text: str) -> None:
    with pytest.raises(NoConsent, match=r"seal\.jws"):
        seal.check("me", {"portrait.png": b"x"}, text, consents.keys())


@given(
    st.dictionaries(
        st.sampled_from(["v", "avatar", "files"]),
        st.none()
        | st.sampled_from([1, "me"])
        | st.dictionaries(st.just("portrait.png"), st.none() | st.text(max_size=64)),
    )
)
def test_any_other_signed_object_is_no_seal(claims: dict[str, Any]) -> None:
    text = sign(claims, consents.keys().signing, seal.TYP)
    with pytest.raises(NoConsent):
        seal.check("me", {"portrait.png": b"x"}, text, consents.keys())


def test_an_avatar_of_an_earlier_version_is_told_what_to_do(shop: Shop) -> None:
    shop.add()
    folder = shop.folder / "me"
    (folder / "consent.json").write_text(json.dumps({"whose": "own"}))
    (folder / "consent.jws").unlink()
    (folder / "seal.jws").unlink()
    for ask in (shop.store.entry, shop.store.opened):
        with pytest.raises(NoConsent, match="visavis consent grant --avatar me"):
            ask("me")
    assert "me" not in [entry.id for entry in shop.store.entries()]
    granted = consents.granted(shop.store.pixels("me"), by=shop.consents)
    shop.store.renew("me", granted.document)
    assert shop.store.opened("me").permit.record == granted.record
    assert not (folder / "consent.json").exists()


def test_an_expired_avatar_can_be_renewed_and_a_changed_one_cannot(shop: Shop) -> None:
    shop.add()
    shop.now += timedelta(366)
    with pytest.raises(NoConsent, match="expired"):
        shop.store.opened("me")
    granted = consents.granted(shop.store.pixels("me"), by=shop.consents)
    shop.store.renew("me", granted.document)
    assert shop.store.opened("me").entry.consent == granted.record
    changed(shop.folder / "me/portrait.png", 200)
    with pytest.raises(NoConsent, match=r"portrait\.png was changed"):
        shop.store.pixels("me")
    with pytest.raises(Conflict, match="built in"):
        shop.store.pixels("ada")


def test_a_revoked_avatar_is_neither_listed_nor_opened(shop: Shop) -> None:
    record = shop.add()
    assert "me" in [entry.id for entry in shop.store.entries()]
    permit = shop.store.opened("me").permit
    shop.consents.revoke(record)
    assert "me" not in [entry.id for entry in shop.store.entries()]
    for ask in (shop.store.entry, shop.store.opened):
        with pytest.raises(NoConsent, match="revoked"):
            ask("me")
    with pytest.raises(NoConsent, match="revoked"):
        permit.check()
    with pytest.raises(NotFound):
        shop.consents.revoke("0" * 16)


def test_what_happens_to_an_avatar_is_logged(shop: Shop) -> None:
    record = shop.add()
    shop.store.note_loaded(shop.store.opened("me"))
    shop.log.full = True
    with pytest.raises(NotLogged):
        shop.consents.revoke(record)
    with pytest.raises(NoConsent, match="revoked"):
        shop.store.opened("me")
    with pytest.raises(NotLogged):
        shop.store.remove("me")
    shop.log.full = False
    shop.consents.revoke(record)
    shop.store.remove("me")
    assert shop.events() == [
        Event.CONSENT_GRANTED,
        Event.AVATAR_ADDED,
        Event.AVATAR_LOADED,
        Event.CONSENT_REVOKED,
        Event.AVATAR_REMOVED,
    ]


def _built_in_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(built_in.folder("ada"), tmp_path / "ada")
    monkeypatch.setattr(built_in, "_ROOT", tmp_path)
    return tmp_path / "ada"


@pytest.mark.parametrize("name", ["portrait.jpg", "matte.png", "record.json"])
def test_a_changed_built_in_avatar_is_refused(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = _built_in_copy(tmp_path, monkeypatch)
    assert shop.store.opened("ada").permit.avatar == "ada"
    changed(folder / name, 150)
    with pytest.raises(ChangedAvatar, match=name) as refused:
        shop.store.opened("ada")
    assert refused.value.status == 403


def test_a_built_in_avatar_whose_record_was_changed_too_is_refused(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another face with hashes to match: the code knows better."""
    folder = _built_in_copy(tmp_path, monkeypatch)
    for name in ("portrait.jpg", "matte.png", "record.json"):
        shutil.copy(Path(pins.__file__).parent / "leo" / name, folder / name)
    with pytest.raises(ChangedAvatar, match=r"record\.json"):
        shop.store.opened("ada")


# Avatars in memory.


class Counting(Workshop):
    def __init__(self) -> None:
        super().__init__(FakeTracker(), FakeRenderer(), read)
        self.prepared = 0

    def prepare(self, *args: Any, **kwargs: Any) -> Avatar:
        self.prepared += 1
        return super().prepare(*args, **kwargs)


async def _refused(ask: Callable[[], Any], words: str) -> None:
    with pytest.raises(NoConsent, match=words):
        await ask()


@in_loop
async def test_prepared_avatars_follow_their_files_and_their_record(tmp_path: Path) -> None:
    shop, workshop = Shop(tmp_path), Counting()
    record = shop.add()
    prepared = PreparedAvatars(shop.store, lambda: workshop)
    first = await prepared.open("me", 64)
    assert (await prepared.open("me", 64)).avatar is first.avatar
    assert workshop.prepared == 1
    shop.store.renew("me", consents.granted(portrait().rgb, by=shop.consents).document)
    second = await prepared.open("me", 64)
    assert second.avatar is not first.avatar
    assert second.consent != record
    assert len(prepared._kept) == 1
    file = shop.folder / "me/matte.png"
    whole = file.read_bytes()
    changed(file, 60)
    await _refused(lambda: prepared.open("me", 64), r"matte\.png was changed")
    assert not prepared._kept
    file.write_bytes(whole)
    assert (await prepared.open("me", 64)).id == "me"
    shop.consents.revoke(second.consent)
    await _refused(lambda: prepared.open("me", 64), "revoked")
    assert not prepared._kept
    assert shop.events().count(Event.AVATAR_LOADED) == workshop.prepared == 3
    prepared.close()

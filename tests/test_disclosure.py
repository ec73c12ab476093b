"""Nothing leaves unstamped: the mark is in every picture, and the label where it should be."""

from __future__ import annotations

import copy
import logging
import pickle
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.mark import Detector, Mark
from engines.types import Picture
from live import public_id
from live.assembly import assemble, assemble_front
from live.disclosure import Disclosure, Stamped, chosen_label
from live.errors import NotLogged, SettingsError
from live.label import LONGEST_TEXT, Label, check_text, draw
from live.planes import Planes
from live.sections import Label as LabelSettings
from live.settings import Settings
from tests.fakes import MARK_KEY, NO_LABEL, MemoryAudit, stamp
from tests.scenes import portrait


def grey(width: int, height: int, level: int = 128) -> Picture:
    return Picture(np.full((height, width, 3), level, np.uint8), 7, 5)


def labelled(picture: Picture, text: str = "AI avatar") -> Picture:
    """With the label alone."""
    planes = Planes.of(picture)
    draw(planes, text)
    return Picture(planes.rgb)


def changed(before: Picture, after: Picture) -> tuple[slice, slice]:
    """The rows and columns that differ; colour, of which each pixel is four, spreads a little."""
    rows, columns = np.nonzero(cv2.absdiff(Planes.of(before).rgb, after.rgb).max(axis=2) > 4)
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


def test_only_a_stamp_makes_a_stamped_picture() -> None:
    stamped = stamp()(grey(64, 64))
    with pytest.raises(TypeError):
        Stamped(Planes.of(grey(64, 64)))
    with pytest.raises(TypeError):
        copy.copy(stamped)
    with pytest.raises(TypeError):
        pickle.dumps(stamped)
    with pytest.raises(AttributeError):
        stamped.planes = Planes.of(grey(64, 64))  # type: ignore[misc]


def test_there_is_no_stamp_without_a_mark() -> None:
    for none in (None, object(), lambda rgb: None):
        with pytest.raises(TypeError, match="needs a mark"):
            Disclosure(Label(), none)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bytes"):
        Mark(b"short", public_id.to_payload("0123456789ab"))


@pytest.mark.parametrize("label", [Label(), NO_LABEL])
def test_label_and_mark_are_both_there(label: Label) -> None:
    rgb = np.asarray(cv2.resize(portrait("kofi"), (512, 512)), np.uint8)
    stamped = stamp(label, "fedcba987654")(Picture(rgb, 7, 5)).planes
    assert (stamped.pts_ns, stamped.captured_ns) == (7, 5)
    found = Detector([bytes(32), MARK_KEY]).find([stamped.rgb])
    assert found is not None
    assert (public_id.from_payload(found.payload), found.key) == ("fedcba987654", 1)
    differences = cv2.absdiff(stamped.rgb, Planes.of(Picture(rgb)).rgb).max(axis=2)
    assert (differences[425:475, 200:312].max() > 60) == label.visible
    assert differences[:420].max() < 16


@pytest.mark.parametrize("size", [(512, 512), (160, 160), (160, 120), (1080, 1920), (640, 480)])
def test_the_label_is_seen_and_hides_no_face(size: tuple[int, int]) -> None:
    width, height = size
    picture = grey(width, height)
    after = labelled(picture)
    rows, columns = changed(picture, after)
    label = after.rgb[rows, columns]
    # under the chin, on the middle
    assert rows.start >= 0.827 * height
    assert rows.stop < height
    assert abs((columns.start + columns.stop) / 2 - width / 2) <= 1
    # large enough to read in a thumbnail, small enough not to be in the way
    assert rows.stop - rows.start >= 13
    assert label.shape[0] * label.shape[1] < 0.06 * width * height
    # light letters on dark: half of full contrast at least, also where they are small
    assert int(label.max()) - int(np.median(label)) > 128


@pytest.mark.parametrize("size", [(512, 512), (1280, 720), (960, 540), (160, 90), (1080, 1920)])
def test_the_label_is_legible_where_the_picture_is_shown_160_wide(size: tuple[int, int]) -> None:
    width, height = size
    whole = labelled(grey(width, height)).rgb
    shown = cv2.resize(whole, (160, round(160 * height / width)), interpolation=cv2.INTER_AREA)
    letters = shown.min(axis=2) > 160
    rows = np.flatnonzero(letters.any(axis=1))
    assert rows[-1] - rows[0] + 1 >= 5
    assert np.count_nonzero(letters.any(axis=0)) >= 25  # of eight letters; blurred ones are fewer
    assert rows[-1] < len(shown) - 1


@pytest.mark.parametrize("level", [0, 255])
def test_the_label_is_legible_before_any_background(level: int) -> None:
    label = stamp(Label())(grey(512, 512, level)).planes.rgb[425:475, 200:310]
    middle = label[15:35]
    assert int(middle.max()) - int(np.percentile(middle, 20)) > 150


def test_the_original_stays_as_it_was() -> None:
    picture = grey(512, 512)
    before = picture.rgb.copy()
    stamp(Label())(picture)
    np.testing.assert_array_equal(picture.rgb, before)


@pytest.mark.parametrize("size", [(2, 300), (300, 2), (16, 16), (40, 30), (17, 33)])
def test_pictures_smaller_than_their_label(size: tuple[int, int]) -> None:
    picture = grey(*size)
    stamped = stamp(Label("A rather long text for it"))(picture)
    assert stamped.planes.rgb.shape == Planes.of(picture).rgb.shape


TEXTS = [
    "Avatar généré par l’IA – Ø ñ ß",
    "ИИ-аватар",
    "Εικονικό πρόσωπο",
    "AIアバター",
    "人工智能虚拟形象",
    "AI 아바타",
    "Hình đại diện AI",
    "really? yes!",
]


def test_other_texts() -> None:
    short, long = (
        changed(grey(512, 512), labelled(grey(512, 512), text))[1]
        for text in ("KI", "Synthetic person – not real")
    )
    assert long.stop - long.start > 2 * (short.stop - short.start)
    assert long.start > 0


@pytest.mark.parametrize("text", TEXTS)
def test_other_scripts(text: str) -> None:
    assert check_text(f"  {text} ") == text
    shown = labelled(grey(512, 512), text).rgb
    # each text is drawn as itself: another one of the same length looks different
    assert (shown != labelled(grey(512, 512), "?" * len(text)).rgb).any()


@given(text=st.text(max_size=LONGEST_TEXT + 2))
@settings(deadline=None, max_examples=200)
def test_any_text_is_drawn_as_it_is_or_refused(text: str) -> None:
    try:
        label = Label(text)
    except ValueError:
        return
    assert 0 < len(label.text) <= LONGEST_TEXT
    draw(Planes.of(grey(160, 160)), label.text)


def test_decomposed_letters_are_composed() -> None:
    assert check_text("ge\u0301ne\u0301re\u0301") == "généré"


@pytest.mark.parametrize("text", ["", "   ", "a\x00b", "x" * (LONGEST_TEXT + 1)])
def test_texts_that_cannot_be_shown(text: str) -> None:
    with pytest.raises(ValueError, match="label"):
        check_text(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("صورة رمزية", "ARABIC LETTER"),
        ("אווטאר", "HEBREW LETTER"),
        ("एआई अवतार", "DEVANAGARI"),
        ("อวตาร AI", "THAI"),
        ("AI 🤖", "ROBOT FACE"),
        ("x\u0332", "COMBINING LOW LINE"),
    ],
)
def test_what_would_be_drawn_wrong_is_refused(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=f"cannot be drawn.*{named}"):
        Label(text)
    with pytest.raises(SettingsError, match=r"^label\.text: "):
        chosen_label(LabelSettings(text=text), MemoryAudit())


def test_switching_it_off_is_written_down(caplog: pytest.LogCaptureFixture) -> None:
    audit = MemoryAudit()
    assert chosen_label(LabelSettings(language="de"), audit) == Label(language="de")
    assert audit.told == []
    with caplog.at_level(logging.WARNING):
        assert not chosen_label(LabelSettings(visible=False), audit).visible
    assert "label is off" in caplog.text
    assert audit.told == [("label_off", {})]
    audit.full = True
    with pytest.raises(NotLogged):  # and then it is not switched off
        chosen_label(LabelSettings(visible=False), audit)


def test_a_server_of_several_processes_writes_it_down_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    chosen = Settings.model_validate({"label": {"visible": False}})
    assemble_front(chosen, 2)
    for _ in range(2):
        assemble(chosen, processes=2)
    assert (tmp_path / "visavis/audit.jsonl").read_text().count('"label_off"') == 1
    with pytest.raises(SettingsError, match="HEBREW"):  # before it listens
        assemble_front(Settings.model_validate({"label": {"text": "אווטאר"}}), 2)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("AI avatar", True),
        ("AI-generated person", True),
        ("人工智能虚拟形象", True),
        ("Synthetic person, made by a computer", False),
        ("这是由人工智能生成的虚拟形象而不是真人", False),
    ],
)
def test_a_label_too_long_for_thumbnails_is_warned_of(
    text: str, short: bool, caplog: pytest.LogCaptureFixture
) -> None:
    chosen_label(LabelSettings(text=text), MemoryAudit())
    assert ("too long to be read" not in caplog.text) is short


def test_the_label_costs_next_to_nothing() -> None:
    planes = Planes.of(grey(512, 512))
    draw(planes, "AI avatar")
    costs = []
    for _ in range(50):
        start = time.thread_time()
        draw(planes, "AI avatar")
        costs.append(time.thread_time() - start)
    assert np.median(costs) < 0.4e-3  # twice what it may be on a quiet machine


def test_public_ids() -> None:
    ids = {public_id.new() for _ in range(100)}
    assert len(ids) == 100
    for one in ids:
        assert public_id.from_payload(public_id.to_payload(one)) == one
    for wrong in ("", "0123456789a", "0123456789AB", "x" * 12, "0123456789ab\n"):
        with pytest.raises(ValueError, match="public id"):
            public_id.to_payload(wrong)
    for unknown in (b"", b"\x02abcdef", b"\x01abcdefg"):
        assert public_id.from_payload(unknown) is None

"""Nothing leaves unstamped, and the label says what it should where it should."""

from __future__ import annotations

import copy
import logging
import pickle
import time

import numpy as np
import pytest

from engines.types import Picture
from live.disclosure import LONGEST_TEXT, Stamped, VisibleLabel, check_text


def grey(width: int, height: int, level: int = 128) -> Picture:
    return Picture(np.full((height, width, 3), level, np.uint8), 7, 5)


def changed(before: Picture, after: Picture) -> tuple[slice, slice]:
    """The rows and columns that differ."""
    rows, columns = np.nonzero((before.rgb != after.rgb).any(axis=2))
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


def test_only_a_stamp_makes_a_stamped_picture() -> None:
    stamped = VisibleLabel()(grey(64, 64))
    with pytest.raises(TypeError):
        Stamped(grey(64, 64))
    with pytest.raises(TypeError):
        copy.copy(stamped)
    with pytest.raises(TypeError):
        pickle.dumps(stamped)
    with pytest.raises(AttributeError):
        stamped.picture = grey(64, 64)  # type: ignore[misc]


@pytest.mark.parametrize("size", [(512, 512), (160, 160), (160, 120), (1080, 1920), (640, 480)])
def test_the_label_is_seen_and_hides_no_face(size: tuple[int, int]) -> None:
    width, height = size
    picture = grey(width, height)
    stamped = VisibleLabel()(picture).picture
    assert (stamped.pts_ns, stamped.captured_ns) == (7, 5)
    rows, columns = changed(picture, stamped)
    label = stamped.rgb[rows, columns]
    # under the chin, on the middle
    assert rows.start > 0.84 * height
    assert rows.stop < height
    assert abs((columns.start + columns.stop) / 2 - width / 2) <= 1
    # large enough to read in a thumbnail, small enough not to be in the way
    assert rows.stop - rows.start >= 13
    assert label.shape[0] * label.shape[1] < 0.06 * width * height
    # light letters on dark: half of full contrast at least, also where they are small
    assert int(label.max()) - int(np.median(label)) > 128


@pytest.mark.parametrize("level", [0, 255])
def test_the_label_is_legible_before_any_background(level: int) -> None:
    label = VisibleLabel()(grey(512, 512, level)).picture.rgb[440:490, 200:310]
    middle = label[15:35]
    assert int(middle.max()) - int(np.percentile(middle, 20)) > 150


def test_the_original_stays_as_it_was() -> None:
    picture = grey(512, 512)
    before = picture.rgb.copy()
    VisibleLabel()(picture)
    np.testing.assert_array_equal(picture.rgb, before)


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (16, 16), (40, 30), (17, 33)])
def test_pictures_smaller_than_their_label(size: tuple[int, int]) -> None:
    picture = grey(*size)
    assert VisibleLabel("A rather long text for it").__call__(picture).picture.rgb.shape == (
        picture.rgb.shape
    )


def test_other_texts() -> None:
    short, long = (
        changed(grey(512, 512), VisibleLabel(text)(grey(512, 512)).picture)[1]
        for text in ("KI", "Synthetic person – not real")
    )
    assert long.stop - long.start > 2 * (short.stop - short.start)
    assert long.start > 0


@pytest.mark.parametrize("text", ["", "   ", "a\x00b", "x" * (LONGEST_TEXT + 1)])
def test_texts_that_cannot_be_shown(text: str) -> None:
    with pytest.raises(ValueError, match="label"):
        check_text(text)


def test_switching_it_off_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        stamp = VisibleLabel(visible=False)
    assert "label is off" in caplog.text
    picture = grey(512, 512)
    np.testing.assert_array_equal(stamp(picture).picture.rgb, picture.rgb)


def test_it_costs_next_to_nothing() -> None:
    stamp, picture = VisibleLabel(), grey(512, 512)
    stamp(picture)
    costs = []
    for _ in range(50):
        start = time.thread_time()
        stamp(picture)
        costs.append(time.thread_time() - start)
    assert np.median(costs) < 0.4e-3  # twice what it may be on a quiet machine

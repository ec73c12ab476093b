"""The live mark: found after what a call and its viewers do, unseen, and never where it is not."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import clip, mark_planes
from benchmarks.mark_codecs import Codec, Video, call
from engines.mark import KEY_BYTES, PAYLOAD_BYTES, Detector, Mark, residue, search
from engines.mark.carriers import secret, tile_size
from engines.mark.code import encode
from engines.mark.detection import least_score, score
from engines.mark.search import Place
from engines.types import Rgb
from tests.scenes import portrait

KEY = bytes(range(KEY_BYTES))
OTHER_KEY = bytes(KEY_BYTES)
PAYLOAD = b"\x01abcdef"
PICTURES = 66
LEAST_PSNR = 42.0

Change = Callable[[Rgb], Rgb]


@pytest.fixture(scope="module")
def plain() -> list[Rgb]:
    return clip.read(clip.DEFAULT, PICTURES, (512, 512))


@pytest.fixture(scope="module")
def marked(plain: list[Rgb]) -> list[Rgb]:
    return _marked(plain)


@pytest.fixture(scope="module")
def sent(marked: list[Rgb]) -> dict[Codec, list[Rgb]]:
    """What a viewer sees of it at 300 kbit/s."""
    return {codec: list(call(Video(marked), codec, 300_000).video.pictures) for codec in Codec}


def _marked(pictures: list[Rgb], key: bytes = KEY, payload: bytes = PAYLOAD) -> list[Rgb]:
    mark = Mark(key, payload)
    return [mark_planes.marked(rgb, mark) for rgb in pictures]


def _unmarked(rgb: Rgb) -> Rgb:
    """The same way out."""
    return mark_planes.planes_of(rgb).rgb


def _scaled(across: float, down: float) -> Change:
    def scale(rgb: Rgb) -> Rgb:
        way = cv2.INTER_AREA if across < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(rgb, None, fx=across, fy=down, interpolation=way), np.uint8)

    return scale


def _captured(rgb: Rgb) -> Rgb:
    """In a window at a place between pixels, with something else around it."""
    place = np.array([[0.83, 0, 60.3], [0, 0.85, 21.7]])
    desktop = np.full((520, 640, 3), 120, np.uint8)
    border = cv2.BORDER_TRANSPARENT
    cv2.warpAffine(rgb, place, (640, 520), desktop, cv2.INTER_LINEAR, border)
    return desktop


def _boxed(rgb: Rgb) -> Rgb:
    return np.asarray(cv2.copyMakeBorder(rgb, 0, 0, 140, 140, cv2.BORDER_CONSTANT), np.uint8)


ATTACKS: dict[str, Change] = {
    "half": _scaled(0.5, 0.5),
    "larger": _scaled(1.5, 1.5),
    "stretched": _scaled(1.03, 0.98),
    "cropped": lambda rgb: rgb[60:418, 110:468],
    "mirrored": lambda rgb: rgb[:, ::-1],
    "brighter": lambda rgb: np.asarray(cv2.convertScaleAbs(rgb, alpha=1.2, beta=25), np.uint8),
    "duller": lambda rgb: np.asarray(cv2.convertScaleAbs(rgb, alpha=0.8), np.uint8),
    "captured": _captured,
    "boxed": _boxed,
}


@pytest.mark.parametrize("codec", Codec)
def test_it_is_read_after_a_call(sent: dict[Codec, list[Rgb]], codec: Codec) -> None:
    found = Detector([OTHER_KEY, KEY]).find(sent[codec])
    assert found is not None
    assert (found.payload, found.key, found.mirrored) == (PAYLOAD, 1, False)
    assert found.score >= least_score(2)
    assert found.false_alarm < 1e-7
    assert found.scale == pytest.approx((1, 1), rel=0.01)


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_read_after_a_call_and_an_attack(sent: dict[Codec, list[Rgb]], name: str) -> None:
    pictures = [np.ascontiguousarray(ATTACKS[name](rgb)) for rgb in sent[Codec.H264][::3]]
    found = Detector([KEY]).find(pictures)
    assert found is not None
    assert found.payload == PAYLOAD
    assert found.mirrored == (name == "mirrored")


def test_it_is_read_after_two_calls(sent: dict[Codec, list[Rgb]]) -> None:
    again = call(Video(sent[Codec.H264]), Codec.VP8, 300_000).video.pictures
    found = Detector([KEY]).find(again)
    assert found is not None
    assert found.payload == PAYLOAD


def test_where_it_was_it_is_found_again_without_a_search(
    sent: dict[Codec, list[Rgb]], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = Detector([KEY])
    first = detector.find(sent[Codec.H264][:30])
    assert first is not None
    monkeypatch.setattr(search, "sizes", lambda spectrum: pytest.fail("searched again"))
    second = detector.find(sent[Codec.H264][30:], near=first)
    assert second is not None
    assert second.payload == PAYLOAD


def test_its_place_is_told(marked: list[Rgb]) -> None:
    halved = [_scaled(0.5, 0.52)(rgb) for rgb in marked[:4]]
    found = Detector([KEY]).find(halved)
    assert found is not None
    assert found.scale == pytest.approx((0.5, 0.52), rel=0.01)
    # at 512 × 512 the corner of four tiles is in the middle
    assert found.offset == pytest.approx((0, 0), abs=1.5)


@settings(max_examples=6, deadline=None)
@given(
    st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES),
    st.binary(min_size=PAYLOAD_BYTES, max_size=PAYLOAD_BYTES),
)
def test_every_key_and_payload_is_read_from_one_picture(key: bytes, payload: bytes) -> None:
    rgb = np.ascontiguousarray(cv2.resize(portrait("mira"), (384, 384)), np.uint8)
    found = Detector([key]).find(_marked([rgb], key, payload))
    assert found is not None
    assert found.payload == payload


@pytest.mark.parametrize("size", [(128, 128), (160, 224), (480, 640), (720, 1280)])
def test_it_works_at_other_sizes(plain: list[Rgb], size: tuple[int, int]) -> None:
    pictures = [
        np.ascontiguousarray(cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        for rgb in plain[:8]
    ]
    found = Detector([KEY]).find(_marked(pictures))
    assert found is not None
    assert found.payload == PAYLOAD


def test_pictures_without_it_hold_nothing(plain: list[Rgb]) -> None:
    assert Detector([KEY, OTHER_KEY]).find(plain) is None


def test_another_key_finds_nothing(marked: list[Rgb]) -> None:
    assert Detector([OTHER_KEY]).find(marked) is None


@pytest.mark.parametrize("rgb", [np.zeros((64, 64, 3)), np.full((31, 400, 3), 255)], ids=str)
def test_flat_and_tiny_pictures_hold_nothing(rgb: np.ndarray) -> None:
    assert Detector([KEY]).find([rgb.astype(np.uint8)]) is None


def test_wrong_keys_score_as_chance_does(marked: list[Rgb]) -> None:
    spectrum = residue.seen(marked[:4])
    tiles = 1 / tile_size(512, 512)
    values = search.waves(spectrum, Place(tiles, tiles, 0, 0))
    right = score(values, secret(KEY).chips(encode(PAYLOAD)))
    assert right > least_score()
    generator = np.random.default_rng(0)
    wrong = [
        score(values, secret(generator.bytes(KEY_BYTES)).chips(encode(PAYLOAD))) for _ in range(400)
    ]
    assert abs(np.mean(wrong)) < 0.2
    assert np.std(wrong) == pytest.approx(1, abs=0.12)
    assert max(wrong) < 5


def test_it_is_faint(plain: list[Rgb], marked: list[Rgb]) -> None:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (512, 512, 3)).astype(np.uint8)
    canvas = np.clip(128 + 25 * random.standard_normal((512, 512, 1)), 0, 255)
    pairs = list(zip(plain[::20], marked[::20], strict=True))
    pairs += [(portrait(name), _marked([portrait(name)])[0]) for name in ("ada", "hana", "nova")]
    flat = [np.full((256, 256, 3), level, np.uint8) for level in (0, 20, 128, 235, 255)]
    busy = [noise, canvas.astype(np.uint8).repeat(3, axis=2)]
    pairs += [(rgb, _marked([rgb])[0]) for rgb in (*flat, *busy)]
    for before, after in pairs:
        difference = after.astype(np.float64) - _unmarked(before)
        assert 10 * np.log10(255**2 / np.mean(difference**2)) >= LEAST_PSNR


def test_it_does_not_flicker(plain: list[Rgb], marked: list[Rgb]) -> None:
    """What it adds changes by far less from picture to picture than one level."""
    pairs = zip(plain, marked, strict=True)
    added = [after.astype(np.int16) - _unmarked(before) for before, after in pairs]
    changes = [np.sqrt(np.mean((two - one) ** 2.0)) for one, two in pairwise(added)]
    assert max(changes) < 0.35
    still = _marked([plain[0]] * 2)
    assert np.array_equal(still[0], still[1])


def test_it_is_quick() -> None:
    """Against a blur of the same picture, in turns, as machines differ."""
    rgb, mark = cv2.resize(portrait("ada"), (512, 512)), Mark(KEY, PAYLOAD)
    luma = mark_planes.planes_of(np.asarray(rgb, np.uint8)).luma
    mark.apply(luma)
    spent = {"mark": np.inf, "blur": np.inf}
    for _ in range(20):
        began = time.thread_time()
        mark.apply(luma)
        middle = time.thread_time()
        cv2.GaussianBlur(rgb, (0, 0), 3)
        spent["mark"] = min(spent["mark"], middle - began)
        spent["blur"] = min(spent["blur"], time.thread_time() - middle)
    assert spent["mark"] < spent["blur"]


def test_a_part_of_a_larger_array_is_marked_in_place(plain: list[Rgb]) -> None:
    luma = mark_planes.planes_of(plain[0]).luma
    whole = np.zeros((600, 700), np.uint8)
    part = whole[40:552, 100:612]
    part[:] = luma
    for one in (part, luma):
        Mark(KEY, PAYLOAD).apply(one)
    assert np.array_equal(part, luma)
    assert not whole[:40].any()


@given(st.sampled_from([(2, 2), (2, 64), (128, 96), (512, 512)]), st.integers(16, 235))
@settings(max_examples=20, deadline=None)
def test_it_adds_at_most_ten_levels(size: tuple[int, int], level: int) -> None:
    luma = np.full(size, level, np.uint8)
    Mark(KEY, PAYLOAD).apply(luma)
    assert np.abs(luma.astype(int) - level).max() <= 10


@pytest.mark.parametrize("size", [0, KEY_BYTES - 1, KEY_BYTES + 1])
def test_keys_of_another_size_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{KEY_BYTES} bytes, not {size}"):
        Mark(bytes(size), PAYLOAD)
    with pytest.raises(ValueError, match=f"{KEY_BYTES} bytes, not {size}"):
        Detector([bytes(size)])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((8, 7), np.uint8),
        np.zeros((0, 8), np.uint8),
        np.zeros((8, 8)),
    ],
    ids=["rgb", "odd", "empty", "float"],
)
def test_what_is_no_luma_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a picture's luma is"):
        Mark(KEY, PAYLOAD).apply(array)


@pytest.mark.parametrize(
    "array",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3))],
    ids=["grey", "alpha", "float"],
)
def test_what_is_no_picture_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a picture is"):
        Detector([KEY]).find([array])


def test_a_window_has_pictures_of_one_size() -> None:
    one, other = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 80, 3), np.uint8)
    with pytest.raises(ValueError, match="one size"):
        Detector([KEY]).find([one, other])
    with pytest.raises(ValueError, match="at least one"):
        Detector([KEY]).find([])

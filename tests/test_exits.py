"""Nothing leaves unmarked: every place where pictures leave is known here, and takes stamped ones.

A walk over the source finds what could send or write a picture: a new exit fails until it is
listed. And whatever picture goes in, what comes out of each exit is the stamped one.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines import avatars
from engines.mark import Detector
from engines.renderers.warp.framing import frame
from engines.trackers.litert import LitertTracker
from engines.types import Avatar, Motion, Picture, Portrait, Rgb
from engines.weights import ModelStore
from live import public_id, rtc
from live.clock import MILLISECOND, SessionClock, now_ns
from live.decoded import decoded
from live.disclosure import Label, Stamped, leaving
from live.egress import AvatarTrack
from live.frames import to_frame
from live.label import draw
from live.measures import Counts
from live.offline.camera import render_camera
from live.offline.film import film
from live.offline.spoken import Recording, render_spoken
from live.pipeline import Pipeline
from live.planes import Planes
from live.recording.film import call_film
from live.session import Session
from live.shape import Shape
from tests.fakes import (
    MARK_KEY,
    NO_LABEL,
    FakeDriver,
    FakeRenderer,
    FakeTracker,
    permitted,
    request,
    stamp,
)
from tests.loops import in_loop
from tests.peer import Peer

ROOT = Path(__file__).parent.parent
ID = "0123456789ab"

EXITS = {
    "live/frames.py: VideoFrame.from_numpy_buffer": "to_frame takes Stamped",
    "live/frames.py: VideoFrame.from_ndarray": "the same, of other heights",
    "live/egress.py: MediaStreamTrack": "AvatarTrack, by to_frame; VoiceTrack has no pictures",
    "live/connection.py: addTransceiver": "of the call's AvatarTrack and VoiceTrack",
    "live/offline/film.py: add_stream": "of Film, by to_frame",
    "live/recording/film.py: add_stream": "sound; the pictures go to a Film",
    "live/offline/spoken.py: add_stream": "sound",
    "live/offline/camera.py: add_stream": "sound",
    "live/offline/camera.py: add_stream_from_template": "sound",
}
"""What can send or write pictures that were drawn, and why each is no way round a stamp.

`engines/nets` and `engines/studio` make networks and portraits; no server loads them."""

STILLS = {
    "live/avatar_files.py: imencode": "portraits, as they were given to us",
    "live/enrolment/pictures.py: imencode": "of the camera, for the person before it",
    "live/provenance/credentials.py: imencode": "a black picture to try a certificate with",
    "engines/image_file.py: fromarray": "a portrait that is read",
}
"""What writes pictures that were not drawn by a renderer."""

_WRITERS = {
    "add_stream",
    "add_stream_from_template",
    "add_mux_stream",
    "imencode",
    "imwrite",
    "VideoWriter",
    "fromarray",
    "MediaPlayer",
    "MediaRecorder",
    "MediaRelay",
    "addTrack",
    "addTransceiver",
    "replaceTrack",
    "pyvirtualcam",
    "v4l2",
}


def writers_in(source: str) -> Iterator[str]:
    """What in a module can send or write a picture."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(
                attr="from_ndarray"
                | "from_image"
                | "from_numpy_buffer"
                | "from_bytes"
                | "from_dlpack"
            ):
                owner = ast.unparse(node.value)
                if owner.endswith("VideoFrame"):
                    yield f"VideoFrame.{node.attr}"
            case ast.Call(func=ast.Attribute(attr="VideoFrame") | ast.Name(id="VideoFrame")):
                yield "VideoFrame"
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in _WRITERS:
                yield name
            case ast.ClassDef(bases=bases):
                names = {ast.unparse(base).rpartition(".")[2] for base in bases}
                yield from (name for name in names if name.endswith("StreamTrack"))
            case ast.Import(names=imported) | ast.ImportFrom(names=imported):
                yield from (one.name for one in imported if one.name.split(".")[0] in _WRITERS)


def test_every_exit_is_known() -> None:
    files = [
        file
        for room in ("live", "engines")
        for file in (ROOT / room).rglob("*.py")
        if not file.is_relative_to(ROOT / "engines/nets")
        and not file.is_relative_to(ROOT / "engines/studio")
    ]
    assert len(files) > 100
    found = {
        f"{file.relative_to(ROOT)}: {what}"
        for file in files
        for what in writers_in(file.read_text(encoding="utf-8"))
    }
    assert found == {*EXITS, *STILLS}, (
        "a place that sends or writes pictures has come or gone: if what it sends was drawn, let it"
        " take only what live.disclosure.leaving gives it, and add it to this file's tests"
    )


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import av\nav.VideoFrame.from_ndarray(rgb)", "VideoFrame.from_ndarray"),
        ("from av import VideoFrame\nVideoFrame.from_image(x)", "VideoFrame.from_image"),
        ("frame = av.VideoFrame(8, 8)", "VideoFrame"),
        ("container.add_stream('libx264')", "add_stream"),
        ("import cv2\nw = cv2.VideoWriter()", "VideoWriter"),
        ("from cv2 import imencode as e\ne('.png', x)", "imencode"),
        ("import pyvirtualcam", "pyvirtualcam"),
        ("peer.addTrack(MediaRelay().subscribe(camera))", "addTrack"),
        ("sender.replaceTrack(camera)", "replaceTrack"),
        ("av.VideoFrame.from_dlpack(planes)", "VideoFrame.from_dlpack"),
        ("class T(aiortc.VideoStreamTrack): pass", "VideoStreamTrack"),
    ],
)
def test_an_exit_that_is_not_known_would_be_found(source: str, what: str) -> None:
    assert what in set(writers_in(source))


# ── only stamped pictures are taken ───────────────────────────────────────────────────────────────

BARE = Picture(np.full((64, 64, 3), 90, np.uint8), now_ns(), now_ns())
PLANES = Planes.of(BARE)
LOOKALIKES = [BARE, BARE.rgb, PLANES, PLANES.i420, None, SimpleNamespace(planes=PLANES), Pipeline]


def by_track(one: Any, folder: Path) -> None:
    async def show() -> None:
        AvatarTrack(Counts(), SessionClock()).show(one)

    asyncio.run(show())


def by_film(one: Any, folder: Path) -> None:
    with film(folder / "a.mp4", (64, 64), Fraction(30), None) as out:
        out.show(one, 0, Motion.neutral())


def by_recording(one: Any, folder: Path) -> None:
    with call_film(folder / "b.mp4", SessionClock()) as out:
        out.show(one)


@pytest.mark.parametrize("exit", [by_track, by_film, by_recording])
@pytest.mark.parametrize("lookalike", LOOKALIKES, ids=lambda one: type(one).__name__)
def test_nothing_but_a_stamped_picture_is_taken(
    exit: Callable[[Any, Path], None], lookalike: object, tmp_path: Path
) -> None:
    with pytest.raises(TypeError, match="stamped"):
        exit(lookalike, tmp_path)


def test_there_is_one_kind_of_stamped_picture() -> None:
    with pytest.raises(TypeError):
        type("Like", (Stamped,), {})
    with pytest.raises(TypeError):
        leaving(BARE)  # type: ignore[arg-type]


# ── what comes out is what was stamped ────────────────────────────────────────────────────────────


@st.composite
def pictures(draw_: st.DrawFn, least: int = 2, most: int = 320) -> Rgb:
    """Any picture: flat, noise, edges, black, white, of any size and shape."""
    height, width = draw_(st.integers(least, most)), draw_(st.integers(least, most))
    rng = np.random.default_rng(draw_(st.integers(0, 2**32 - 1)))
    match draw_(st.sampled_from(["flat", "noise", "cells", "smooth"])):
        case "flat":
            colour = draw_(st.tuples(*[st.integers(0, 255)] * 3))
            return np.full((height, width, 3), colour, np.uint8)
        case "noise":
            return rng.integers(0, 256, (height, width, 3), np.uint8)
        case "cells":
            few = rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
            return np.kron(few, np.ones((8, 8, 1), np.uint8))[:height, :width]
        case _:
            return smooth(rng, height, width)


def smooth(rng: np.random.Generator, height: int, width: int) -> Rgb:
    """Soft shapes, as in a portrait."""
    few = rng.integers(40, 215, (6, 6, 3), np.uint8)
    return np.asarray(cv2.resize(few, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def payload_in(shown: list[Rgb]) -> str | None:
    found = Detector([MARK_KEY]).find(shown)
    return None if found is None else public_id.from_payload(found.payload)


labels = st.sampled_from([NO_LABEL, Label(), Label("ИИ-аватар", "ru")])


@given(rgb=pictures(), label=labels)
@settings(deadline=None, max_examples=60)
def test_any_picture_is_stamped(rgb: Rgb, label: Label) -> None:
    before = rgb.copy()
    stamped = leaving(stamp(label, ID)(Picture(rgb, 7, 5)))
    assert stamped.luma.shape == (rgb.shape[0] & ~1, rgb.shape[1] & ~1)
    assert stamped.i420.dtype == np.uint8
    assert (stamped.pts_ns, stamped.captured_ns) == (7, 5)
    np.testing.assert_array_equal(rgb, before)


@given(rgb=pictures(), label=labels)
@settings(deadline=None, max_examples=40)
def test_a_frame_of_a_call_is_the_stamped_picture(rgb: Rgb, label: Label) -> None:
    one = stamp(label, ID)(Picture(rgb, 7, 5))
    sent = to_frame(one)
    planes = leaving(one)
    assert sent.format.name == "yuv420p"
    for found, expected in zip(sent.planes, (planes.luma, *planes.chroma), strict=True):
        lines = np.frombuffer(memoryview(found), np.uint8).reshape(-1, found.line_size)
        np.testing.assert_array_equal(lines[:, : found.width], expected)


@given(rgb=pictures())
@settings(deadline=None, max_examples=20)
def test_a_stamped_picture_is_not_changed_any_more(rgb: Rgb) -> None:
    planes = leaving(stamp()(Picture(rgb)))
    for one in (planes.i420, planes.luma, *planes.chroma):
        with pytest.raises(ValueError, match="read-only"):
            one[...] = 0


@given(seed=st.integers(0, 2**32 - 1), label=labels, size=st.sampled_from([192, 256, 320]))
@settings(deadline=None, max_examples=8)
def test_the_mark_is_found_in_what_a_call_sends(seed: int, label: Label, size: int) -> None:
    rng = np.random.default_rng(seed)
    call = public_id.new()
    marked = stamp(label, call)
    sent = [decoded(to_frame(marked(Picture(smooth(rng, size, size))))).rgb for _ in range(2)]
    assert payload_in(sent) == call


class Drawn(FakeRenderer):
    """Draws soft shapes of its own for each picture."""

    def __init__(self, size: int, seed: int) -> None:
        super().__init__(size)
        self._rng = np.random.default_rng(seed)

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        drawn = smooth(self._rng, self.size, self.size)
        return replace(super().render(avatar, motion), rgb=drawn)


SIDE = 256


def pipeline(seed: int, label: Label, id: str, shape: Shape) -> Pipeline:
    parts = FakeTracker(), FakeDriver(), Drawn(SIDE, seed)
    return Pipeline(*parts, permitted(), stamp(label, id), shape=shape)


def read_back(file: Path) -> list[Rgb]:
    with av.open(str(file)) as container:
        return [
            np.asarray(one.to_ndarray(format="rgb24"), np.uint8)
            for one in container.decode(video=0)
        ]


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of half a second."""
    file = tmp_path_factory.mktemp("camera") / "camera.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 64
        for _ in range(15):
            grey = np.full((64, 64, 3), 90, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))
    return file


@pytest.mark.parametrize("shape", Shape)
@given(seed=st.integers(0, 2**32 - 1), label=labels)
@settings(deadline=None, max_examples=2)
def test_the_mark_is_found_in_what_is_rendered(
    camera: Path, tmp_path_factory: pytest.TempPathFactory, shape: Shape, seed: int, label: Label
) -> None:
    folder, call = tmp_path_factory.mktemp("rendered"), public_id.new()
    size = shape.width(SIDE), SIDE
    render_camera(camera, folder / "a.mp4", pipeline(seed, label, call, shape), size)
    voice = Recording(np.zeros(1600, np.float32), 16_000)
    render_spoken(voice, folder / "b.mp4", pipeline(seed, label, call, shape), size)
    for file in (folder / "a.mp4", folder / "b.mp4"):
        shown = read_back(file)
        assert len(shown) >= 15
        assert shown[0].shape[1::-1] == size
        assert payload_in(shown) == call


@pytest.mark.parametrize("shape", Shape)
@given(seed=st.integers(0, 2**32 - 1), label=labels)
@settings(deadline=None, max_examples=2)
def test_the_mark_is_found_in_what_is_recorded(
    tmp_path_factory: pytest.TempPathFactory, shape: Shape, seed: int, label: Label
) -> None:
    file, call = tmp_path_factory.mktemp("recorded") / "a.mp4", public_id.new()
    run = pipeline(seed, label, call, shape)
    start_ns = now_ns()
    with call_film(file, SessionClock()) as out:
        for n in range(15):
            out.show(run.without_camera(start_ns + n * 40 * MILLISECOND))
    shown = read_back(file)
    assert len(shown) == 15
    assert payload_in(shown) == call


class Still(FakeRenderer):
    """Draws one soft shape, as a face that hardly moves."""

    def __init__(self) -> None:
        super().__init__(512)
        self._drawn = smooth(np.random.default_rng(7), 512, 512)

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        return replace(super().render(avatar, motion), rgb=self._drawn)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@in_loop
async def test_the_mark_is_found_in_what_a_peer_receives(codec: str) -> None:
    with rtc.adapted(rtc.ADAPTATIONS):
        session, peer = Session(request(renderer=Still)), Peer(codec=codec)
        peer.keep_last = True
        await peer.call(session.answer)
        received: list[Rgb] = []
        for _ in range(8):
            peer.seen.clear()
            await peer.until(lambda: len(peer.seen) > 2)
            assert peer.last is not None
            received.append(peer.last)
        await session.close()
        await peer.close()
    assert payload_in(received) == session.public_id


# ── where the label is ────────────────────────────────────────────────────────────────────────────


_HALF_OPEN = 0.085
"""Of the face's height: by how much a half open mouth lowers the chin (`tests.heads`)."""
_USUAL_MARGIN = 0.2
"""Of the face's height, that who cuts out a face leaves around it."""


@pytest.fixture(scope="module")
def tracker() -> Iterator[LitertTracker]:
    opened = LitertTracker(ModelStore())
    yield opened
    opened.close()


def rows_of_label(size: int) -> tuple[slice, slice]:
    """The rows of the pill and those of its letters."""
    planes = Planes.of(Picture(np.full((size, size, 3), 90, np.uint8)))
    empty = planes.rgb
    draw(planes, Label().text)
    shown = planes.rgb
    pill = np.flatnonzero((shown != empty).any(axis=(1, 2)))
    letters = np.flatnonzero((shown > 150).any(axis=(1, 2)))
    return slice(pill[0], pill[-1] + 1), slice(letters[0], letters[-1] + 1)


@pytest.mark.parametrize("id", avatars.ids())
def test_who_cuts_the_label_off_cuts_the_face(id: str, tracker: LitertTracker) -> None:
    """It begins right under the chin of a closed mouth, and the chin of an open one is in it."""
    portrait = cv2.imdecode(
        np.frombuffer(avatars.contents(id).portrait, np.uint8), cv2.IMREAD_COLOR_RGB
    )
    assert portrait is not None
    rgb = np.ascontiguousarray(portrait, np.uint8)
    (face,) = tracker.find(Picture(rgb))
    landmarks = frame(Portrait(rgb, (face,)), face, 512).landmarks[:, :2]
    (left, top), (right, chin) = landmarks.min(axis=0), landmarks.max(axis=0)
    height = chin - top
    pill, letters = rows_of_label(512)
    assert chin < pill.start < chin + 0.04 * height  # nothing of the face is hidden …
    assert letters.start < chin + _HALF_OPEN * height  # … before the mouth opens
    assert letters.stop <= chin + _USUAL_MARGIN * height
    assert left < 256 < right

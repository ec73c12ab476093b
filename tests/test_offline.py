from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from engines.drivers.face import FaceDriver
from engines.types import (
    Avatar,
    Backdrop,
    Face,
    Motion,
    Picture,
    Portrait,
    Rgb,
    Space,
)
from live.commands import render as command
from live.disclosure import Label
from live.errors import Unprocessable
from live.offline.camera import Rendered, render_camera, upright
from live.pipeline import Pipeline
from tests.consents import permitted
from tests.fakes import stamp
from tests.heads import head

SIZE = 128
SQUARE = (SIZE, SIZE)
TALK = Path(__file__).parent / "data" / "talk.mp4"


class BrightnessTracker:
    """The brighter the picture, the wider the mouth; a black picture shows nobody."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []
        self.closed = False

    def track(self, picture: Picture) -> Face | None:
        self.sizes.append(picture.rgb.shape)
        level = picture.rgb.mean() / 255.0
        if level < 0.05:
            return None
        return replace(
            head(jaw=level - 0.3), pts_ns=picture.pts_ns, captured_ns=picture.captured_ns
        )

    def find(self, picture: Picture) -> Sequence[Face]:
        return []

    def reset(self) -> None: ...

    def close(self) -> None:
        self.closed = True


class BarRenderer:
    """Draws the mouth's opening as grey; no face, no portrait."""

    name = "bar"
    space = Space.MESH478

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = SIZE) -> Avatar:
        return Avatar(id, portrait, size, self.name, consent)

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        return avatar

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        grey = np.clip(60 + 500 * motion.expression[14, 1], 0, 255)
        rgb = np.full((avatar.features, avatar.features, 3), grey, np.uint8)
        return Picture(rgb, motion.pts_ns, motion.captured_ns)


def pipeline(tracker: BrightnessTracker | None = None) -> Pipeline:
    renderer = BarRenderer()
    avatar = renderer.prepare(Portrait(np.zeros((4, 4, 3), np.uint8), ()), id="bar", consent="")
    return Pipeline(
        tracker or BrightnessTracker(), FaceDriver(), renderer, permitted(avatar), stamp(Label())
    )


def video(
    file: Path,
    levels: Sequence[float],
    *,
    ticks: Sequence[int] | None = None,
    sound: str | None = None,
    codec: str = "libx264",
    size: tuple[int, int] = (96, 64),
) -> Path:
    """A clip of plain grey frames, `ticks` in milliseconds."""
    ticks = ticks or [round(n * 1000 / 25) for n in range(len(levels))]
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        track = _mono(container, sound) if sound else None
        for level, tick in zip(levels, ticks, strict=True):
            grey = np.full((size[1], size[0], 3), round(255 * level), np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            wave = np.sin(np.arange(48000) * 2 * np.pi * 440 / 48000)[None].astype(np.float32)
            _say(container, track, 0.5 * wave)
    return file


def _mono(container: OutputContainer, codec: str) -> AudioStream:
    track = container.add_stream(codec, rate=48000)
    assert isinstance(track, AudioStream)
    track.codec_context.layout = "mono"
    return track


def _say(container: OutputContainer, track: AudioStream, wave: NDArray[np.float32]) -> None:
    frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
    container.mux(track.encode(frame))
    container.mux(track.encode(None))


def frames_of(file: Path) -> list[tuple[float, Rgb]]:
    with av.open(str(file)) as container:
        return [
            (float(frame.time or 0.0), frame.to_ndarray(format="rgb24").astype(np.uint8))
            for frame in container.decode(video=0)
        ]


def nothing_left(folder: Path, *kept: str) -> bool:
    return sorted(path.name for path in folder.iterdir()) == sorted(kept)


def test_every_frame_keeps_its_time_and_moves_as_the_driver_does(tmp_path: Path) -> None:
    # An irregular camera: 40 ms, 17 ms, then a gap.
    ticks = [40 * n for n in range(40)] + [1600 + 17 * n for n in range(20)] + [2500, 2540]
    levels = [0.3] * 30 + [0.3 + 0.25 * (1 - np.cos(n / 4)) for n in range(32)]
    source = video(tmp_path / "in.mp4", levels, ticks=ticks)
    told: list[tuple[int, int | None]] = []
    done = render_camera(
        source, tmp_path / "out.mp4", pipeline(), SQUARE, progress=lambda *n: told.append(n)
    )
    assert done == Rendered(62, 0)
    assert told[-1] == (62, 62)
    seen = frames_of(tmp_path / "out.mp4")
    assert [time for time, _ in seen] == pytest.approx([tick / 1000 for tick in ticks], abs=1e-3)
    mouth = np.array([rgb[:40].mean() for _, rgb in seen])
    assert np.corrcoef(mouth, levels)[0, 1] > 0.95
    assert nothing_left(tmp_path, "in.mp4", "out.mp4")


def test_output_is_h264_of_the_size_with_a_label_on_every_frame(tmp_path: Path) -> None:
    source = video(tmp_path / "in.mp4", [0.3] * 12)
    render_camera(source, tmp_path / "out.mp4", pipeline(), SQUARE)
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert (stream.width, stream.height) == (SIZE, SIZE)
        assert stream.pix_fmt == "yuv420p"
    for _, rgb in frames_of(tmp_path / "out.mp4"):
        upper, lower = rgb[: SIZE // 2], rgb[round(0.86 * SIZE) : round(0.95 * SIZE)]
        assert np.ptp(upper) < 12  # plain grey …
        assert np.ptp(lower) > 100  # … with light words on a dark pill below


@pytest.mark.parametrize(
    ("suffix", "codec", "sound"),
    [("mp4", "libx264", "aac"), ("webm", "libvpx", "libopus"), ("mkv", "libx264", "pcm_s16le")],
)
def test_sound_comes_along(tmp_path: Path, suffix: str, codec: str, sound: str) -> None:
    source = video(tmp_path / f"in.{suffix}", [0.3] * 25, codec=codec, sound=sound)
    render_camera(source, tmp_path / "out.mp4", pipeline(), SQUARE)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        heard = np.concatenate(
            [frame.to_ndarray()[0] for frame in container.decode(audio=0)], dtype=np.float32
        )
    assert len(heard) == pytest.approx(48000, abs=4096)
    spectrum = np.abs(np.fft.rfft(heard[8000:40000]))
    assert spectrum.argmax() * 48000 / 32000 == pytest.approx(440, abs=3)


def test_recorded_motion_is_one_line_a_frame(tmp_path: Path) -> None:
    source = video(tmp_path / "in.mp4", [0.3] * 30 + [0.8] * 20)
    render_camera(source, tmp_path / "o.mp4", pipeline(), SQUARE, motions=tmp_path / "m.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert len(lines) == 50
    assert [line["pts_ns"] for line in lines] == sorted({line["pts_ns"] for line in lines})
    assert lines[0]["space"] == "mesh478"
    assert np.array(lines[-1]["expression"]).shape == (478, 3)
    assert np.array(lines[-1]["expression"])[14, 1] > 0.1  # the mouth has opened
    assert len(lines[-1]["pose"]) == 6


def test_frames_without_a_face_are_rendered_and_counted(tmp_path: Path) -> None:
    source = video(tmp_path / "in.mp4", [0.3] * 20 + [0.0] * 10 + [0.3] * 5)
    assert render_camera(source, tmp_path / "out.mp4", pipeline(), SQUARE) == Rendered(35, 10)
    assert len(frames_of(tmp_path / "out.mp4")) == 35


def test_phone_video_is_turned_upright() -> None:
    class Turned:
        rotation = -90  # as FFmpeg tells it for a picture to be turned clockwise

        def to_ndarray(self, format: str) -> Rgb:
            return np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)

    rgb = upright(Turned())  # type: ignore[arg-type]
    assert rgb.shape == (4, 2, 3)
    assert rgb[0, 1, 0] == 0  # the upper left corner has gone to the upper right
    assert rgb.flags.c_contiguous


class TestRefusals:
    def refuse(self, source: Path, target: Path, words: str, motions: Path | None = None) -> None:
        folder = source.parent
        before = sorted(path.name for path in folder.iterdir())
        with pytest.raises(Unprocessable, match=words) as caught:
            render_camera(source, target, pipeline(), SQUARE, motions=motions)
        assert "\n" not in str(caught.value)
        assert nothing_left(folder, *before)

    def test_no_such_file(self, tmp_path: Path) -> None:
        self.refuse(tmp_path / "none.mp4", tmp_path / "out.mp4", "there is no file")

    def test_not_a_video(self, tmp_path: Path) -> None:
        text = tmp_path / "in.mp4"
        text.write_text("this is a text\n" * 100)
        self.refuse(text, tmp_path / "out.mp4", "not a video")

    def test_sound_only(self, tmp_path: Path) -> None:
        file = tmp_path / "in.m4a"
        with av.open(str(file), "w", format="mp4") as container:
            _say(container, _mono(container, "aac"), np.zeros((1, 4800), np.float32))
        self.refuse(file, tmp_path / "out.mp4", "no pictures")

    def test_nobody_to_be_seen(self, tmp_path: Path) -> None:
        source = video(tmp_path / "in.mp4", [0.0] * 10)
        self.refuse(source, tmp_path / "out.mp4", "no face", tmp_path / "m.jsonl")

    def test_target_that_cannot_be(self, tmp_path: Path) -> None:
        source = video(tmp_path / "in.mp4", [0.3] * 5)
        self.refuse(source, tmp_path / "out.avi", r"does not end in \.mp4")
        self.refuse(source, tmp_path / "none" / "out.mp4", "does not exist")
        self.refuse(source, source, "the input itself")

    def test_an_older_result_stays_until_there_is_a_new_one(self, tmp_path: Path) -> None:
        (tmp_path / "out.mp4").write_bytes(b"older")
        source = video(tmp_path / "in.mp4", [0.0] * 5)
        self.refuse(source, tmp_path / "out.mp4", "no face")
        assert (tmp_path / "out.mp4").read_bytes() == b"older"

    def test_interrupted_work_leaves_nothing(self, tmp_path: Path) -> None:
        source = video(tmp_path / "in.mp4", [0.3] * 20)

        def interrupt(done: int, _total: int | None) -> None:
            if done == 10:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            render_camera(source, tmp_path / "out.mp4", pipeline(), SQUARE, progress=interrupt)
        assert nothing_left(tmp_path, "in.mp4")


def test_progress_without_a_terminal_is_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with command.Progress("out.mp4") as progress:
        for done in range(1, 101):
            progress(done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "out.mp4: 100 of 100 frames"

"""`visavis render`: a camera video, a recorded voice or a text in, the avatar's video out."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tqdm import tqdm

from engines import registry
from engines.sound_file import read_sound
from engines.types import Space
from engines.weights import ModelStore
from live import logs, parts, settings
from live.avatars import AvatarStore
from live.disclosure import VisibleLabel
from live.offline import spoken
from live.offline.camera import render_camera
from live.offline.files import check_source, check_target
from live.pipeline import Pipeline
from live.settings import Settings
from live.workshop import prepare

if TYPE_CHECKING:
    from live.__main__ import Subparsers

_BY_CAMERA = defaultdict(lambda: "face", {Space.IMPLICIT21: "implicit"})
_BY_VOICE = "speech"
_LINES = 10
"""Lines of progress where there is no terminal."""

Work = Callable[[Pipeline, "Progress"], str]
"""Renders with a pipeline, and says what came of it."""


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "render",
        help="run the same pipeline over a file",
        description="Runs a camera video, a recorded voice or a text through the pipeline of a"
        " call, frame for frame.",
    )
    parser.add_argument("--avatar", required=True, metavar="ID", help="see: visavis avatar list")
    driver = parser.add_mutually_exclusive_group(required=True)
    driver.add_argument("--camera-video", type=Path, metavar="FILE", help="who drives the avatar")
    driver.add_argument("--speech", type=Path, metavar="FILE.wav", help="what the avatar says")
    driver.add_argument("--text", help="the same, in words")
    parser.add_argument("--voice", metavar="NAME", help="that says the text")
    parser.add_argument("--language", metavar="TAG", help="of the text, such as de")
    parser.add_argument("--pace", type=float, metavar="FACTOR", help="of the voice, 0.5…2")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT.mp4")
    parser.add_argument("--renderer", metavar="NAME", help="that draws (warp)")
    parser.add_argument("--size", type=int, metavar="PIXELS", help="width and height (512)")
    parser.add_argument(
        "--record-motion", type=Path, metavar="FILE.jsonl", help="writes each frame's motion"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Renders one file."""
    told = {"video": {"size": args.size}, "engines": {"renderer": args.renderer}}
    chosen = settings.load(args.config, told)
    logs.set_up(chosen.logs.level, chosen.logs.format)
    # Before the networks are loaded: a misspelt name should not cost seconds.
    source = args.camera_video or args.speech
    if source is not None:
        check_source(source)
    check_target(args.output, ".mp4", source=source)
    entry = AvatarStore(chosen.avatars.folder).entry(args.avatar)
    work = _by_camera(args, chosen) if args.camera_video else _by_voice(args, chosen)
    renderers = parts.renderers(chosen.engines, chosen.models)
    renderer = renderers.get(renderers.name)
    name = _BY_CAMERA[renderer.space] if args.camera_video else _BY_VOICE
    driver = renderers.driver(name, renderers.name)
    tracker = parts.tracker(ModelStore(chosen.models.folder))
    avatar = prepare(entry, tracker, renderer, chosen.video.size)
    stamp = VisibleLabel(chosen.label.text, visible=chosen.label.visible)
    pipeline = Pipeline(tracker, driver, renderer, avatar, stamp)
    try:
        with Progress(args.output.name) as progress:
            done = work(pipeline, progress)
    finally:
        pipeline.close()
    print(f"{args.output}: {done}")
    return 0


def _by_camera(args: argparse.Namespace, chosen: Settings) -> Work:
    def work(pipeline: Pipeline, progress: Progress) -> str:
        done = render_camera(
            args.camera_video,
            args.output,
            pipeline,
            chosen.video.size,
            motions=args.record_motion,
            progress=progress,
        )
        return f"{done.frames} frames, {done.without_face} of them without a face"

    return work


def _by_voice(args: argparse.Namespace, chosen: Settings) -> Work:
    recording = _recorded(args.speech) if args.speech else _said(args, chosen)

    def work(pipeline: Pipeline, progress: Progress) -> str:
        frames = spoken.render_spoken(
            recording,
            args.output,
            pipeline,
            chosen.video.size,
            motions=args.record_motion,
            progress=progress,
        )
        return f"{frames} frames"

    return work


def _recorded(file: Path) -> spoken.Recording:
    return spoken.Recording(*read_sound(file.read_bytes()))


def _said(args: argparse.Namespace, chosen: Settings) -> spoken.Recording:
    """The text, as a call would say it."""
    settled = chosen.voice
    name = args.voice or settled.default
    language = args.language or (settled.language if name == settled.default else "")
    voice = registry.voice(name, settled.options().get(name))
    try:
        return spoken.joined(
            voice.speak(args.text, language=language, pace=args.pace or settled.pace)
        )
    finally:
        voice.close()


class Progress:
    """Tells on stderr how far the work is: a bar on a terminal, else some lines."""

    def __init__(self, what: str) -> None:
        """`what` is being made."""
        self._what = what
        self._bar: tqdm[NoReturn] | None = None
        self._told = 0

    def __enter__(self) -> Progress:
        """Nothing to see before the first frame."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the terminal tidy."""
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int | None) -> None:
        """`done` frames of `total`, where that is known."""
        if sys.stderr.isatty():
            if self._bar is None:
                self._bar = tqdm(desc=self._what, total=total, unit="frame", leave=False)
            self._bar.update(done - self._bar.n)
            return
        part = done * _LINES // total if total else done // 300
        if part > self._told:
            self._told = part
            of = f" of {total}" if total else ""
            sys.stderr.write(f"{self._what}: {done}{of} frames\n")

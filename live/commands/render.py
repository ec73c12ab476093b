"""`visavis render`: a camera video in, the same video with an avatar's face out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tqdm import tqdm

from engines.weights import ModelStore
from live import logs, parts, settings
from live.avatars import AvatarStore
from live.disclosure import VisibleLabel
from live.offline.camera import render_camera
from live.offline.files import check_source, check_target
from live.pipeline import Pipeline
from live.workshop import prepare

if TYPE_CHECKING:
    from live.__main__ import Subparsers

_DRIVER = "face"
_LINES = 10
"""Lines of progress where there is no terminal."""


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "render",
        help="run the same pipeline over a file",
        description="Runs a camera video through the pipeline of a call, frame for frame.",
    )
    parser.add_argument("--avatar", required=True, metavar="ID", help="see: visavis avatar list")
    parser.add_argument(
        "--camera-video", required=True, type=Path, metavar="FILE", help="who drives the avatar"
    )
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT.mp4")
    parser.add_argument("--size", type=int, metavar="PIXELS", help="width and height (512)")
    parser.add_argument(
        "--record-motion", type=Path, metavar="FILE.jsonl", help="writes each frame's motion"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Renders one file."""
    chosen = settings.load(args.config, {"video": {"size": args.size}})
    logs.set_up(chosen.logs.level, chosen.logs.format)
    size = chosen.video.size
    # Before the networks are loaded: a misspelt name should not cost seconds.
    check_source(args.camera_video)
    check_target(args.output, ".mp4", source=args.camera_video)
    entry = AvatarStore(chosen.avatars.folder).entry(args.avatar)
    tracker = parts.tracker(ModelStore(chosen.models.folder))
    renderer = parts.renderer()
    avatar = prepare(entry, tracker, renderer, size)
    stamp = VisibleLabel(chosen.label.text, visible=chosen.label.visible)
    pipeline = Pipeline(tracker, parts.driver(_DRIVER), renderer, avatar, stamp)
    try:
        with Progress(args.output.name) as progress:
            done = render_camera(
                args.camera_video,
                args.output,
                pipeline,
                size,
                motions=args.record_motion,
                progress=progress,
            )
    finally:
        pipeline.close()
    print(f"{args.output}: {done.frames} frames, {done.without_face} of them without a face")
    return 0


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

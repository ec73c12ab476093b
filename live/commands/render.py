"""`visavis render`: a camera video, a recorded voice or a text in, the avatar's video out."""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tqdm import tqdm

from engines import registry
from engines.mark import Mark
from engines.sound_file import read_sound
from engines.types import Space
from engines.weights import ModelStore
from live import logs, parts, public_id, settings
from live.avatars import Opened
from live.consent.permitted import Permitted
from live.consent.record import Mode, Purpose
from live.disclosure import Disclosure, chosen_label
from live.offline import spoken
from live.offline.camera import render_camera
from live.offline.files import check_source, check_target, complete_or_absent
from live.offline.film import Size
from live.offline.publishing import duration_ms, publish
from live.pipeline import Pipeline
from live.provenance.credentials import Credentials
from live.provenance.facts import AvatarFacts, DrivenBy, Facts, LabelFacts, MarkFacts
from live.registers import Registers, open_registers
from live.sections import Video
from live.settings import Settings
from live.shape import Shape
from live.workshop import prepare

if TYPE_CHECKING:
    from live.__main__ import Subparsers

_BY_CAMERA = defaultdict(lambda: "face", {Space.IMPLICIT21: "implicit"})
_BY_VOICE = "speech"
_LINES = 10
"""Lines of progress where there is no terminal."""

Work = Callable[[Pipeline, Path, "Progress"], str]
"""Renders a film with a pipeline, and says what came of it."""


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
    parser.add_argument(
        "--size",
        type=_size,
        default={},
        metavar="PIXELS",
        help="height, and width of a square picture (512), or a wide picture's WIDTHxHEIGHT, such"
        " as 1280x720",
    )
    parser.add_argument(
        "--record-motion", type=Path, metavar="FILE.jsonl", help="writes each frame's motion"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Renders one file."""
    told = {"video": args.size, "engines": {"renderer": args.renderer}}
    chosen = settings.load(args.config, told)
    logs.set_up(chosen.logs.level, chosen.logs.format)
    # Before the networks are loaded: a misspelt name should not cost seconds.
    source = args.camera_video or args.speech
    if source is not None:
        check_source(source)
    check_target(args.output, ".mp4", source=source)
    registers = open_registers(chosen)
    found = registers.avatars.opened(args.avatar)
    mode = Mode.FACE if args.camera_video else Mode.SPEECH
    found.permit.check(Purpose.RENDER, {mode})
    registers.audit.check()
    credentials = Credentials.load(chosen.provenance, chosen.keys)
    rendering = _Rendering(chosen, registers, found, "camera" if args.camera_video else "voice")
    work = _by_camera(args, chosen) if args.camera_video else _by_voice(args, chosen)
    pipeline = rendering.pipeline()
    try:
        with complete_or_absent(args.output) as film:
            with Progress(args.output.name) as progress:
                done = work(pipeline, film, progress)
            facts = rendering.facts(duration_ms(film))
            publish(film, facts, found.permit, credentials, registers.audit)
    finally:
        pipeline.close()
    print(f"{args.output}: {done}")
    print(f"marked in every picture: render {rendering.public_id}, key {registers.keys.mark_id}")
    print(f"content credentials (C2PA): signed with {credentials.described}")
    return 0


def _size(text: str) -> dict[str, int | str]:
    """What `--size` says, in the words of the settings."""
    found = re.fullmatch(r"(?:(\d{1,5})x)?(\d{1,5})", text)
    if found is None:
        raise argparse.ArgumentTypeError("has to be a height such as 512, or 1280x720")
    height = int(found[2])
    if found[1] is None:
        return {"size": height}
    widths = {shape.width(height): shape for shape in Shape}
    if int(found[1]) not in widths:
        known = " or ".join(str(width) for width in widths)
        raise argparse.ArgumentTypeError(
            f"pictures {height} pixels high are {known} wide, not {found[1]}"
        )
    return {"size": height, "shape": widths[int(found[1])]}


def _pixels(video: Video) -> Size:
    return Shape(video.shape).width(video.size), video.size


class _Rendering:
    """What is rendered, and what is to be said of it."""

    def __init__(
        self, chosen: Settings, registers: Registers, found: Opened, driven_by: DrivenBy
    ) -> None:
        self.public_id = public_id.new()
        self._chosen, self._registers, self._found = chosen, registers, found
        self._driven_by: DrivenBy = driven_by
        self._label = chosen_label(chosen.label, registers.audit)
        self._payload = public_id.to_payload(self.public_id)
        self._started_at = datetime.now(UTC)

    def pipeline(self) -> Pipeline:
        """That of a call, with a mark of its own."""
        chosen = self._chosen
        renderers = parts.renderers(chosen.engines, chosen.models)
        renderer = renderers.get(renderers.name)
        name = _BY_CAMERA[renderer.space] if self._driven_by == "camera" else _BY_VOICE
        driver = renderers.driver(name, renderers.name)
        tracker = parts.tracker(ModelStore(chosen.models.folder))
        avatar = prepare(self._found, tracker, renderer, chosen.video.size)
        self._registers.avatars.note_loaded(self._found)
        stamp = Disclosure(self._label, Mark(self._registers.keys.mark, self._payload))
        permitted = Permitted(avatar, self._found.permit)
        return Pipeline(
            tracker, driver, renderer, permitted, stamp, shape=Shape(chosen.video.shape)
        )

    def facts(self, duration_ms: int) -> Facts:
        """What the credentials are to say."""
        return Facts(
            kind="render",
            avatars=(AvatarFacts.of(self._found.permit),),
            mark=MarkFacts(key=self._registers.keys.mark_id, payload=self._payload.hex()),
            label=LabelFacts.of(self._label),
            driven_by=self._driven_by,
            started_at=self._started_at,
            duration_ms=duration_ms,
            operator=self._chosen.consent.operator,
        )


def _by_camera(args: argparse.Namespace, chosen: Settings) -> Work:
    def work(pipeline: Pipeline, film: Path, progress: Progress) -> str:
        done = render_camera(
            args.camera_video,
            film,
            pipeline,
            _pixels(chosen.video),
            motions=args.record_motion,
            progress=progress,
        )
        return f"{done.frames} frames, {done.without_face} of them without a face"

    return work


def _by_voice(args: argparse.Namespace, chosen: Settings) -> Work:
    recording = _recorded(args.speech) if args.speech else _said(args, chosen)

    def work(pipeline: Pipeline, film: Path, progress: Progress) -> str:
        frames = spoken.render_spoken(
            recording,
            film,
            pipeline,
            _pixels(chosen.video),
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

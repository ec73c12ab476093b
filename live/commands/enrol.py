"""`visavis avatar enrol`: the person themselves, live before this machine's camera.

There is no way to enrol from a file: a recording shows nobody who is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from engines import portraits
from engines.face_geometry import Points
from engines.types import Rgb, Tracker
from engines.weights import ModelStore
from live import parts, settings
from live.audit import Event
from live.avatars import Entry, check_id, check_name
from live.clock import SECOND, now_ns
from live.consent.authority import utc_now
from live.consent.granting import Granted, Wish
from live.consent.record import LONGEST_DAYS, Mode, Purpose
from live.enrolment import challenge, withdrawal
from live.enrolment.agreement import agreement
from live.enrolment.attempt import Attempt
from live.enrolment.codes import ASKED, HINTS, WAIT
from live.enrolment.likeness import portrait_face
from live.enrolment.phrases import LANGUAGES
from live.enrolment.pictures import png
from live.enrolment.verdict import Verdict
from live.enrolment.witness import Progress
from live.errors import BadRequest, NoConsent, Unprocessable, VisavisError
from live.registers import Registers, open_registers
from live.settings import Settings

if TYPE_CHECKING:
    from live.__main__ import Subparsers

_DEADLINE_NS = 180 * SECOND
_WIDTH, _HEIGHT = 1280, 720


class Camera(Protocol):
    """A camera of this machine."""

    def read(self) -> Rgb | None:
        """The next picture, once it is there; `None`: there is none any more."""

    def close(self) -> None:
        """Lets go of it."""


class LocalCamera:
    """One that OpenCV finds."""

    def __init__(self, device: int) -> None:
        """`device`: its number; raises `Unprocessable`."""
        self._capture = cv2.VideoCapture(device)
        if not self._capture.isOpened():
            raise Unprocessable(
                f"there is no camera {device}, or another program has it; plug one in or name"
                " another by --device"
            )
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, _WIDTH)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, _HEIGHT)

    def read(self) -> Rgb | None:
        """The next picture, once it is there."""
        there, bgr = self._capture.read()
        return np.ascontiguousarray(bgr[..., ::-1], np.uint8) if there else None

    def close(self) -> None:
        """Lets go of it."""
        self._capture.release()


@dataclass(frozen=True, slots=True)
class Parts:
    """What the command works with."""

    camera: Callable[[int], Camera] = LocalCamera
    tracker: Callable[[Settings], Tracker] = lambda chosen: parts.tracker(
        ModelStore(chosen.models.folder)
    )
    now_ns: Callable[[], int] = now_ns
    answer: Callable[[str], str] = input


def add_to(deeds: Subparsers, common: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser = deeds.add_parser(
        "enrol",
        parents=[common],
        help="consent to an avatar of one's own face, live before the camera",
        description="A person before this machine's camera consents to an avatar of their own"
        " face, by doing what they are asked in an order drawn by chance. Sound is not checked"
        " here; the page of `visavis serve` checks it too.",
    )
    parser.add_argument("--id", default="", help="made of the name where missing")
    parser.add_argument("--name", default="", help="what people see")
    parser.add_argument("--device", type=int, default=0, metavar="NUMBER", help="the camera (0)")
    parser.add_argument(
        "--image", type=Path, metavar="PORTRAIT", help="unset: the portrait is taken here"
    )
    parser.add_argument(
        "--purposes", nargs="+", choices=list(Purpose), default=["call", "render"], type=str
    )
    parser.add_argument(
        "--modes", nargs="+", choices=list(Mode), default=["face", "speech"], type=str
    )
    parser.add_argument("--days", type=int, help="that the consent is valid for")
    parser.add_argument("--language", choices=LANGUAGES, default=LANGUAGES[0], help="of the words")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, by: Parts | None = None) -> int:
    """Enrols one person."""
    by = by or Parts()
    chosen = settings.load(args.config)
    registers = open_registers(chosen)
    if args.id:
        registers.avatars.check_free(check_id(args.id))
    check_name(args.name)
    image = _read(args.image) if args.image else b""
    wish = _agreed(args, chosen, by)
    sent = portraits.decode(image) if image else None
    face = _face(sent, by.tracker(chosen)) if sent is not None else None
    with closing(_attempt(args, chosen, face, by)) as attempt:
        verdict = _perform(attempt, args.device, by)
        rgb = sent if sent is not None else attempt.portrait
    if not verdict.passed or rgb is None:
        _note(registers, Event.ENROLMENT_FAILED, verdict, fault=str(verdict.fault))
        raise Unprocessable(verdict.described()["words"])
    code = withdrawal.new_code()
    evidence = verdict.evidence() | {withdrawal.EVIDENCE: withdrawal.hashed(code)}
    granted = registers.consents.grant_enrolled(rgb, wish, evidence)
    entry = _added(args, chosen, registers, image or png(rgb), granted)
    _note(registers, Event.ENROLMENT_PASSED, verdict, consent=granted.record.id)
    _print(entry, granted, code, verdict, as_json=args.json)
    return 0


def _agreed(args: argparse.Namespace, chosen: Settings, by: Parts) -> Wish:
    """Reads the agreement out and asks; raises `NoConsent` where it is not agreed to."""
    days = chosen.consent.days if args.days is None else args.days
    if not 0 < days <= LONGEST_DAYS:
        raise BadRequest(f"--days is a number of 1…{LONGEST_DAYS}")
    purposes = frozenset(map(Purpose, args.purposes))
    modes = frozenset(map(Mode, args.modes))
    until = utc_now().date() + timedelta(days)
    text = agreement(chosen.consent.operator, purposes, modes, until)
    _say(text)
    if by.answer("Do you agree? Write yes: ").strip().lower() != "yes":
        raise NoConsent("it was not agreed to; nothing was done")
    return Wish(text, purposes=purposes, modes=modes, days=days)


def _face(rgb: Rgb, tracker: Tracker) -> Points:
    with closing(tracker):
        return portrait_face(rgb, tracker)


def _attempt(args: argparse.Namespace, chosen: Settings, face: Points | None, by: Parts) -> Attempt:
    return Attempt(challenge.draw(args.language), by.tracker(chosen), None, face)


def _perform(attempt: Attempt, device: int, by: Parts) -> Verdict:
    """Has the person do what is asked."""
    with closing(by.camera(device)) as camera:
        began_ns, told = by.now_ns(), ""
        while by.now_ns() - began_ns < _DEADLINE_NS:
            rgb = camera.read()
            if rgb is None:
                raise Unprocessable("the camera gives no more pictures; check its cable")
            words = _words(attempt, attempt.see(rgb, by.now_ns()))
            verdict = attempt.verdict()
            if verdict is not None:
                return verdict
            if words != told:
                _say(words)
                told = words
    raise Unprocessable("the time for this attempt is over; try again")


def _words(attempt: Attempt, progress: Progress) -> str:
    asked = ASKED[progress.step] if progress.step else WAIT
    task = attempt.challenge.tasks[min(progress.number, len(attempt.challenge.tasks) - 1)]
    phrase = f" {' '.join(task.phrase)}" if progress.step and task.phrase else ""
    hint = f" ({HINTS[progress.hint]})" if progress.hint else ""
    return f"[{progress.number + 1}/{len(attempt.challenge.tasks)}] {asked}{phrase}{hint}"


def _added(
    args: argparse.Namespace,
    chosen: Settings,
    registers: Registers,
    image: bytes,
    granted: Granted,
) -> Entry:
    """The avatar; a record of which none can be made is taken back."""
    try:
        workshop = parts.workshop(
            ModelStore(chosen.models.folder), parts.renderers(chosen.engines, chosen.models)
        )
        with closing(workshop):
            return workshop.add(
                registers.avatars, image, granted.document, id=args.id, name=args.name
            )
    except VisavisError:
        registers.consents.revoke(granted.record.id, "no avatar could be made")
        raise


def _note(registers: Registers, event: Event, verdict: Verdict, **facts: str) -> None:
    registers.audit.write(event, challenge=verdict.challenge.sha256, **facts)


def _print(entry: Entry, granted: Granted, code: str, verdict: Verdict, *, as_json: bool) -> None:
    told = verdict.described()
    if as_json:
        plain = {
            "id": entry.id,
            "name": entry.name,
            "consent": granted.record.id,
            "record": granted.document,
            "withdrawal_code": code,
            "verdict": told,
        }
        print(json.dumps(plain, indent=2, ensure_ascii=False))
        return
    print(f"avatar           {entry.id}")
    print(f"consent          {granted.record.id}")
    print(f"withdrawal code  {code}   (write it down: it is shown only now)")
    for title, findings in (
        ("What this established:", told["established"]),
        ("What it did not:", told["not_established"]),
    ):
        print(title)
        for finding in findings:
            print(f"  - {finding['words']}")


def _say(words: str) -> None:
    """To the person: stdout is for the result."""
    print(words, file=sys.stderr, flush=True)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadRequest(f"cannot read {file}: {error.strerror}") from error

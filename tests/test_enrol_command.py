from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from engines import avatars as built_in
from engines.trackers.litert import LitertTracker
from engines.types import Rgb
from engines.weights import ModelStore
from live import settings
from live.__main__ import main
from live.clock import SECOND
from live.commands import enrol
from live.enrolment import challenge as challenges
from live.enrolment.attempt import Attempt
from live.enrolment.challenge import Challenge, Step, draw
from live.errors import Conflict, NoConsent, Unprocessable
from live.registers import open_registers
from live.settings import Settings
from tests.performer import does, pose


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of somebody who begins."""
    for section, field, name in (
        ("AVATARS", "FOLDER", "avatars"),
        ("CONSENT", "FOLDER", "consents"),
        ("KEYS", "FOLDER", "keys"),
        ("AUDIT", "FILE", "audit.jsonl"),
    ):
        monkeypatch.setenv(f"VISAVIS_{section}__{field}", str(tmp_path / name))
    return settings.load(None)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps are asked for, so that a test is short."""

    def drawn(language: str) -> Challenge:
        whole = draw(language)
        by_step = {task.step: task for task in whole.tasks}
        tasks = tuple(by_step[step] for step in (Step.FRONT, Step.LEFT))
        return Challenge(whole.nonce, language, tasks)

    monkeypatch.setattr(challenges, "draw", drawn)


class Sitter:
    """A camera with somebody before it, in a time of their own, who does what is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str = "leo", fps: int = 10) -> None:
        self.name, self.fps = name, fps
        self.pictures = 0
        self.closed = False
        self._step: Step | None = None
        self._told_s = 0.0
        see = Attempt.see

        def watched(attempt: Attempt, rgb: Rgb, at_ns: int) -> object:
            progress = see(attempt, rgb, at_ns)
            if progress.step is not self._step:
                self._step, self._told_s = progress.step, self._now_s
            return progress

        monkeypatch.setattr(Attempt, "see", watched)

    @property
    def _now_s(self) -> float:
        return self.pictures / self.fps

    def now_ns(self) -> int:
        return SECOND + round(self._now_s * SECOND)

    def read(self) -> Rgb | None:
        self.pictures += 1
        since_s = self._now_s - self._told_s
        sway = 0.01 * float(np.sin(2.1 * self._now_s))
        return pose(self.name, sway=sway, **does(self._step, since_s))

    def close(self) -> None:
        self.closed = True


def run(sitter: Sitter, *options: str, answer: str = "yes") -> int:
    """The command with this person before the camera."""
    parser = argparse.ArgumentParser()
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path)
    common.add_argument("--json", action="store_true")
    enrol.add_to(parser.add_subparsers(), common)
    by = enrol.Parts(
        lambda device: sitter,
        lambda chosen: LitertTracker(ModelStore()),
        sitter.now_ns,
        lambda asked: answer,
    )
    return enrol.run(parser.parse_args(["enrol", *options]), by)


def test_person_before_the_camera_is_enrolled(
    chosen: Settings,
    short: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sitter = Sitter(monkeypatch)
    assert run(sitter, "--id", "me", "--days", "3", "--json") == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["id"] == "me"
    assert told["verdict"]["passed"]
    missing = {finding["code"] for finding in told["verdict"]["not_established"]}
    assert {"sound", "identity", "injection"} <= missing
    assert "I agree that" in err
    assert "Turn your head to your left" in err
    assert sitter.closed
    registers = open_registers(chosen)
    found = registers.avatars.opened("me")
    assert found.entry.consent.basis == "live_enrolment"
    assert registers.consents.holding(told["record"]).id == told["consent"]
    assert told["withdrawal_code"] not in told["record"]
    with pytest.raises(Conflict):
        run(sitter, "--id", "me")


def test_portrait_of_somebody_else_is_refused(
    chosen: Settings, short: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    portrait = tmp_path / "other.png"
    cv2.imwrite(str(portrait), pose("hana")[..., ::-1])
    with pytest.raises(Unprocessable, match="does not have the proportions"):
        run(Sitter(monkeypatch, "kofi"), "--image", str(portrait))
    assert open_registers(chosen).avatars.ids() == built_in.ids()
    assert not list((tmp_path / "consents").glob("*"))


def test_who_does_nothing_is_not_enrolled(
    chosen: Settings, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitter = Sitter(monkeypatch)
    monkeypatch.setattr("tests.test_enrol_command.does", lambda step, since_s: {})
    with pytest.raises(Unprocessable, match="not seen in time"):
        run(sitter)
    assert sitter.closed


def test_who_does_not_agree_is_not_looked_at(
    chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitter = Sitter(monkeypatch)
    with pytest.raises(NoConsent):
        run(sitter, answer="no")
    assert sitter.pictures == 0


def test_there_is_no_enrolment_from_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["--clip", "me.mp4"], ["--device", "me.mp4"]):
        with pytest.raises(SystemExit) as ended:
            main(["avatar", "enrol", *option])
        assert ended.value.code == 2
    capsys.readouterr()

from __future__ import annotations

import argparse
import json
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import lipsync
from benchmarks.lipsync import Judged
from benchmarks.peers import headaudio
from benchmarks.utterances import CONDITIONS, given, made
from engines.log_mel import HOP
from engines.nets.speech.corpus import labels
from engines.nets.speech.measure import Shown, score
from engines.visemes import JAW_OF_PHONE, VISEME_OF, VISEMES
from live.errors import Unprocessable

CLEAN, NOISY, QUIET = CONDITIONS


@pytest.fixture(scope="module")
def spoken() -> list[Any]:
    return made("hibari", count=3)


def test_what_is_made_has_the_phones_that_are_heard(spoken: list[Any]) -> None:
    for one in spoken:
        said = labels(one.phones, len(one.samples) // HOP)
        power = one.samples[: len(said) * HOP].reshape(-1, HOP).std(axis=1)
        assert power[said > 0].mean() > 20 * power[said == 0].mean()


def test_conditions_do_what_they_say(spoken: list[Any]) -> None:
    samples = spoken[0].samples
    assert (CLEAN.of(samples, 0) == samples).all()
    np.testing.assert_allclose(QUIET.of(samples, 0), samples / 10, atol=1e-6)
    noise = NOISY.of(samples, 0) - samples
    speech = samples[np.abs(samples) > 1e-3]
    assert 20 * np.log10(speech.std() / noise.std()) == pytest.approx(15, abs=0.5)
    assert (NOISY.of(samples, 0) != NOISY.of(samples, 1)).any()


def test_loudness_follows_the_jaw_and_knows_no_lips(spoken: list[Any]) -> None:
    phones = [labels(one.phones, len(one.samples) // HOP) for one in spoken]
    figures = score(lipsync.by_loudness([one.samples for one in spoken], phones).items)
    assert figures.jaw_r > 0.5
    assert figures.closure_f1 == 0


def judged(spoken: list[Any], *, late: int = 0, wrong: float = 0.0) -> Judged:
    """Of a system that knows what is said, tells it late, and is now and then wrong."""
    rng = np.random.default_rng(0)
    items = []
    for one in spoken:
        said = labels(one.phones, len(one.samples) // HOP)
        shown = np.where(rng.random(len(said)) < wrong, 3, np.roll(VISEME_OF[said], late))
        items.append(Shown(shown, np.roll(JAW_OF_PHONE[said], late), said))
    return Judged(score(items), 0.1)


def test_goals_that_are_missed_are_named_and_those_reached_are_not(spoken: list[Any]) -> None:
    right, wrong = judged(spoken, late=3), judged(spoken, wrong=0.5)
    assert right.score.acc15 > 0.99
    assert right.score.latency_ms == 30
    assert right.score.closure_f1 == 1
    unheard = {"someone": {"clean": {"visavis": right}, "noise 15 dB": {"visavis": wrong}}}
    assert lipsync.missed(unheard) == ["someone, noise 15 dB: acc15"]
    heard = {"voice (heard in training)": {"clean": {"visavis": wrong}}}
    assert lipsync.missed(heard) == []
    text = lipsync.table(unheard)
    assert "missed: someone, noise 15 dB: acc15" in text
    assert "30" in text.splitlines()[3]


def test_without_recordings_of_strangers_it_says_so(tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx")
    (tmp_path / "list.tsv").write_text("1-1-1\thello\n")
    with pytest.raises(Unprocessable, match="training left out"):
        given(tmp_path, everybody=False)


def test_headaudio_is_read_as_it_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[Sequence[str]] = []

    def fake(command: Sequence[str], **given: Any) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        if command[0] == "npm":
            return subprocess.CompletedProcess(command, 0, b"", b"")
        assert struct.unpack_from("<I", given["input"]) == (4800,)
        said = f"{json.dumps([[0.02, 5], [0.05, 14]])}\n" + '{"cpu_s": 0.5}\n'
        return subprocess.CompletedProcess(command, 0, said.encode(), b"")

    monkeypatch.setattr("shutil.which", lambda name: name)
    monkeypatch.setattr("subprocess.run", fake)
    heard = headaudio.listen([np.zeros(4800, np.float32)])
    names = [VISEMES[number] for number in heard.visemes[0]]
    assert names == ["sil", "sil", "PP", "PP", "PP", "sil", "sil", "sil", "sil", "sil"]
    assert heard.cpu_s == 0.5
    assert headaudio.PACKAGE in commands[0]
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(Unprocessable, match="Node"):
        headaudio.listen([])


def test_the_benchmark_runs_and_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    lipsync.add_arguments(parser)
    file = tmp_path / "lipsync.json"
    lipsync.run(parser.parse_args(["--quick", "--json", str(file)]))
    sets = json.loads(file.read_text())["figures"]["sets"]
    mine = sets["hibari (heard in training)"]["clean"]
    assert mine["visavis"]["acc15"] > mine["loudness"]["acc15"] + 0.2
    assert mine["visavis"]["closure_f1"] > 0.4
    assert mine["its curves"]["jaw_r"] > 0.7
    assert mine["visavis"]["seconds"] > 2 * 2
    assert "visavis, clean" in capsys.readouterr().out

"""`visavis verify` gives right answers for the clips that matter, and tells people and programs."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest

from live import keys
from live.__main__ import main
from live.consent.record import Basis
from live.provenance.credentials import Credentials
from live.provenance.facts import AvatarFacts, Facts, LabelFacts, MarkFacts
from live.settings import Settings
from tests import bad_files
from tests.test_verification import PAYLOAD, SESSION, encoded, marked, pictures


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`rendered`, the same `encoded_again` by a stranger and `changed`, and an `untouched` one."""
    folder = tmp_path_factory.mktemp("clips")
    settings = Settings()
    operator = keys.load(settings.keys)
    rendered = folder / "rendered.mp4"
    rendered.write_bytes(encoded(marked(operator.mark, side=512)))
    facts = Facts(
        kind="render",
        avatars=(
            AvatarFacts(
                portrait="1a" * 32, consent="built-in-x", record=None, basis=Basis.SYNTHETIC
            ),
        ),
        mark=MarkFacts(key=operator.mark_id, payload=PAYLOAD.hex()),
        label=LabelFacts(text="AI avatar", language="en"),
        driven_by="camera",
        started_at=datetime.now(UTC),
        duration_ms=2000,
    )
    Credentials.load(settings.provenance, settings.keys).sign(rendered, facts)
    _encode_again(rendered, folder / "encoded_again.mp4")
    data = bytearray(rendered.read_bytes())
    data[data.index(b"mdat") + 2000] ^= 1
    (folder / "changed.mp4").write_bytes(data)
    (folder / "untouched.mp4").write_bytes(encoded(pictures(512)))
    return folder


def _encode_again(source: Path, target: Path) -> None:
    """libx264 at 300 kbit/s, as ffmpeg does it."""
    with av.open(str(source)) as clip, av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", 30, options={"preset": "fast"})
        stream.width, stream.height = clip.streams.video[0].width, clip.streams.video[0].height
        stream.pix_fmt, stream.bit_rate = "yuv420p", 300_000
        for frame in clip.decode(video=0):
            pixels = frame.to_ndarray(format="yuv420p")
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="yuv420p")))
        out.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("clip", "code", "verdict", "credentials", "sessions"),
    [
        ("rendered", 0, "made_here", "valid", [SESSION]),
        ("encoded_again", 0, "made_here", "absent", [SESSION]),
        ("changed", 0, "made_here", "broken", [SESSION]),
        ("untouched", 1, "nothing_found", "absent", []),
    ],
)
def test_right_answers(
    clip: str,
    code: int,
    verdict: str,
    credentials: str,
    sessions: list[str],
    clips: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["verify", str(clips / f"{clip}.mp4"), "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == verdict
    assert told["credentials"]["state"] == credentials
    assert told["credentials"]["ours"] == (credentials == "valid")
    assert [mark["session"] for mark in told["marks"]] == sessions
    if credentials == "valid":
        assert told["credentials"]["session"] == SESSION
        assert told["credentials"]["test_certificate"]
        assert "compositeWithTrainedAlgorithmicMedia" in told["credentials"]["source_types"]
    if credentials == "broken":
        assert told["credentials"]["problems"]


def test_words_for_people(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(clips / "rendered.mp4")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "This was made with this server’s keys: what it shows is synthetic."
    text = " ".join(" ".join(lines).split())
    assert "Content credentials: valid" in text
    assert f"They name session {SESSION}" in text
    assert "made in part by a trained model" in text
    assert "What cannot be told from this:" in lines
    assert all(len(line) <= 90 for line in lines)


def test_another_operators_clip_is_signed_elsewhere(
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VISAVIS_KEYS__FOLDER", str(tmp_path / "keys"))
    assert main(["verify", str(clips / "rendered.mp4"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "signed_elsewhere"
    assert not told["credentials"]["ours"]
    assert told["marks"] == []


def test_link_and_odd_names_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("film").write_bytes(bad_files.film())
    for name in ("-dash.mp4", "two\nlines.mp4"):
        Path(name).symlink_to("film")
    assert main(["verify", "--", "-dash.mp4"]) == 1
    assert main(["verify", "two\nlines.mp4"]) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing", "no such file"),
        ("folder", "a folder"),
        ("pipe", "a pipe"),
        ("socket", "cannot be opened"),
        ("/dev/zero", "a device"),
        ("file/x", "no such file"),
        ("text", "no picture or film"),
    ],
)
def test_what_is_no_film_is_told_at_once(
    name: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        Path("text").write_text("words")
        Path("file").write_bytes(bad_files.film())
        assert main(["verify", name, "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err
    assert told.err.startswith(f"visavis: {name}: ")


def test_names_do_nothing_to_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "\x1b[2J\udcff.mp4")]) == 2
    assert "\x1b" not in capsys.readouterr().err

"""`visavis render` leaves a film that is marked, signed and written down, or none."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import av
import numpy as np
import pytest

from engines.drivers.face import FaceDriver
from engines.mark import Detector
from engines.types import Driver, Portrait, Renderer, Rgb
from live import parts, settings, signed
from live.__main__ import main
from live.commands import render as command
from live.consent.record import Basis, Mode, Purpose
from live.offline import publishing
from live.provenance.credentials import Credentials
from live.provenance.facts import AvatarFacts
from live.provenance.reading import Standing, read
from live.registers import Registers, open_registers
from tests.certificates import issued, text
from tests.consents import granted
from tests.credentials import by_another_reader
from tests.test_offline import BarRenderer, BrightnessTracker, video
from tests.test_offline_spoken import Listener

PORTRAIT: Rgb = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)


class OneRenderer:
    """A renderer and drivers that need nothing, in place of `live.renderers.Renderers`."""

    name = "bar"

    def get(self, name: str) -> Renderer:
        return BarRenderer()

    def driver(self, name: str, renderer: str) -> Driver:
        return FaceDriver() if name == "face" else Listener()


@pytest.fixture
def registers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registers:
    """Those of an operator who has an avatar `bar`, for every use."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(parts, "renderers", lambda engines, models: OneRenderer())
    monkeypatch.setattr(parts, "tracker", lambda models: BrightnessTracker())
    made = open_registers(settings.load())
    _add(made, "bar")
    return made


def _add(
    registers: Registers,
    id: str,
    purposes: frozenset[Purpose] = frozenset(Purpose),
    modes: frozenset[Mode] = frozenset(Mode),
) -> None:
    grant = granted(PORTRAIT, purposes, modes, registers.consents)
    registers.avatars.add(Portrait(PORTRAIT, ()), grant.document, id=id)


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    file = tmp_path / "voice.wav"
    with wave.open(str(file), "wb") as stream:
        stream.setparams((1, 2, 16_000, 0, "NONE", ""))
        stream.writeframes(np.zeros(16_000, "<i2").tobytes())
    return file


def _render(*words: str, avatar: str = "bar", output: str = "out.mp4") -> int:
    return main(["render", "--avatar", avatar, "--size", "128", "-o", output, *words])


def _events(registers: Registers) -> list[dict[str, object]]:
    lines = registers.audit.file.read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == "rendered"]


def test_a_rendered_film_says_what_it_is(
    registers: Registers, voice: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert _render("--speech", str(voice)) == 0
    told = capsys.readouterr().out
    film = tmp_path / "out.mp4"
    own = Credentials.load(settings.load().provenance, settings.load().keys).certificate
    report = read(film, own=own.leaf)
    assert report.standing is Standing.VALID
    assert report.signer is not None
    assert report.signer.is_ours
    facts = report.facts
    assert facts is not None
    found = registers.avatars.opened("bar")
    assert facts.avatars == (AvatarFacts.of(found.permit),)
    document = found.contents.document
    payload = signed.payload(signed.opened(document, registers.keys.own, "visavis-consent"))
    assert facts.avatars[0].record == sha256(payload).hexdigest()
    assert facts.avatars[0].basis is Basis.SYNTHETIC
    assert (facts.kind, facts.driven_by) == ("render", "voice")
    assert facts.duration_ms == pytest.approx(2300, abs=40)
    assert facts.mark.key == registers.keys.mark_id
    assert f"render {facts.public_id}, key {registers.keys.mark_id}" in told
    assert "a test certificate, which proves nothing about who signed" in told
    assert by_another_reader(film, trust_pem=text(own.chain[-1]))["validation_state"] == "Trusted"
    [event] = _events(registers)
    assert event["film"] == sha256(film.read_bytes()).hexdigest()
    assert (event["render"], event["consent"]) == (facts.public_id, found.permit.record.id)
    assert event["test_certificate"] is True
    with av.open(str(film)) as container:
        pictures = [one.to_ndarray(format="rgb24") for one in container.decode(video=0)]
    mark = Detector([registers.keys.mark]).find(np.asarray(one, np.uint8) for one in pictures)
    assert mark is not None
    assert mark.payload.hex() == facts.mark.payload


@pytest.mark.parametrize(
    ("size", "pixels"), [("160", (160, 160)), ("160x160", (160, 160)), ("256x144", (256, 144))]
)
def test_films_have_the_size_that_is_asked_for(
    registers: Registers, voice: Path, tmp_path: Path, size: str, pixels: tuple[int, int]
) -> None:
    assert _render("--speech", str(voice), "--size", size) == 0
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == pixels
        first = next(container.decode(video=0))
        assert (first.width, first.height) == pixels


@pytest.mark.parametrize(
    ("size", "words"),
    [("1000x720", "720 or 1280 wide"), ("big", "512, or 1280x720"), ("x", "512, or"), ("-5", "")],
)
def test_sizes_that_are_refused(
    registers: Registers, voice: Path, size: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        _render("--speech", str(voice), "--size", size)
    assert words in capsys.readouterr().err


def test_an_operators_certificate_is_named(
    registers: Registers,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator = issued()
    files = operator.settings(tmp_path)
    monkeypatch.setenv("VISAVIS_PROVENANCE__CERTIFICATE", str(files.certificate))
    monkeypatch.setenv("VISAVIS_PROVENANCE__PRIVATE_KEY", str(files.private_key))
    camera = video(tmp_path / "camera.mp4", [0.3] * 5, sound="aac")
    assert _render("--camera-video", str(camera)) == 0
    assert "the certificate of 'Operator Ltd', issued by 'Authority'" in capsys.readouterr().out
    report = read(tmp_path / "out.mp4", anchors=text(operator.authority))
    assert report.signer is not None
    assert report.signer.is_trusted
    assert report.facts is not None
    assert report.facts.driven_by == "camera"


@pytest.mark.parametrize(
    ("purposes", "modes", "said"),
    [
        (frozenset({Purpose.CALL}), frozenset(Mode), "'render'"),
        (frozenset(Purpose), frozenset({Mode.FACE}), "driven by speech"),
    ],
)
def test_what_a_consent_does_not_cover_is_not_rendered(
    registers: Registers,
    voice: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    purposes: frozenset[Purpose],
    modes: frozenset[Mode],
    said: str,
) -> None:
    _add(registers, "other", purposes, modes)
    assert _render("--speech", str(voice), avatar="other") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()
    assert _events(registers) == []


def test_a_bad_certificate_is_told_before_any_work(
    registers: Registers,
    voice: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = issued(days=(-9, -1)).settings(tmp_path)
    monkeypatch.setenv("VISAVIS_PROVENANCE__CERTIFICATE", str(files.certificate))
    monkeypatch.setenv("VISAVIS_PROVENANCE__PRIVATE_KEY", str(files.private_key))
    assert _render("--speech", str(voice)) == 2
    told = capsys.readouterr().err
    assert "has expired" in told
    assert "frames" not in told
    assert not (tmp_path / "out.mp4").exists()


def _revoke(registers: Registers) -> None:
    registers.consents.revoke(registers.avatars.opened("bar").permit.record.id)


def _fill_up(registers: Registers) -> None:
    registers.audit.file.chmod(0o600)
    registers.audit.file.write_text("no log\n")


@pytest.mark.parametrize(
    ("happens", "said", "code"), [(_revoke, "was revoked", 2), (_fill_up, "audit", 1)]
)
def test_what_happens_meanwhile_keeps_a_film_from_appearing(
    registers: Registers,
    voice: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[Registers], None],
    said: str,
    code: int,
) -> None:
    """The consent is taken back, or the log is damaged, while the film is rendered."""
    (tmp_path / "out.mp4").write_bytes(b"an older one")

    def measured(film: Path) -> int:
        happens(registers)
        return publishing.duration_ms(film)

    monkeypatch.setattr(command, "duration_ms", measured)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert _render("--speech", str(voice)) == code
    assert said in capsys.readouterr().err
    assert (tmp_path / "out.mp4").read_bytes() == b"an older one"
    assert sorted(path.name for path in tmp_path.iterdir()) == before

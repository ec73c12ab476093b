"""`visavis doctor`: each look finds what is wrong, says what to do, and fetches nothing."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import av
import pytest

from engines import registry
from engines.backends.onnxruntime import OnnxRuntime
from engines.backends.tensorrt import driver
from engines.backends.tensorrt.driver import Device
from engines.backends.tensorrt.missing import Missing
from engines.types import Examined
from engines.weights import MODELS
from live import cgroup
from live.__main__ import main
from live.examination import Finding, examine, machine, media, models, networks, places
from live.sections import Avatars, Engines, Models, Server, Voice
from live.settings import Settings

GIB = 1 << 30


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings file, and folders of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


def one(findings: Iterable[Finding], what: str) -> Finding:
    """The finding of this name, which has a mend if it is a bad one."""
    (found,) = (finding for finding in findings if finding.what == what)
    assert found.ok or found.mend
    return found


# The machine.


def machine_with(tmp_path: Path, **files: str) -> Path:
    """A root folder with these files, by path with `__` for `/`."""
    usual = {
        "proc__cpuinfo": "processor : 0\nflags\t\t: fpu avx2 avx512f amx_int8\n",
        "proc__meminfo": f"MemTotal: {8 << 20} kB\nMemAvailable: {6 << 20} kB\n",
        "proc__self__cgroup": "0::/\n",
    }
    for name, text in {**usual, **files}.items():
        file = tmp_path.joinpath("machine", *name.split("__"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return tmp_path / "machine"


def test_an_ordinary_machine(tmp_path: Path) -> None:
    found = list(machine.examine(machine_with(tmp_path)))
    assert all(finding.ok for finding in found)
    assert one(found, "memory").found == "8.0 GiB, 6.0 available"
    if sys.platform == "linux" and os.uname().machine == "x86_64":
        assert one(found, "processor features").found == "avx2 avx512f amx_int8"


def test_a_machine_with_too_little_is_told_so(tmp_path: Path) -> None:
    root = machine_with(
        tmp_path,
        proc__cpuinfo="flags : fpu sse2\n",
        proc__meminfo=f"MemTotal: {8 << 20} kB\nMemAvailable: {500 << 10} kB\n",
    )
    (root / "sys/fs/cgroup").mkdir(parents=True)
    (root / "sys/fs/cgroup/cpu.max").write_text("50000 100000\n")
    found = list(machine.examine(root))
    assert "0.5" in one(found, "processors").found
    assert not one(found, "processors").ok
    assert not one(found, "memory").ok
    if os.uname().machine == "x86_64":
        assert not one(found, "processor features").ok


@pytest.mark.parametrize(
    ("groups", "limits", "processors", "memory"),
    [
        ("0::/", {}, None, None),
        ("0::/", {"cpu.max": "max 100000", "memory.max": "max"}, None, None),
        (
            "0::/",
            {"cpu.max": "150000 100000", "memory.max": str(GIB), "memory.current": "5"},
            1.5,
            cgroup.Memory(GIB, 5),
        ),
        # The parent's limit holds for the child.
        ("0::/a/b", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2.0, None),
        ("0::/a/b", {"a/memory.max": "9", "a/b/memory.max": "7"}, None, cgroup.Memory(7, 0)),
        # Version 1: a folder for each controller.
        (
            "4:memory:/x\n2:cpu,cpuacct:/x\n0::/",
            {
                "memory/x/memory.limit_in_bytes": "8",
                "memory/x/memory.usage_in_bytes": "3",
                "memory/memory.limit_in_bytes": "9223372036854771712",
                "cpu/x/cpu.cfs_quota_us": "50000",
                "cpu/x/cpu.cfs_period_us": "100000",
            },
            0.5,
            cgroup.Memory(8, 3),
        ),
        ("2:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None, None),
        ("rubbish\n::\n", {"cpu.max": "x y z", "memory.max": "-"}, None, None),
    ],
)
def test_limits_of_a_container(
    groups: str,
    limits: dict[str, str],
    processors: float | None,
    memory: cgroup.Memory | None,
    tmp_path: Path,
) -> None:
    root = machine_with(tmp_path, proc__self__cgroup=groups)
    for name, text in limits.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    assert cgroup.processors(root) == processors
    assert cgroup.memory(root) == memory


def test_a_container_without_memory_is_told_so(tmp_path: Path) -> None:
    root = machine_with(tmp_path)
    folder = root / "sys/fs/cgroup"
    folder.mkdir(parents=True)
    (folder / "memory.max").write_text(str(2 * GIB))
    (folder / "memory.current").write_text(str(2 * GIB - 1000))
    found = one(machine.examine(root), "memory")
    assert not found.ok
    assert "limited to 2.0, of which 2.0 are used" in found.found


def test_a_gpu_is_shown_and_none_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Device:
        raise Missing("there is no driver", "install one")

    root = machine_with(tmp_path)
    monkeypatch.setattr(driver, "probe", missing)
    assert one(machine.examine(root), "GPU") == Finding(
        "GPU", True, "not needed, and there is no driver", "install one"
    )
    monkeypatch.setattr(driver, "probe", lambda: Device("a card", (8, 9), 12 * GIB, "580.95"))
    assert one(machine.examine(root), "GPU") == Finding(
        "GPU", True, "a card, compute capability 8.9, 12.0 GiB, driver 580.95"
    )


# Backends.


def test_a_backend_is_missed_only_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    unusable = Examined(False, "", "", "not installed", "install it")
    broken = type("Broken", (), {"examine": lambda self: unusable})()
    real = registry.load

    def load(group: str, name: str) -> Any:
        return broken if name in ("openvino", "tensorrt") else real(group, name)

    monkeypatch.setattr(registry, "load", load)
    found = list(networks.examine(Engines()))
    assert one(found, "backend openvino") == Finding(
        "backend openvino", True, "not installed", "install it"
    )
    chosen = one(found, "portraits run on (auto)")
    assert chosen.ok
    assert chosen.found == (
        "onnxruntime; tensorrt passed over: not installed; openvino passed over: not installed"
    )
    found = list(networks.examine(Engines(backend="openvino")))
    assert not one(found, "backend openvino").ok
    assert not one(found, "portraits run on (openvino)").ok
    assert one(found, "backend onnxruntime").ok


def test_what_always_runs_is_always_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    unusable = Examined(False, "1", "", "no CPU", "install it")
    monkeypatch.setattr(OnnxRuntime, "examine", lambda self: unusable)
    monkeypatch.setattr("engines.backends.choice.ORDER", ("onnxruntime",))
    found = list(networks.examine(Engines()))
    assert one(found, "backend onnxruntime").found == "1; no CPU"
    assert not one(found, "backend onnxruntime").ok
    assert not one(found, "portraits run on (auto)").ok


def test_a_backend_nobody_knows() -> None:
    found = one(networks.examine(Engines(backend="tensrt")), "portraits run on (tensrt)")
    assert not found.ok
    assert "tensorrt" in found.mend


# Models.


def test_models_are_missing_damaged_or_here(tmp_path: Path) -> None:
    found = list(models.examine(tmp_path / "models"))
    assert "not there" in one(found, "face_landmarker").found
    assert one(found, "speech network").ok
    assert one(found, "portrait networks").ok
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / MODELS["face_landmarker"].file).write_bytes(b"half of it")
    found = list(models.examine(tmp_path / "models"))
    assert "damaged" in one(found, "face_landmarker").found
    assert "visavis models fetch face_landmarker" in one(found, "face_landmarker").mend


def test_a_network_of_ours_that_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_shipped", lambda: tmp_path)
    card = {"file": "speech.onnx", "sha256": "0" * 64}
    (tmp_path / "speech.json").write_text(json.dumps(card))
    assert "not to be read" in one(models.examine(tmp_path), "speech network").found
    (tmp_path / "speech.onnx").write_bytes(b"other")
    assert "is damaged" in one(models.examine(tmp_path), "speech network").found
    (tmp_path / "speech.json").write_text("{")
    assert not one(models.examine(tmp_path), "speech network").ok


def test_a_set_of_a_portrait_that_is_broken(tmp_path: Path) -> None:
    (tmp_path / "portrait").mkdir()
    assert not one(models.examine(tmp_path), "portrait networks").ok
    (tmp_path / "portrait/card.json").write_text("{}")
    assert not one(models.examine(tmp_path), "portrait networks").ok


# Pictures and sound.


def test_codecs_packages_renderers_and_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(media.examine("warp", Voice()))
    assert all(finding.ok for finding in found)
    assert one(found, "voice hibari").found.startswith("speaks en")
    found = list(media.examine("wrap", Voice(default="openai")))
    assert "warp" in one(found, "renderer").mend
    assert "voice.openai_url" in one(found, "voice openai").mend
    assert not one(found, "voice openai").ok
    assert not one(media.examine("warp", Voice(default="hibri")), "voice hibri").ok

    def no_codec(name: str, mode: str) -> None:
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(av, "Codec", no_codec)
    monkeypatch.setattr(media, "_PACKAGES", ("no-such-package",))
    found = list(media.examine("warp", Voice()))
    assert not one(found, "H.264").ok
    assert not one(found, "VP8").ok
    assert not one(found, "no-such-package").ok


# Places.


def test_places_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    below = tmp_path / "file/below"
    monkeypatch.setenv("XDG_CACHE_HOME", str(below))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        chosen = Settings(
            models=Models(folder=below),
            avatars=Avatars(folder=below),
            server=Server(port=taken.getsockname()[1]),
        )
        found = list(places.examine(chosen))
    assert "models.folder" in one(found, "folder of models").mend
    assert "XDG_CACHE_HOME" in one(found, "folder of engines").mend
    assert "avatars.folder" in one(found, "avatars").mend
    assert "in use" in one(found, "port").found
    assert not any(
        finding.ok for finding in found if finding.what not in ("HTTPS", "access", "camera")
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "everybody on this machine"),
        ({"server": {"host": "0.0.0.0"}}, "a token"),
        ({"access": {"required": True}}, "a token"),
    ],
)
def test_who_is_let_in(changed: dict[str, Any], words: str) -> None:
    chosen = Settings.model_validate({"server": {"port": 0}} | changed)
    assert words in one(places.examine(chosen), "access").found


def test_a_page_for_others_needs_a_certificate_that_can_be_read(tmp_path: Path) -> None:
    found = one(places.examine(Settings(server=Server(host="0.0.0.0", port=0))), "HTTPS")
    assert not found.ok
    rubbish = tmp_path / "cert.pem"
    rubbish.write_text("no certificate")
    for file, words in ((rubbish, "cert.pem: "), (tmp_path / "gone.pem", "No such file")):
        server = Server(host="0.0.0.0", port=0, tls_cert=file, tls_key=file)
        found = one(places.examine(Settings(server=server)), "HTTPS")
        assert not found.ok
        assert words in found.found
        assert "belong together" in found.mend


def test_a_camera_is_shown_and_none_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    assert one(places.examine(Settings(), tmp_path), "camera").found.startswith("none; ")
    (tmp_path / "dev/video0").touch()
    found = one(places.examine(Settings(), tmp_path), "camera")
    assert found.ok
    assert found.found.startswith("video0; ")


# All of it.


def test_every_finding_has_a_name_of_its_own_and_a_mend_where_it_is_bad() -> None:
    found = list(examine(Settings()))
    names = [finding.what for finding in found]
    assert len(set(names)) == len(names)
    assert all(finding.ok or finding.mend for finding in found)


def test_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 1  # the folder of models is empty
    document = json.loads(capsys.readouterr().out)
    kinds = {"what": str, "ok": bool, "found": str, "mend": str}
    assert {field.name for field in fields(Finding)} == set(kinds)
    for each in document:
        assert {name: type(value) for name, value in each.items()} == kinds
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "ok  Python" in shown
    assert "–   portrait networks" in shown
    assert "NO  face_landmarker" in shown


def test_a_gpu_is_examined_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def report(args: argparse.Namespace) -> int:
        asked.append(args.json)
        return 1

    monkeypatch.setattr("live.commands.gpu_report.run_gpu_report", report)
    assert main(["doctor", "--gpu", "--json"]) == 1
    assert asked == [True]


_WATCHED = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        seen.append(event)
seen = []
sys.addaudithook(watch)
from live.__main__ import main
main(["doctor", "--json"])
sys.exit(f"it asked the network: {seen}" if seen else 0)
"""


def test_nothing_is_fetched(tmp_path: Path) -> None:
    models_folder = tmp_path / "models"
    run = subprocess.run(
        [sys.executable, "-c", _WATCHED],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"VISAVIS_MODELS__FOLDER": str(models_folder)},
    )
    assert run.returncode == 0, run.stderr
    assert not models_folder.exists()

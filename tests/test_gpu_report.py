"""`visavis doctor --gpu`: the whole examination, on a fake card that computes by ONNX Runtime."""

from __future__ import annotations

import getpass
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines import random_inputs
from engines.backends import onnxruntime
from engines.backends.tensorrt import driver, examination, network
from engines.backends.tensorrt.driver import Device
from engines.backends.tensorrt.memory import Claim
from engines.errors import EngineError
from engines.types import Examined, ModelSpec, Network
from live.__main__ import main
from live.commands import gpu_report
from tests.portrait_files import write_set
from tests.tensorrt_fake import Machine, Shapes, computed, plan
from tests.tensorrt_fake_cuda import CUresult, FakeGpu

DEVICE = Device("Fake RTX", (8, 9), 8 << 30, "580.95.05")


class FakeBackend:
    """TensorRT's backend on a fake card."""

    name = "tensorrt"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.off_by = 0.0
        self.refused = ""

    def examine(self) -> Examined:
        return Examined(True, "tensorrt 11.4", DEVICE.name)

    def __call__(self, spec: ModelSpec, *, threads: int = 1) -> Network:
        if spec.name == self.refused:
            raise EngineError(f"cannot build {spec.path}")
        known = reference(spec)
        drawn = random_inputs.draw(known.inputs, np.random.default_rng(0))
        results = known(*drawn.values())
        self.machine.gpu.functions[spec.name] = lambda *inputs: [
            result + result.dtype.type(self.off_by) for result in known(*inputs)
        ]
        content = plan(
            shapes(dict(drawn)),
            shapes(dict(zip(known.outputs, results, strict=True))),
            function=spec.name,
        )
        return network.load(self.machine.runtime, content, spec)


class Mixing:
    """A portrait's network whose file holds nothing."""

    def __init__(self, spec: ModelSpec) -> None:
        self.inputs, self.outputs = spec.inputs, spec.outputs

    def __call__(self, *inputs: Any) -> list[Any]:
        return [
            computed(inputs, shape, "uint8" if name == "picture" else "float32", which)
            for which, (name, shape) in enumerate(self.outputs.items())
        ]

    def close(self) -> None:
        pass


def reference(spec: ModelSpec) -> Any:
    """The one network that is real is the speech network; the others mix their inputs."""
    return onnxruntime.load(spec) if spec.name == "speech" else Mixing(spec)


def shapes(arrays: dict[str, Any]) -> Shapes:
    return {name: (array.shape, array.dtype.name) for name, array in arrays.items()}


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeBackend:
    made = FakeBackend(Machine(FakeGpu(4 << 30)))
    monkeypatch.setattr(gpu_report, "backend_on", lambda folder: made)
    monkeypatch.setattr(examination, "_reference", reference)
    monkeypatch.setattr(gpu_report, "FRAMES", 20)
    # A processor plays the card: few frames are enough.
    monkeypatch.setattr(examination, "_SESSIONS_S", 0.1)
    monkeypatch.setattr(examination, "_MOST_SESSIONS", 2)
    monkeypatch.setattr(examination, "_WARM_UP", 2)
    monkeypatch.setattr(examination, "_TIMED", 4)
    monkeypatch.setattr(examination, "_LATE", 1.0)
    monkeypatch.setattr(driver, "probe", lambda: DEVICE)
    monkeypatch.setenv("VISAVIS_MODELS__FOLDER", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    return made


def report(capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, Any]:
    assert main(["doctor", "--gpu", "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def checks(found: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    (one,) = [each for each in found["networks"] if each["name"] == name]
    return {check["name"]: check for check in one["checks"]}


def test_without_a_gpu_it_says_at_once_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = Examined(False, "tensorrt_rtx 1.7", "", "there is no NVIDIA driver", "install it")
    monkeypatch.setattr("engines.backends.tensorrt.TensorrtBackend.examine", lambda self: missing)
    monkeypatch.chdir(tmp_path)
    found = report(capsys, 1)
    assert found["tensorrt"]["trouble"] == "there is no NVIDIA driver"
    assert not found["ok"]
    assert found["networks"] == []
    assert main(["doctor", "--gpu"]) == 1
    out = capsys.readouterr().out
    assert "NO  tensorrt_rtx 1.7: there is no NVIDIA driver\n    → install it" in out
    assert list(tmp_path.iterdir()) == []


def test_the_whole_examination(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_set(tmp_path / "models" / "portrait")
    found = report(capsys)
    assert found["ok"]
    assert found["device"]["capability"] == [8, 9]
    names = [each["name"] for each in found["networks"]]
    assert names[0] == "speech"
    assert {"appearance.fp32", "motion.fp32", "frame.fp32", "frame.fp16"} <= set(names)
    frame = checks(found, "frame.fp32")
    assert list(frame) == [
        *("built", "from the cache", "parity", "latency", "sessions", "memory", "full device"),
    ]
    assert frame["parity"]["figures"]["mean"] == 0
    assert frame["memory"]["figures"]["frames"] == 20
    assert frame["full device"]["figures"] == {
        "refused": True,
        "undisturbed": True,
        "taken_later": True,
    }
    assert list(checks(found, "speech")) == ["built", "from the cache", "parity", "latency"]
    gpu = backend.machine.gpu
    assert gpu.mistakes == []
    assert gpu.live == {"contexts": 1, "runtimes": 1}
    assert backend.machine.memory.claimed == 0


def test_it_is_printed_for_people_and_kept_for_us(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["doctor", "--gpu"]) == 0
    out, err = capsys.readouterr()
    assert "tensorrt 11.4 on Fake RTX" in out
    assert "ok  parity          output" in out
    assert "no portrait's networks are here" in out
    assert "speech: parity …" in err
    kept = json.loads((tmp_path / gpu_report.FILE).read_text("utf-8"))
    assert kept["networks"][0]["name"] == "speech"


def test_a_card_that_computes_wrongly_is_found_out(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    backend.off_by = 0.5
    parity = checks(report(capsys, 1), "speech")["parity"]
    assert not parity["ok"]
    assert parity["figures"]["mean"] == pytest.approx(0.5, abs=0.01)


def test_a_network_that_cannot_be_built_does_not_end_it(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    backend.refused = "speech"
    found = report(capsys, 1)
    built = checks(found, "speech")["built"]
    assert not built["ok"]
    assert "cannot build" in built["note"]


def test_a_device_lost_meanwhile_fails_what_comes_after(
    backend: FakeBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    backend.machine.gpu.fail("cuEventSynchronize", 20, CUresult.CUDA_ERROR_LAUNCH_FAILED)
    found = checks(report(capsys, 1), "speech")
    assert found["parity"]["ok"]
    assert "DeviceLost: the device went away" in found["latency"]["note"]


def test_nothing_in_it_is_personal(
    backend: FakeBackend,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    models = tmp_path / "models" / "mine"
    models.mkdir(parents=True)
    (models / "card.json").write_text("{}")  # its error names the folder
    backend.refused = "speech"  # and so does that
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    text = json.dumps(report(capsys, 1), ensure_ascii=False)
    assert "…/mine" in text
    for private in (str(tmp_path), str(tmp_path.parent), platform.node(), f"/{getpass.getuser()}/"):
        assert private not in text


def small(machine: Machine, compute: Any) -> network.TensorRtNetwork:
    machine.gpu.functions["small"] = compute
    shape = {"ratios": ((1, 3), "float32")}
    content = plan(shape, {"offsets": ((1, 3), "float32")}, function="small")
    return network.load(machine.runtime, content, ModelSpec("small", Path("small.onnx"), ""))


GIVEN = {"ratios": np.ones((1, 3), np.float32)}


def test_a_card_too_slow_for_one_session_holds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_SESSIONS_S", 0.1)

    def slow(ratios: Any) -> list[Any]:
        time.sleep(0.05)
        return [ratios]

    found = examination.sessions(small(Machine(), slow), (), GIVEN)
    assert not found.ok
    assert found.figures["held"] == 0
    assert found.figures["tried"]["1"]["p50_ms"] > 50


def test_sessions_end_where_the_device_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_SESSIONS_S", 0.1)
    monkeypatch.setattr(examination, "_LATE", 1.0)
    machine = Machine(FakeGpu(12_000), share=1.0, reserve=0)  # two lanes of 4 KB each fit
    found = examination.sessions(small(machine, lambda ratios: [ratios]), (), GIVEN)
    assert found.figures["held"] == 2
    assert "no room" in found.figures["tried"]["4"]


def test_memory_that_grows_is_found_out() -> None:
    machine = Machine()

    def leaking(ratios: Any) -> list[Any]:
        machine.gpu.taken_by_others += 1 << 20
        return [ratios]

    found = examination.flat(small(machine, leaking), (), GIVEN, frames=20)
    assert not found.ok
    assert found.figures["device_grown"] == 20 << 20


def test_a_device_that_takes_what_it_has_no_room_for_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine()
    one = small(machine, lambda ratios: [ratios])
    assert examination.refuses(one, (), GIVEN).ok
    monkeypatch.setattr(machine.memory, "claim", lambda size, what: Claim(machine.memory, 0))
    found = examination.refuses(one, (), GIVEN)
    assert not found.ok
    assert found.figures["refused"] is False

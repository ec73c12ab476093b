"""OpenVINO: full precision, nothing sent or written, refusals that name the operator."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engines.backends import openvino
from engines.drivers.speech_network import FILE
from engines.errors import BackendUnavailable, EngineError, UnsupportedNetwork
from engines.types import ModelSpec

if find_spec("openvino") is None:  # importing it here would have it tell that it was imported
    pytest.skip("needs openvino", allow_module_level=True)
pytest.importorskip("onnx")

from tests import small_networks


@pytest.fixture
def spec(tmp_path: Path) -> ModelSpec:
    return small_networks.sampler(tmp_path)


# Run in a process of its own: what is imported here was imported before.
_WATCHED = """
import os, sys
def watch(event, arguments):
    if event in ("os.fork", "os.posix_spawn", "subprocess.Popen") or event.startswith("socket."):
        seen.append(event)
seen = []
sys.addaudithook(watch)
import numpy
from pathlib import Path
from engines.backends.openvino import load
from engines.types import ModelSpec
network = load(ModelSpec("sampler", Path(sys.argv[1]), ""))
network(*(numpy.zeros(shape, numpy.float32) for shape in network.inputs.values()))
import openvino.tools.ovc
sys.exit(f"it did {seen}" if seen else 0)
"""


def test_it_sends_nothing_writes_nothing_and_says_nothing(spec: ModelSpec, tmp_path: Path) -> None:
    """Left alone, importing the package forks, asks for an address, and writes into the home."""
    home = tmp_path / "home"
    home.mkdir()
    telling = {"CI", "TF_BUILD", "JENKINS_URL"}  # in which it would be quiet by itself
    environment = {name: value for name, value in os.environ.items() if name not in telling}
    run = subprocess.run(
        [sys.executable, "-c", _WATCHED, str(spec.path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env=environment | {"HOME": str(home), "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert list(home.iterdir()) == []


def test_five_dimensions_are_refused_with_the_mend(tmp_path: Path) -> None:
    volume = small_networks.sampler(tmp_path, rank=5)
    with pytest.raises(UnsupportedNetwork, match=r"operator GridSample .*`atlas`"):
        openvino.load(volume)


def test_other_operators_that_it_lacks_are_named(tmp_path: Path) -> None:
    from onnx import TensorProto, helper  # noqa: PLC0415

    floats = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "ab"]
    for domain, operator in (("", "Det"), ("org.example", "Dance")):
        node = helper.make_node(operator, ["a"], ["b"], domain=domain)
        graph = helper.make_graph([node], "g", floats[:1], floats[1:])
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("org.example", 1)]
        path = tmp_path / f"{operator}.onnx"
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        path.write_bytes(model.SerializeToString())
        with pytest.raises(UnsupportedNetwork, match=f"operator {operator} .*engines.backend"):
            openvino.load(ModelSpec("n", path, ""))


def test_another_precision_than_asked_for_is_refused(
    spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    bf16 = SimpleNamespace(get_type_name=lambda: "bf16")
    compiled = SimpleNamespace(get_property=lambda name: bf16)
    core = SimpleNamespace(
        available_devices=["CPU"],
        get_property=lambda device, name: "a CPU",
        read_model=lambda content: SimpleNamespace(inputs=[], outputs=[]),
        compile_model=lambda model, device, settings: compiled,
    )
    monkeypatch.setattr(openvino, "_core", lambda: core)
    with pytest.raises(EngineError, match="in bf16 although f32"):
        openvino.load(spec)


@pytest.mark.parametrize(
    ("cores", "threads", "at_once"), [(2, 1, 2), (2, 2, 1), (1, 2, 1), (64, 4, 8), (3, 2, 1)]
)
def test_calls_at_once_share_the_cores(
    cores: int, threads: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    settings = openvino._settings(threads)
    assert settings["NUM_STREAMS"] == at_once
    assert settings["INFERENCE_NUM_THREADS"] == at_once * min(threads, cores)


def test_sizes_that_are_free_stay_free() -> None:
    """The speech network hears as many frames as there are."""
    network = openvino.load(ModelSpec("speech", FILE, ""))
    assert network.inputs["mel"] == (1, -1, 80)
    for frames in (3, 7):
        shapes = [
            [frames if size == -1 else size for size in shape] for shape in network.inputs.values()
        ]
        phones = network(*(np.zeros(shape, np.float32) for shape in shapes))[0]
        assert phones.shape == (1, frames, 40)


def _not_installed(name: str) -> str:
    raise PackageNotFoundError(name)


def _cannot_start() -> Any:
    raise ImportError("libopenvino.so")


@pytest.mark.parametrize(
    ("name", "value", "trouble", "mend"),
    [
        ("version", _not_installed, "not installed", "'visavis[openvino]'"),
        ("_core", _cannot_start, "cannot be started (ImportError)", "--force-reinstall"),
        ("_core", lambda: SimpleNamespace(available_devices=["NPU"]), "does not see", "reinstall"),
    ],
)
def test_where_it_cannot_work_it_says_why(
    name: str, value: Any, trouble: str, mend: str, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino, name, value)
    found = openvino.load.examine()
    assert not found.usable
    assert trouble in found.trouble
    assert mend in found.mend
    with pytest.raises(BackendUnavailable, match="openvino: "):
        openvino.load(spec)

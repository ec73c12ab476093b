"""The table of networks says what it measured: ratios, differences, and who could not take part."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import network_subjects, networks
from benchmarks.network_subjects import Subject
from engines.backends import choice
from engines.errors import UnsupportedNetwork
from engines.types import ModelSpec
from engines.weights import ModelStore

INPUT = np.ones((1, 3), np.float32)


def busy(ms: float, offset: float) -> Any:
    """A network that computes for so long; what it gives is off by `offset`."""

    def run(value: NDArray[Any]) -> list[NDArray[Any]]:
        end_ns = time.process_time_ns() + int(ms * 1e6)
        while time.process_time_ns() < end_ns:
            pass
        return [value + np.float32(offset)]

    return run


def test_ratios_are_to_torch_on_as_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModelSpec("small", Path("small.onnx"), "")

    def find(name: str) -> Any:
        def load(spec: ModelSpec, *, threads: int) -> Any:
            if name == "openvino":
                raise UnsupportedNetwork("openvino cannot convert the operator Dance")
            return busy(2.0, 0.25)

        return load

    def torch(threads: int) -> Any:
        return busy(4.0 / threads, 0.0)

    monkeypatch.setattr(choice, "find", find)
    subject = Subject("small", {"fp32": spec}, (INPUT,), torch)

    @contextmanager
    def made(*arguments: Any) -> Iterator[Iterator[Subject]]:
        yield iter([subject])

    monkeypatch.setattr(network_subjects, "made", made)
    table = networks.measure("compact", quick=True)["small"]
    ways = {(way["name"], way["threads"]): way for way in table["ways"]}
    assert set(ways) == {(name, n) for name in ("torch", "onnxruntime fp32") for n in (1, 2)}
    assert ways["torch", 1]["cpu_ratio"] == ways["torch", 2]["cpu_ratio"] == 1.0
    assert ways["onnxruntime fp32", 1]["cpu_ratio"] == pytest.approx(0.5, abs=0.15)
    assert ways["onnxruntime fp32", 2]["cpu_ratio"] == pytest.approx(1.0, abs=0.3)
    assert ways["torch", 1]["difference"] == 0
    assert ways["onnxruntime fp32", 1]["difference"] == 0.25
    assert table["passed_over"] == {"openvino fp32": "openvino cannot convert the operator Dance"}
    assert table["reference"] == "torch"


def test_each_backend_gets_its_own_kind_of_file() -> None:
    onnx = Subject("a", {"": ModelSpec("a", Path("a.onnx"), "")}, ())
    tflite = Subject("b", {"": ModelSpec("b", Path("b.task"), "", "b.tflite")}, ())
    assert [onnx.takes(name) for name in networks.BACKENDS] == [True, True, False]
    assert [tflite.takes(name) for name in networks.BACKENDS] == [False, False, True]


def test_without_torch_what_ships_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(networks, "_QUICK_ROUNDS", 2)
    monkeypatch.setattr(ModelStore, "has", lambda self, name: False)
    tables = networks.measure("compact", quick=True)
    assert set(tables) == {"speech"}
    table = tables["speech"]
    assert table["reference"] == "onnxruntime"
    assert all(way["difference"] < 1e-3 for way in table["ways"])
    networks.show(tables)
    assert "speech, against onnxruntime, 2 rounds" in capsys.readouterr().out


def test_torch_and_its_file_are_the_same_network(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from benchmarks import network_modules  # noqa: PLC0415  needs torch

    subject = network_modules.speech(tmp_path, network_subjects._heard(np.random.default_rng(0)))
    assert subject.torch is not None
    expected = subject.torch(1)(*subject.inputs)
    network = choice.find("onnxruntime")(subject.files[""])
    for found, own in zip(network(*subject.inputs), expected, strict=True):
        np.testing.assert_allclose(found, own, atol=1e-4)

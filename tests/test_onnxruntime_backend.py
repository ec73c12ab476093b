"""ONNX Runtime: what is loaded is what the specification says, or it is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from engines import registry
from engines.backends.onnxruntime import OnnxNetwork, load
from engines.backends.signature import ANY
from engines.drivers.speech_network import FILE, OnnxSpeechNetwork, speech_network
from engines.errors import BackendUnavailable, EngineError
from engines.face_mesh import BLENDSHAPES
from engines.log_mel import BANDS
from engines.phones import PHONES
from engines.types import ModelSpec

SPEC = ModelSpec("speech", FILE, "", inputs={"mel": (1, ANY, BANDS)})
# One input of its seven is named: the rest would be missing.
WHOLE = replace(SPEC, inputs={}, outputs={"curves": (1, ANY, ANY), "phones": (1, ANY, 40)})


def zeros(
    network: OnnxNetwork, frames: int
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return [
        np.zeros([frames if size == ANY else size for size in shape], np.float32)
        for shape in network.inputs.values()
    ]


@pytest.mark.parametrize("part", ["engines.backends.onnxruntime", "engines.voices.hibari_model"])
def test_no_process_is_told_of(part: str, tmp_path: Path) -> None:
    # Without what hushes it where tests run.
    quiet = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_RUNNING_UNIT_TESTS", "PYTEST_CURRENT_TEST")
    environment = {name: value for name, value in os.environ.items() if name not in quiet}
    environment |= {
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
        "ORT_DISABLE_TELEMETRY": "0",
    }
    subprocess.run([sys.executable, "-c", f"import {part}"], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_the_registry_knows_it() -> None:
    assert registry.load("backends", "onnxruntime") is load


@pytest.mark.parametrize("threads", [1, 2])
def test_outputs_come_in_the_order_asked_for_and_are_the_callers(threads: int) -> None:
    network = load(WHOLE, threads=threads)
    curves, phones = network(*zeros(network, 5))
    assert curves.shape == (1, 5, len(speech_network().curve_names))
    assert phones.shape == (1, 5, len(PHONES))
    kept = phones.copy()
    curves[:], phones[:] = 7, 7
    again = network(*zeros(network, 5))[1]
    assert (again == kept).all()


def test_a_file_of_another_shape_is_refused() -> None:
    for inputs in ({"mel": (1, ANY, 81)}, {"mel": (1, 80)}, {"sound": (1, ANY, 80)}):
        with pytest.raises(EngineError, match=r"has .*not "):
            load(replace(SPEC, inputs=inputs))


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "speech.onnx"
    with pytest.raises(EngineError, match="cannot be loaded"):
        load(replace(SPEC, path=path))
    for content in (b"", b"no model", FILE.read_bytes()[:100_000]):
        path.write_bytes(content)
        with pytest.raises(EngineError, match="cannot be loaded"):
            load(replace(SPEC, path=path))


def test_closed_means_closed() -> None:
    network = load(WHOLE)
    network.close()
    network.close()
    with pytest.raises(EngineError, match="was closed"):
        network(*zeros(network, 1))


def test_loading_and_running_writes_nothing() -> None:
    """No warnings about devices, threads or versions on anybody's terminal."""
    code = (
        "from engines.drivers.speech_network import speech_network as load; import numpy as np;"
        "n = load(); n.hear(np.zeros((3, 80), np.float32), n.start())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert run.stdout == b""
    assert run.stderr == b""


def test_the_speech_network_that_ships() -> None:
    network = speech_network()
    assert speech_network() is network
    assert 0 <= network.look_ahead_frames <= 3
    assert {*network.curve_names} <= {*BLENDSHAPES}
    mel = np.random.default_rng(0).normal(-1, 1, (20, BANDS)).astype(np.float32)
    whole = network.hear(mel, network.start())
    states, parts = network.start(), []
    for first, last in ((0, 1), (1, 4), (4, 20)):
        heard = network.hear(mel[first:last], states)
        states = heard.states
        parts.append(heard)
    assert np.concatenate([part.phones for part in parts]) == pytest.approx(whole.phones, abs=1e-4)
    assert np.concatenate([part.curves for part in parts]) == pytest.approx(whole.curves, abs=1e-4)
    assert np.exp(whole.phones).sum(axis=1) == pytest.approx(1.0, abs=1e-3)
    assert 0.0 <= whole.curves.min() <= whole.curves.max() <= 1.0


def test_a_file_that_is_no_speech_network_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = load(replace(SPEC, inputs={}))
    own = dict(shipped.metadata)
    for metadata, message in (
        ({}, "does not say"),
        (own | {"look_ahead_frames": "9"}, "looks 9 frames ahead"),
        (own | {"phones": '["SIL"]'}, "trained for other phones"),
        (own | {"curves": "jawOpen"}, "does not say"),
        (own | {"curves": '["jaw"]'}, "trained for other phones or curves"),
    ):
        monkeypatch.setattr(shipped, "metadata", metadata)
        monkeypatch.setattr("engines.drivers.speech_network.load", lambda spec: shipped)
        with pytest.raises(EngineError, match=message):
            OnnxSpeechNetwork(tmp_path / "speech.onnx")
    monkeypatch.setattr(shipped, "outputs", {"phones": (1, ANY, 40)})
    with pytest.raises(EngineError, match="no speech network"):
        OnnxSpeechNetwork(tmp_path / "speech.onnx")


def test_another_provider_than_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes another one without a word where it cannot have the one it was asked for."""
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(
        session, "get_providers", lambda self: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    with pytest.raises(BackendUnavailable, match=r"on CUDAExecutionProvider, .*, not on CPU"):
        load(WHOLE)


def test_a_build_without_the_cpu_is_not_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["AzureExecutionProvider"])
    found = load.examine()
    assert not found.usable
    assert "CPUExecutionProvider" in found.trouble
    assert found.mend


def test_a_failure_within_is_told_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    network = load(WHOLE)

    def fail(*arguments: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", fail)
    with pytest.raises(EngineError, match=r"'speech' failed while it ran \(RuntimeError\)"):
        network(*zeros(network, 1))
    monkeypatch.undo()
    assert len(network(*zeros(network, 1))) == 2

"""The mesh network as machine code: the same landmarks as LiteRT's, and its refusals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.backends.litert import load as load_litert
from engines.backends.llvm import machine_code
from engines.backends.llvm import network as llvm
from engines.backends.llvm.compiled import CompiledNetwork
from engines.backends.llvm.graph import Graph
from engines.backends.llvm.host import Host, host
from engines.backends.llvm.plan import planned
from engines.backends.llvm.program import ENTRY, assembly
from engines.backends.llvm.source import content
from engines.errors import EngineError, UnsupportedNetwork
from engines.face_geometry import eye_distance
from engines.trackers import networks
from engines.trackers.networks import OfBytes, mesh_network
from engines.trackers.regions import Region
from engines.types import ModelSpec, Network, Picture
from engines.weights import MODELS, ModelStore
from live.examination.models import examine
from tests.fences import fenced
from tests.scenes import scene

FACE = Region(190, 180, 300, 0.1)


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return ModelSpec(
        "face_landmarks_detector",
        ModelStore().path("face_landmarker"),
        MODELS["face_landmarker"].sha256,
        "face_landmarks_detector.tflite",
        {"input_12": (1, 256, 256, 3)},
        {"Identity": (1, 1, 1, 1434), "Identity_1": (1, 1, 1, 1)},
    )


@pytest.fixture(scope="module")
def reference(spec: ModelSpec) -> Iterator[Network]:
    network = OfBytes(load_litert(spec))
    yield network
    network.close()


@pytest.fixture(scope="module")
def crops() -> list[NDArray[np.uint8]]:
    """A face, the same one elsewhere, and none."""
    picture = Picture(scene(("leo", 40, 30, 300), ("kofi", 400, 100, 180)))
    noise = np.random.default_rng(1).integers(0, 256, (1, 256, 256, 3), np.uint8)
    edge = FACE._replace(x=20.0, angle=-0.4)
    return [FACE.crop(picture, 256), edge.crop(picture, 256), noise, np.full_like(noise, 255)]


def apart(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """The largest distance of two landmarks, in eye distances."""
    a, b = (points.reshape(478, 3).astype(np.float64) for points in (ours, theirs))
    return float(np.linalg.norm(a - b, axis=1).max() / eye_distance(b))


def test_it_is_litert_to_a_thousandth_of_the_eye_distance(
    spec: ModelSpec, reference: Network, crops: list[NDArray[np.uint8]]
) -> None:
    network = llvm.load(spec)
    for crop in [*crops, *crops]:  # nothing is left over from the run before
        (points, present), (expected, expected_present) = network(crop), reference(crop)
        assert apart(points, expected) < 1e-3
        assert points.shape == expected.shape
        assert present == pytest.approx(expected_present, abs=0.02)
    network.close()


@pytest.mark.parametrize("other", [Host(8, 16, True), Host(4, 32, False)])
def test_code_for_other_processors_gives_the_same(
    other: Host, spec: ModelSpec, reference: Network, crops: list[NDArray[np.uint8]]
) -> None:
    """LLVM lays narrower vectors into whatever registers are here."""
    network = CompiledNetwork(spec, llvm.Program(content(spec), other))
    points, _ = network(crops[0])
    expected, _ = reference(crops[0])
    assert apart(points, expected) < 1e-3


def test_processors_are_known_by_what_they_have() -> None:
    wide = {"avx512f": True, "avx2": True, "fma": True}
    assert host("x86_64", wide) == Host(16, 32, halves=True)
    assert host("x86_64", {"avx2": True, "fma": True, "f16c": True}) == Host(8, 16, halves=True)
    assert host("x86_64", {"avx2": True, "fma": True}) == Host(8, 16, halves=False)
    assert host("aarch64", {}) == Host(4, 32, halves=True)
    for machine, features in (("x86_64", {"avx2": True}), ("riscv64", {})):
        with pytest.raises(UnsupportedNetwork, match="AVX2"):
            host(machine, features)


def test_it_touches_no_memory_but_its_own(
    spec: ModelSpec, reference: Network, crops: list[NDArray[np.uint8]]
) -> None:
    """Each block ends at a page that cannot be touched, then begins at one."""
    program = llvm._program(spec.path, spec.member, spec.sha256)
    plan = program.plan
    expected, _ = reference(crops[0])
    blocks = (crops[0].nbytes, plan.floats_out * 4, len(plan.weights), plan.scratch)
    for at_end in (True, False):
        with ExitStack() as fences:
            picture, found, weights, scratch = (
                fences.enter_context(fenced(size, at_end)) for size in blocks
            )
            picture[:] = crops[0].reshape(-1)
            weights[:] = program.weights
            for _ in range(2):
                program.code.run(*(a.ctypes.data for a in (picture, found, weights, scratch)))
            points = found.view(np.float32)[:1434].copy()
        assert apart(points, expected) < 1e-3


def test_sessions_share_code_and_weights_and_nothing_else(
    spec: ModelSpec, crops: list[NDArray[np.uint8]]
) -> None:
    networks = [llvm.load(spec) for _ in range(3)]
    alone = [network(crop)[0] for network, crop in zip(networks, crops, strict=False)]

    def run(number: int) -> bool:
        found = [networks[number](crops[number])[0] for _ in range(8)]
        return all(np.array_equal(points, alone[number]) for points in found)

    with ThreadPoolExecutor(3) as threads:
        assert all(threads.map(run, range(3)))
    networks[0].close()
    networks[0].close()
    np.testing.assert_array_equal(networks[1](crops[1])[0], alone[1])
    with pytest.raises(EngineError, match="closed"):
        networks[0](crops[0])


def test_what_it_gives_is_the_callers(spec: ModelSpec, crops: list[NDArray[np.uint8]]) -> None:
    network = llvm.load(spec)
    first, _ = network(crops[0])
    kept = first.copy()
    network(crops[1])
    np.testing.assert_array_equal(first, kept)


def test_wrong_arrays_and_ports_are_refused(spec: ModelSpec) -> None:
    network = llvm.load(spec)
    for wrong in (np.zeros((1, 256, 256, 3), np.float32), np.zeros((1, 255, 256, 3), np.uint8)):
        with pytest.raises(EngineError, match="face_landmarks_detector"):
            network(wrong)
    with pytest.raises(EngineError, match="face_landmarks_detector"):
        llvm.load(replace(spec, outputs={"Identity": (1, 1, 1, 1435)}))


def test_networks_of_another_kind_are_refused(spec: ModelSpec) -> None:
    for member in ("face_detector.tflite", "face_blendshapes.tflite"):
        graph = Graph(content(replace(spec, member=member)))
        with pytest.raises(UnsupportedNetwork, match="litert"):
            planned(graph, machine_code.here())


@pytest.mark.parametrize("file", [b"", b"no model", bytes(4096)])
def test_files_that_are_no_model_are_refused(file: bytes) -> None:
    with pytest.raises(EngineError, match="fetch it anew"):
        planned(Graph(file), machine_code.here())


def test_a_file_of_another_hash_is_refused(spec: ModelSpec) -> None:
    with pytest.raises(EngineError, match="damaged"):
        content(replace(spec, sha256="0" * 64))
    with pytest.raises(EngineError, match="cannot be read"):
        content(replace(spec, member="nothing.tflite"))


def test_code_that_is_none_is_refused() -> None:
    with pytest.raises(EngineError, match="LLVM"):
        machine_code.Code("define void @run( {", ENTRY)


def test_the_assembly_is_the_same_each_time(spec: ModelSpec) -> None:
    graph = Graph(content(spec))
    texts = {assembly(planned(graph, Host(8, 16, True))) for _ in range(2)}
    assert len(texts) == 1


def test_without_llvmlite_the_network_runs_on_litert(
    spec: ModelSpec,
    reference: Network,
    crops: list[NDArray[np.uint8]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert isinstance(mesh_network(spec), CompiledNetwork)
    assert networks.examine(ModelStore()).usable
    assert "machine code" in landmarks_run_on()
    llvm._program.cache_clear()
    monkeypatch.setattr(machine_code, "version", absent)
    instead = mesh_network(spec)
    assert isinstance(instead, OfBytes)
    np.testing.assert_array_equal(instead(crops[0])[0], reference(crops[0])[0])
    found = networks.examine(ModelStore())
    assert (found.usable, found.trouble) == (False, "llvmlite is not installed")
    assert "llvmlite is not installed" in landmarks_run_on()


def absent(name: str) -> str:
    raise PackageNotFoundError(name)


def landmarks_run_on() -> str:
    """What `visavis doctor` says of it."""
    findings = examine(ModelStore().folder)
    (found,) = (finding for finding in findings if finding.what == "landmarks run on")
    assert found.ok
    return found.found


def test_code_that_finds_other_landmarks_is_not_used(
    spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = CompiledNetwork.__call__

    def wrong(network: CompiledNetwork, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        points, presence = right(network, *inputs)
        return [points + 0.1, presence]

    monkeypatch.setattr(networks, "_agreeing", set())
    monkeypatch.setattr(CompiledNetwork, "__call__", wrong)
    assert isinstance(mesh_network(spec), OfBytes)
    assert "0.1 from" in networks.examine(ModelStore()).trouble


def test_a_simple_processor_runs_litert(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Host:
        raise UnsupportedNetwork("this processor has neither AVX2 nor NEON")

    llvm._program.cache_clear()
    monkeypatch.setattr(machine_code, "here", refuse)
    assert isinstance(mesh_network(spec), OfBytes)
    assert "AVX2" in networks.examine(ModelStore()).trouble

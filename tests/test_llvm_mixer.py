"""The blendshapes' network as machine code: the same numbers as LiteRT's, and its refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.backends.litert import load as load_litert
from engines.backends.llvm import machine_code, mixer_network
from engines.backends.llvm.compiled import CompiledNetwork
from engines.backends.llvm.graph import Graph
from engines.backends.llvm.host import Host
from engines.backends.llvm.mixer import planned
from engines.backends.llvm.source import content
from engines.errors import EngineError, UnsupportedNetwork
from engines.face_mesh import CANONICAL
from engines.trackers.networks import blendshapes_network
from engines.types import Floats, ModelSpec, Network
from engines.weights import MODELS, ModelStore
from tests.fences import fenced


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return ModelSpec(
        "face_blendshapes",
        ModelStore().path("face_landmarker"),
        MODELS["face_landmarker"].sha256,
        "face_blendshapes.tflite",
        {"serving_default_input_points:0": (1, 146, 2)},
        {"StatefulPartitionedCall:0": (52,)},
    )


@pytest.fixture(scope="module")
def reference(spec: ModelSpec) -> Iterator[Network]:
    network = load_litert(spec)
    yield network
    network.close()


def points(seed: int, size: float = 40.0) -> Floats:
    """Landmarks of something like a face, in pixels."""
    rng = np.random.default_rng(seed)
    shape = CANONICAL[rng.permutation(468)[:146], :2] + rng.normal(0, 0.3, (146, 2))
    return np.asarray((shape * size + 300)[None], np.float32)


def test_it_is_litert_to_the_fifth_digit(spec: ModelSpec, reference: Network) -> None:
    network = mixer_network.load(spec)
    for seed in (0, 1, 2, 0):  # nothing is left over from the run before
        for size in (3.0, 40.0):
            given = points(seed, size)
            (found,), (expected,) = network(given), reference(given)
            assert found.shape == expected.shape
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, expected, atol=5e-5)
    network.close()
    network.close()
    with pytest.raises(EngineError, match="closed"):
        network(points(0))


@pytest.mark.parametrize("other", [Host(8, 16, True), Host(4, 32, True)])
def test_code_for_other_processors_gives_the_same(
    other: Host, spec: ModelSpec, reference: Network
) -> None:
    program = mixer_network.MixerProgram(content(spec), other)
    (found,) = CompiledNetwork(spec, program)(points(1))
    np.testing.assert_allclose(found, reference(points(1))[0], atol=5e-5)


def test_it_touches_no_memory_but_its_own(spec: ModelSpec, reference: Network) -> None:
    """Each block ends at a page that cannot be touched, then begins at one."""
    program = mixer_network._program(spec.path, spec.member, spec.sha256)
    plan, prepared = program.plan, program.scratch()
    given = mixer_network._embedded(plan, points(2)[0])
    blocks = (given.nbytes, plan.answers_room * 4, len(plan.weights), plan.scratch)
    (expected,) = reference(points(2))
    for at_end in (True, False):
        with ExitStack() as fences:
            tokens, found, weights, scratch = (
                fences.enter_context(fenced(size, at_end)) for size in blocks
            )
            tokens[:] = given.view(np.uint8).reshape(-1)
            weights[:], scratch[:] = program.weights, prepared
            program.code.run(*(a.ctypes.data for a in (tokens, found, weights, scratch)))
            answers = found.view(np.float32)[: plan.answers].copy()
        np.testing.assert_allclose(1 / (1 + np.exp(-answers)), expected, atol=5e-5)


def test_sessions_do_not_mix(spec: ModelSpec) -> None:
    one, other = mixer_network.load(spec), mixer_network.load(spec)
    (alone,) = one(points(0))
    kept = alone.copy()
    other(points(1))
    one(points(1))
    np.testing.assert_array_equal(alone, kept)
    np.testing.assert_array_equal(one(points(0))[0], kept)


@pytest.mark.parametrize("member", ["face_detector.tflite", "face_landmarks_detector.tflite"])
def test_networks_of_another_kind_are_refused(spec: ModelSpec, member: str) -> None:
    graph = Graph(content(replace(spec, member=member)))
    with pytest.raises(UnsupportedNetwork, match="mixer"):
        planned(graph, machine_code.here())


def test_it_is_what_a_tracker_uses(spec: ModelSpec) -> None:
    assert isinstance(blendshapes_network(spec), CompiledNetwork)


@pytest.mark.parametrize(
    "wrong", [np.zeros((1, 146, 3), np.float32), np.zeros((1, 146, 2), np.float64)]
)
def test_other_arrays_are_refused(spec: ModelSpec, wrong: NDArray[np.floating]) -> None:
    with pytest.raises(EngineError, match="face_blendshapes"):
        mixer_network.load(spec)(wrong)

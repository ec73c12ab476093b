"""LiteRT: what is loaded is what the specification says, or it is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engines import registry
from engines.backends.litert import load
from engines.errors import EngineError
from engines.types import ModelSpec
from engines.weights import MODELS, ModelStore


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return ModelSpec(
        "blendshapes",
        ModelStore().path("face_landmarker"),
        MODELS["face_landmarker"].sha256,
        "face_blendshapes.tflite",
        {"serving_default_input_points:0": (1, 146, 2)},
        {"StatefulPartitionedCall:0": (52,)},
    )


def test_the_registry_knows_it() -> None:
    assert registry.load("backends", "litert") is load


@pytest.mark.parametrize("threads", [1, 2])
def test_a_network_gives_new_arrays_each_time(spec: ModelSpec, threads: int) -> None:
    network = load(spec, threads=threads)
    points = np.random.default_rng(0).uniform(0, 200, (1, 146, 2)).astype(np.float32)
    (first,) = network(points)
    kept = first.copy()
    (second,) = network(points[:, ::-1].copy())
    assert first.shape == (52,)
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, kept)
    network.close()
    network.close()
    with pytest.raises(EngineError, match="closed"):
        network(points)


def test_names_and_shapes_are_checked(spec: ModelSpec) -> None:
    for wrong in (
        replace(spec, inputs={"points": (1, 146, 2)}),
        replace(spec, outputs={"StatefulPartitionedCall:0": (51,)}),
    ):
        with pytest.raises(EngineError, match="blendshapes"):
            load(wrong)
    (found,) = load(replace(spec, inputs={}, outputs={}))(np.zeros((1, 146, 2), np.float32))
    assert found.shape == (52,)


def test_what_is_not_a_model_is_refused(spec: ModelSpec, tmp_path: Path) -> None:
    rubbish = tmp_path / "net.tflite"
    rubbish.write_bytes(b"rubbish" * 100)
    for wrong in (
        replace(spec, path=rubbish),
        replace(spec, path=rubbish, member=""),
        replace(spec, path=tmp_path / "absent.tflite"),
        replace(spec, member="absent.tflite"),
    ):
        with pytest.raises(EngineError, match="cannot be loaded"):
            load(wrong)

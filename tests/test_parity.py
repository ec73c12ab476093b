"""Errors mean something beside how much outputs answer to inputs; the table says who misses."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines import parity, parity_table, random_inputs, shipped_models
from engines.backends import choice
from engines.errors import UnsupportedNetwork
from engines.parity import TOLERANCES, Deviation, Trial
from engines.parity_table import Subject, Verdict
from engines.portrait_models import SIGNATURES
from engines.types import Examined, ModelSpec
from live.__main__ import main

FP32 = TOLERANCES["fp32"]
SPEC = ModelSpec("net", Path("net.onnx"), "")


def truth(x: NDArray[Any]) -> Sequence[NDArray[Any]]:
    return [2 * x, x.sum(axis=1)]


def some_trials(count: int = 4) -> list[Trial]:
    generator = np.random.default_rng(0)
    return parity.trials(
        truth, [[generator.normal(size=(3, 5)).astype(np.float32)] for _ in range(count)]
    )


def found(run: Any, trials: Sequence[Trial] | None = None) -> Deviation:
    return parity.deviation(run, trials or some_trials(), ["double", "sum"])


def test_the_same_agrees() -> None:
    same = found(truth)
    assert (same.max, same.mean) == (0, 0)
    assert same.spread > 1
    assert same.within(FP32)


def test_the_output_that_comes_off_worst_is_named() -> None:
    off = found(lambda x: [2 * x, x.sum(axis=1) + np.float32(0.5)])
    assert off.output == "sum"
    assert off.mean == pytest.approx(0.5)
    assert off.max == pytest.approx(0.5)
    assert not off.within(FP32)


def test_a_single_value_that_is_far_off_is_found() -> None:
    def once(x: NDArray[Any]) -> Sequence[NDArray[Any]]:
        double = 2 * x
        double[0, 0] += 2
        return [double, x.sum(axis=1)]

    off = found(once)
    assert off.max == pytest.approx(2)
    assert off.mean == pytest.approx(2 / 15)
    assert not off.within(FP32)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_never_agrees(bad: float) -> None:
    off = found(lambda x: [2 * x, x.sum(axis=1) * np.float32(bad)])
    assert off.output == "sum"
    assert not off.within(TOLERANCES["fp16"])


def test_outputs_that_answer_to_nothing_never_agree() -> None:
    def grey(_: Any) -> Sequence[NDArray[Any]]:
        return [np.full((8, 8), 128, np.uint8)]

    dead = parity.deviation(grey, parity.trials(grey, [[np.zeros(1)], [np.ones(1)]]), ["picture"])
    assert (dead.max, dead.mean, dead.spread) == (0, 0, 0)
    assert not dead.within(FP32)


def test_halves_may_change_a_picture_by_what_nobody_sees() -> None:
    def pictures(x: NDArray[Any]) -> Sequence[NDArray[Any]]:
        return [np.full((8, 8), 100 + 10 * x[0], np.uint8)]

    trials = parity.trials(pictures, [[np.zeros(1)], [np.ones(1)]])
    for levels, precisions in ((1, ["fp16"]), (2, [])):
        off = parity.deviation(lambda x, n=levels: [pictures(x)[0] + np.uint8(n)], trials, ["p"])
        assert off.spread == 10
        assert [each for each in TOLERANCES if off.within(TOLERANCES[each])] == precisions


def test_rounding_of_large_numbers_is_no_error() -> None:
    def large(x: NDArray[Any]) -> Sequence[NDArray[Any]]:
        return [np.float32(1000) + np.float32(1e-3) * x]

    def rounded(x: NDArray[Any]) -> Sequence[NDArray[Any]]:
        return [np.nextafter(large(x)[0], np.float32(2000))]

    trials = parity.trials(large, [trial.inputs for trial in some_trials()])
    off = parity.deviation(rounded, trials, ["large"])
    assert off.mean > FP32.mean * off.spread
    assert off.within(FP32)


@pytest.mark.parametrize(
    "run",
    [
        lambda x: [(2 * x).astype(np.float64), x.sum(axis=1)],
        lambda x: [2 * x[:, :4], x.sum(axis=1)],
    ],
    ids=["kind", "shape"],
)
def test_another_kind_or_shape_is_said(run: Any) -> None:
    with pytest.raises(ValueError, match="'double' is float"):
        found(run)


def test_every_input_of_a_portrait_has_random_values_where_real_ones_lie() -> None:
    sizes: Mapping[str, tuple[int, ...]] = {
        "picture": (1, 3, 32, 32),
        "volume": (1, 4, 2, 8, 8),
        "compressed": (1, 2, 2, 8, 8),
        "keypoints": (1, 21, 3),
        "source_keypoints": (1, 21, 3),
        "stitching": (1, 1),
        "ratios": (1, 3),
    }
    for inputs, _ in SIGNATURES.values():
        shapes = {name: sizes[name] for name in inputs}
        one, other = (random_inputs.draw(shapes, np.random.default_rng(seed)) for seed in (1, 2))
        assert list(one) == list(inputs)
        for name, value in one.items():
            assert value.shape == sizes[name]
            assert value.dtype == np.float32
            assert not np.array_equal(value, other[name])
            if name in ("picture", "stitching", "ratios"):
                assert 0 <= value.min() <= value.max() <= 1
    moved = random_inputs.draw(
        {"keypoints": (1, 21, 3), "source_keypoints": (1, 21, 3)}, np.random.default_rng(1)
    )
    assert 0 < np.abs(moved["keypoints"] - moved["source_keypoints"]).max() < 0.2


class _Net:
    """A network of its own outputs, for the table."""

    def __init__(self, run: Any) -> None:
        self.inputs = {"x": (3, 5)}
        self.outputs = {"double": (3, 5), "sum": (3,)}
        self._run = run
        self.closed = 0

    def bind(self, **_: Any) -> _Net:
        return self

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        given: Sequence[NDArray[Any]] = self._run(*inputs)
        return given

    def close(self) -> None:
        self.closed += 1


class _Backend:
    def __init__(self, name: str, run: Any) -> None:
        self.name, self.network = name, _Net(run)
        self._run = run

    def examine(self) -> Examined:
        return Examined(True, "1", "CPU")

    def __call__(self, spec: ModelSpec, *, threads: int = 1) -> _Net:
        if self._run is None:
            raise UnsupportedNetwork("no GridSample here")
        return self.network


def test_the_table_tells_agreement_misses_and_refusals_apart() -> None:
    backends = {
        name: _Backend(name, run)
        for name, run in {
            "good": truth,
            "off": lambda x: [2.1 * x, x.sum(axis=1)],
            "odd": lambda x: [x.astype(np.uint8), x.sum(axis=1)],
            "without": None,
        }.items()
    }
    subject = Subject("net", {"fp32": SPEC}, some_trials, "the truth")
    rows = {row.backend: row for row in parity_table.rows([subject], backends)}
    assert {name: row.verdict for name, row in rows.items()} == {
        "good": Verdict.AGREES,
        "off": Verdict.MISSES,
        "odd": Verdict.MISSES,
        "without": Verdict.REFUSED,
    }
    assert rows["without"].note == "no GridSample here"
    assert "'double' is uint8" in rows["odd"].note
    assert [backends[name].network.closed for name in backends] == [1, 1, 1, 0]


def test_speech_is_the_same_on_every_backend(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino")
    assert main(["models", "parity", "speech", "--json", "--seed", "3", "--trials", "2"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["network"] for row in rows} == {"speech"}
    assert {row["verdict"] for row in rows} == {"agrees"}
    with_torch = all(map(importlib.util.find_spec, ("torch", "onnx")))
    assert all(row["reference"].startswith("torch") == with_torch for row in rows)


def test_every_network_in_the_package_can_be_compared() -> None:
    assert "speech" in shipped_models.names()
    for name in shipped_models.names():
        found = shipped_models.shipped(name)
        assert found.whole()
        network = choice.find("onnxruntime")(found.spec)
        assert random_inputs.draw(network.inputs, np.random.default_rng(0)).keys() == {
            *network.inputs
        }


def test_a_backend_that_is_named_has_to_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Gone(_Backend):
        def examine(self) -> Examined:
            return Examined(False, "", "", "no driver", "install one")

    monkeypatch.setattr(choice, "find", lambda name: Gone(name, truth))
    assert main(["models", "parity", "speech", "--backend", "tensorrt"]) == 1
    assert "no driver; install one" in capsys.readouterr().err


def test_a_named_backend_that_refuses_is_a_failure_others_may(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = choice.find
    refusing = _Backend("openvino", None)
    monkeypatch.setattr(
        choice, "find", lambda name: real(name) if name == "onnxruntime" else refusing
    )
    words = ["models", "parity", "speech", "--trials", "2"]
    assert main(words) == 0
    assert "refused: no GridSample here" in capsys.readouterr().out
    assert main([*words, "--backend", "openvino"]) == 1

"""What every backend of the CPU does alike: inputs checked, constants bound, closed, shared."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines import registry
from engines.backends import signature
from engines.backends.signature import ANY, Port
from engines.errors import EngineError
from engines.types import Backend, ModelSpec

pytest.importorskip("onnx")

from tests import small_networks

ONNX_BACKENDS = ("onnxruntime", "openvino")


def _skip_without(package: str) -> None:
    """Imports nothing: OpenVINO would tell that it was imported."""
    if find_spec(package) is None:
        pytest.skip(f"needs {package}")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return small_networks.sampler(tmp_path_factory.mktemp("networks"))


@pytest.fixture(params=ONNX_BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    _skip_without(request.param)
    found: Backend = registry.load("backends", request.param)
    return found


@pytest.mark.parametrize("name", ["litert", *ONNX_BACKENDS])
def test_each_is_a_backend_that_knows_its_version(name: str) -> None:
    _skip_without("ai_edge_litert" if name == "litert" else name)
    backend = registry.load("backends", name)
    assert isinstance(backend, Backend)
    assert backend.name == name
    found = backend.examine()
    assert found.usable, found
    assert found.version[0].isdigit()
    assert found.device
    assert not found.trouble + found.mend


def test_they_agree(spec: ModelSpec) -> None:
    _skip_without("openvino")
    first, second = (registry.load("backends", name)(spec) for name in ONNX_BACKENDS)
    for seed in range(3):
        values = small_networks.inputs(seed)
        (expected,), (found,) = first(*values), second(*values)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert first.inputs == second.inputs
    assert first.outputs == second.outputs


def test_half_precision_weights_work_on_the_cpu(backend: Backend, tmp_path: Path) -> None:
    whole = backend(small_networks.sampler(tmp_path))
    half = backend(small_networks.sampler(tmp_path, precision="fp16"))
    values = small_networks.inputs()
    (expected,), (found,) = whole(*values), half(*values)
    assert found.dtype == np.float32
    difference = np.abs(found - expected).max()
    assert 1e-6 < difference < 1e-2


def test_constants_are_given_once_and_can_be_shared(backend: Backend, spec: ModelSpec) -> None:
    network = backend(spec)
    picture, grid, constant = small_networks.inputs()
    (expected,) = network(picture, grid, constant)
    ada, eve = network.bind(constant=constant, grid=grid), network.bind(constant=constant * 2)
    assert list(ada.inputs) == ["picture"]
    assert list(eve.inputs) == ["picture", "grid"]
    np.testing.assert_array_equal(ada(picture)[0], expected)
    assert np.abs(eve(picture, grid)[0] - expected).max() > 0.1
    further = eve.bind(grid=grid)
    np.testing.assert_array_equal(further(picture)[0], eve(picture, grid)[0])
    ada.close()
    ada.close()
    with pytest.raises(EngineError, match="'sampler' was closed"):
        ada(picture)
    np.testing.assert_array_equal(network(picture, grid, constant)[0], expected)
    for wrong, words in (
        ({"volume": constant}, "no input 'volume'; it has: picture, grid, constant"),
        ({"constant": constant[0]}, r"takes 'constant' of \(1, 3, 16, 16\) float32, not of \(3, "),
        ({"constant": constant.astype(np.float16)}, "not of .* float16"),
    ):
        with pytest.raises(EngineError, match=words):
            network.bind(**wrong)


def _wrong(picture: Any, grid: Any, constant: Any) -> list[tuple[tuple[Any, ...], str]]:
    return [
        ((picture, grid), r"takes 3 arrays \(picture, grid, constant\), not 2"),
        ((picture[:, :, 1:], grid, constant), "'picture' of .* not of"),
        ((picture, grid.astype(np.float64), constant), "'grid' of .* float32, not of .* float64"),
        ((picture.astype(np.int64), grid, constant), "not of .* int64"),
    ]


def test_what_does_not_fit_is_refused_and_the_next_call_works(
    backend: Backend, spec: ModelSpec
) -> None:
    network = backend(spec)
    values = small_networks.inputs()
    (expected,) = network(*values)
    for wrong, words in _wrong(*values):
        with pytest.raises(EngineError, match=words):
            network(*wrong)
        np.testing.assert_array_equal(network(*values)[0], expected)
    bound = network.bind(constant=values[2])
    with pytest.raises(EngineError, match="takes 2 arrays"):
        bound(*values)


def test_numbers_that_are_none_come_out_as_they_went_in(backend: Backend, spec: ModelSpec) -> None:
    network = backend(spec)
    picture, grid, constant = small_networks.inputs()
    (expected,) = network(picture, grid, constant)
    assert np.isnan(network(np.full_like(picture, np.nan), grid, constant)[0]).any()
    np.testing.assert_array_equal(network(picture, grid, constant)[0], expected)


def test_arrays_that_lie_scattered_in_memory_are_taken(backend: Backend, spec: ModelSpec) -> None:
    network = backend(spec)
    picture, grid, constant = small_networks.inputs()
    (expected,) = network(picture, grid, constant)
    scattered = [np.asfortranarray(value) for value in (picture, grid, constant)]
    assert not any(value.flags.c_contiguous for value in scattered)
    np.testing.assert_array_equal(network(*scattered)[0], expected)
    bound = network.bind(constant=scattered[2], grid=scattered[1])
    np.testing.assert_array_equal(bound(scattered[0])[0], expected)


def test_outputs_are_the_callers(backend: Backend, spec: ModelSpec) -> None:
    network = backend(spec)
    values = small_networks.inputs()
    (first,) = network(*values)
    kept = first.copy()
    network(*small_networks.inputs(1))
    np.testing.assert_array_equal(first, kept)
    first[:] = 7
    np.testing.assert_array_equal(network(*values)[0], kept)


@pytest.mark.parametrize("threads", [1, 2])
def test_many_threads_share_one_network(backend: Backend, spec: ModelSpec, threads: int) -> None:
    network = backend(spec, threads=threads)
    _, grid, _ = small_networks.inputs()
    trouble: list[BaseException] = []

    def session(seed: int) -> None:
        picture, _, constant = small_networks.inputs(seed)
        (expected,) = network(picture, grid, constant)
        bound = network.bind(grid=grid, constant=constant)
        for _ in range(50):
            for found in (bound(picture)[0], network(picture, grid, constant)[0]):
                if not np.array_equal(found, expected):
                    trouble.append(AssertionError(f"session {seed} saw another's picture"))
                    return

    sessions = [threading.Thread(target=_noting(session, trouble), args=(n,)) for n in range(4)]
    for each in sessions:
        each.start()
    for each in sessions:
        each.join()
    assert not trouble


def _noting(work: Callable[[int], None], trouble: list[BaseException]) -> Callable[[int], None]:
    def noted(seed: int) -> None:
        try:
            work(seed)
        except BaseException as error:
            trouble.append(error)

    return noted


def test_other_threads_run_meanwhile(backend: Backend, spec: ModelSpec) -> None:
    network = backend(spec)
    values = small_networks.inputs()
    assert _lets_others_run(lambda: network(*values))
    assert not _lets_others_run(lambda: sum(range(3000)))


def _lets_others_run(work: Callable[[], object]) -> bool:
    """Whether another thread ever runs within `work` although nothing takes the GIL by force."""
    working, seen, ended = False, False, False

    def watch() -> None:
        nonlocal seen
        while not ended:
            seen = seen or working
            time.sleep(0)

    watcher = threading.Thread(target=watch)
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        watcher.start()
        for _ in range(500):
            working = True
            work()
            working = False
            time.sleep(0)
    finally:
        ended = True
        sys.setswitchinterval(usual_s)
        watcher.join()
    return seen


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_file_is_refused(
    backend: Backend, spec: ModelSpec, tmp_path: Path, data: st.DataObject
) -> None:
    """Cut off or with one byte changed: OpenVINO, for one, ends the process on some of these."""
    whole = spec.path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.none() | st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    path = tmp_path / "damaged.onnx"
    path.write_bytes(whole[:at] if byte is None else whole[:at] + bytes([byte]) + whole[at + 1 :])
    with pytest.raises(EngineError, match=r"'sampler' cannot be loaded: .* damaged"):
        backend(replace(spec, path=path))


@pytest.mark.parametrize("rubbish", [b"", b"rubbish", b"\x08" * 100])
def test_what_is_no_model_is_refused_without_a_hash_too(
    backend: Backend, spec: ModelSpec, tmp_path: Path, rubbish: bytes
) -> None:
    path = tmp_path / "rubbish.onnx"
    for content in (rubbish, spec.path.read_bytes()[:400]):
        path.write_bytes(content)
        with pytest.raises(EngineError, match="'rubbish' cannot be loaded"):
            backend(ModelSpec("rubbish", path, ""))
    with pytest.raises(EngineError, match=r"cannot be loaded \(No such file or directory: gone\."):
        backend(ModelSpec("gone", tmp_path / "gone.onnx", ""))


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), max_size=4), st.lists(st.integers(1, 9), max_size=4))
def test_shapes_agree_only_where_each_size_does(one: list[int], other: list[int]) -> None:
    assert signature.agree(one, other) == (one == other)
    assert signature.agree(one, [ANY] * len(one))
    assert not signature.agree(one, [*one, ANY])


def test_ports_come_in_the_order_asked_for() -> None:
    port = Port((1, ANY), np.dtype(np.float32))
    found = {"a": port, "b": port}
    assert list(signature.declared("n", found, {})) == ["a", "b"]
    assert list(signature.declared("n", found, {"b": (1, 4), "a": (1, ANY)})) == ["b", "a"]
    with pytest.raises(EngineError, match="not 'c' of"):
        signature.declared("n", found, {"c": (1,)})

"""The fakes that stand in for CUDA and TensorRT have nothing that the real ones have not."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from enum import IntEnum
from types import ModuleType
from typing import Any

import pytest

from tests import tensorrt_fake, tensorrt_fake_cuda
from tests.tensorrt_fake_cuda import FakeGpu

CUDA_CALLS = [name for name in vars(FakeGpu) if name.startswith("cu") and "_" not in name]
PARTS = [
    tensorrt_fake.Runtime,
    tensorrt_fake.ICudaEngine,
    tensorrt_fake.IExecutionContext,
    tensorrt_fake.IRuntimeConfig,
]
ONLY_RTX = {"CudaGraphStrategy"}


@pytest.fixture(scope="module")
def driver() -> ModuleType:
    module: ModuleType = pytest.importorskip("cuda.bindings.driver")
    return module


@pytest.fixture(params=["tensorrt", "tensorrt_rtx"])
def trt(request: pytest.FixtureRequest) -> ModuleType:
    """Whichever is installed; TensorRT-RTX is, where the tests' set-up was used."""
    try:
        return importlib.import_module(str(request.param))
    except (ImportError, OSError) as error:
        pytest.skip(f"no {request.param} ({error})")


@pytest.mark.parametrize("name", CUDA_CALLS)
def test_cuda_has_the_call_with_these_parameters(driver: ModuleType, name: str) -> None:
    real = list(inspect.signature(getattr(driver, name)).parameters)
    own = list(inspect.signature(getattr(FakeGpu, name)).parameters)[1:]
    assert own == real


@pytest.mark.parametrize("name", CUDA_CALLS)
def test_cuda_gives_as_many_values(driver: ModuleType, name: str) -> None:
    """As far as its documentation tells: one paragraph under "Returns" for each."""
    documentation = getattr(driver, name).__doc__
    documented = re.split(r"\n *(?:Returns|See Also)\n *-+\n", documentation)[1]
    values = len(re.findall(r"^ *(?:CUresult|\w+ : .*)$", documented, flags=re.M)) - 1
    annotation = str(inspect.signature(getattr(FakeGpu, name)).return_annotation)
    mine = 2 if "tuple" in annotation else int(annotation not in ("None", "CUresult"))
    assert mine == values


@pytest.mark.parametrize("enum", tensorrt_fake_cuda.ENUMS, ids=lambda each: each.__name__)
def test_cudas_numbers_are_the_real_ones(driver: ModuleType, enum: type[IntEnum]) -> None:
    real = getattr(driver, enum.__name__)
    assert {each.name: each.value for each in enum} == {
        each.name: int(getattr(real, each.name)) for each in enum
    }


@pytest.mark.parametrize("enum", tensorrt_fake.ENUMS, ids=lambda each: each.__name__)
def test_tensorrts_numbers_are_the_real_ones(trt: ModuleType, enum: type[IntEnum]) -> None:
    if enum.__name__ in ONLY_RTX and trt.__name__ != "tensorrt_rtx":
        assert not hasattr(trt, enum.__name__)
        return
    real = getattr(trt, enum.__name__).__members__
    assert {each.name: each.value for each in enum} == {
        each.name: int(real[each.name]) for each in enum
    }


def public(part: type[Any]) -> Iterator[str]:
    """Methods, properties and what the constructor sets."""
    source = inspect.getsource(part.__init__)
    yield from re.findall(r"self\.([a-z]\w*) = ", source)
    yield from (name for name in vars(part) if not name.startswith("_") and name != "kind")


@pytest.mark.parametrize("part", PARTS, ids=lambda each: each.__name__)
def test_tensorrt_has_the_methods_with_these_parameters(trt: ModuleType, part: type[Any]) -> None:
    real = getattr(trt, part.__name__)
    names = list(public(part))
    assert names
    for name in names:
        if name == "cuda_graph_strategy" and trt.__name__ != "tensorrt_rtx":
            continue
        assert hasattr(real, name), name
        own = getattr(part, name, None)
        if inspect.isfunction(own):
            wanted = list(inspect.signature(own).parameters)
            assert wanted in list(signatures(getattr(real, name).__doc__)), name
        else:
            assert not callable(getattr(real, name)), name


def signatures(documentation: str) -> Iterator[list[str]]:
    """Parameters of each overload that pybind11 wrote into a docstring; `arg0` has no name."""
    for line in re.findall(r"^(?:\d+\. )?\w+\((self: .*)\) -> ", documentation, flags=re.M):
        yield re.findall(r"(\w+): ", re.sub(r"<.*?>", "", line))


def test_the_module_has_the_names(trt: ModuleType) -> None:
    for name in ("Runtime", "ILogger", "nptype", "TensorIOMode", "TensorLocation", "DataType"):
        assert hasattr(trt, name)
    for dtype in tensorrt_fake.DataType:
        assert trt.nptype(trt.DataType.__members__[dtype.name]) is tensorrt_fake.nptype(dtype)
    assert hasattr(trt, "CudaGraphStrategy") == (trt.__name__ == "tensorrt_rtx")


def test_the_bindings_take_plain_numbers(driver: ModuleType) -> None:
    """Handles are kept as `int`: what cuda-bindings are given back has to do."""
    for kind in ("CUstream", "CUevent", "CUgraph", "CUgraphExec", "CUdeviceptr", "CUcontext"):
        assert int(getattr(driver, kind)(0x1234)) == 0x1234

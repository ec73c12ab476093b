"""Which backend runs a network: the first that can, the one that is named, and never silently."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from engines import registry
from engines.backends import choice
from engines.backends.choice import ORDER, PassedOver, choose, foresee
from engines.errors import BackendUnavailable, DeviceFull, EngineError, UnknownPart
from engines.types import Backend, Examined, ModelSpec, Network

SPEC = ModelSpec("frame", Path("frame.fp32.onnx"), "")
HALF = ModelSpec("frame", Path("frame.fp16.onnx"), "")


class Fake:
    """A backend and the networks that it makes."""

    def __init__(self, name: str, trouble: str = "", error: EngineError | None = None) -> None:
        self.name = name
        self.loaded: list[tuple[ModelSpec, int]] = []
        self._trouble, self._error = trouble, error

    def examine(self) -> Examined:
        return Examined(not self._trouble, "1.0", "", self._trouble, self._trouble and "mend it")

    def __call__(self, spec: ModelSpec, *, threads: int = 1) -> Network:
        if self._error is not None:
            raise self._error
        self.loaded.append((spec, threads))
        return FakeNetwork()


class FakeNetwork:
    inputs: Mapping[str, tuple[int, ...]] = {}
    outputs: Mapping[str, tuple[int, ...]] = {}

    def bind(self, **constants: NDArray[Any]) -> Network:
        return self

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        return []

    def close(self) -> None:
        """Nothing."""


def finding(*fakes: Fake) -> choice.Find:
    known = {fake.name: fake for fake in fakes}

    def find(name: str) -> Backend:
        if name not in known:
            raise UnknownPart(f"no backend is called {name!r}; installed are: {', '.join(known)}")
        return known[name]

    return find


def test_the_first_that_works_is_taken_and_the_others_are_not_asked() -> None:
    fakes = [Fake(name) for name in ORDER]
    chosen = choose(SPEC, threads=2, find=finding(*fakes))
    assert chosen.backend == ORDER[0] == "tensorrt"
    assert chosen.passed_over == ()
    assert isinstance(chosen.network, FakeNetwork)
    assert [fake.loaded for fake in fakes] == [[(SPEC, 2)], [], []]


def test_each_one_passed_over_says_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    find = finding(
        Fake("tensorrt", trouble="no driver"),
        Fake("openvino", error=EngineError("cannot convert the operator GridSample")),
        Fake("onnxruntime"),
    )
    chosen = choose(SPEC, find=find)
    assert chosen.backend == "onnxruntime"
    assert chosen.passed_over == (
        PassedOver("tensorrt", "no driver", "mend it"),
        PassedOver("openvino", "cannot convert the operator GridSample"),
    )
    assert [record.getMessage() for record in caplog.records] == [
        "the network frame runs on onnxruntime; passed over: tensorrt: no driver; mend it"
        " | openvino: cannot convert the operator GridSample"
    ]


def test_what_is_not_installed_or_full_is_passed_over_too() -> None:
    find = finding(Fake("openvino", error=DeviceFull("no room")), Fake("onnxruntime"))
    chosen = choose(SPEC, find=find)
    assert [each.backend for each in chosen.passed_over] == ["tensorrt", "openvino"]
    assert "no backend is called" in chosen.passed_over[0].reason
    assert "no room" in chosen.passed_over[1].reason


def test_a_backend_may_be_served_by_another_file() -> None:
    tensorrt, onnxruntime = Fake("tensorrt"), Fake("onnxruntime")
    find = finding(tensorrt, onnxruntime)
    choose(SPEC, instead={"tensorrt": HALF}, find=find)
    choose(SPEC, instead={"tensorrt": HALF}, without={"tensorrt"}, find=find)
    choose(SPEC, backend="tensorrt", instead={"tensorrt": HALF}, find=find)
    assert tensorrt.loaded == [(HALF, 1), (HALF, 1)]
    assert onnxruntime.loaded == [(SPEC, 1)]


def test_the_one_that_is_named_is_taken_or_nothing() -> None:
    openvino, broken = Fake("openvino"), Fake("tensorrt", trouble="no driver")
    find = finding(openvino, broken, Fake("onnxruntime"))
    assert choose(SPEC, backend="openvino", find=find).backend == "openvino"
    with pytest.raises(
        BackendUnavailable, match=r"tensorrt: no driver; mend it; .*engines.backend"
    ):
        choose(SPEC, backend="tensorrt", find=find)
    with pytest.raises(UnknownPart, match="'tensrt'"):
        choose(SPEC, backend="tensrt", find=find)
    refusing = Fake("tensorrt", error=EngineError("no such operator"))
    with pytest.raises(EngineError, match="no such operator"):
        choose(SPEC, backend="tensorrt", find=finding(refusing, Fake("onnxruntime")))
    assert openvino.loaded == [(SPEC, 1)]


def test_a_stranger_takes_part_where_it_is_named_and_only_there() -> None:
    stranger = Fake("abacus")
    assert choose(SPEC, backend="abacus", find=finding(stranger)).backend == "abacus"
    with pytest.raises(BackendUnavailable):
        choose(SPEC, find=finding(stranger))


def test_after_a_device_is_lost_the_next_one_is_taken() -> None:
    fakes = [Fake(name) for name in ORDER]
    chosen = choose(SPEC, without={"tensorrt"}, find=finding(*fakes))
    assert chosen.backend == "openvino"
    assert chosen.passed_over[0].reason == "it failed while it ran"
    assert fakes[0].loaded == []
    with pytest.raises(BackendUnavailable, match="tensorrt: it failed while it ran"):
        choose(SPEC, backend="tensorrt", without={"tensorrt"}, find=finding(*fakes))


def test_where_nothing_works_every_reason_is_told() -> None:
    unusable = [Fake(name, trouble=f"no {name}") for name in ORDER]
    with pytest.raises(BackendUnavailable) as caught:
        choose(SPEC, find=finding(*unusable))
    assert all(f"no {name}" in str(caught.value) for name in ORDER)
    damaged = Fake("onnxruntime", error=EngineError("its file is damaged"))
    with pytest.raises(EngineError, match="its file is damaged") as caught_of_file:
        choose(SPEC, find=finding(*unusable[:2], damaged))
    assert not isinstance(caught_of_file.value, BackendUnavailable)


def test_what_would_be_chosen_is_known_without_loading() -> None:
    fakes = [Fake("tensorrt", trouble="no driver"), Fake("openvino"), Fake("onnxruntime")]
    find = finding(*fakes)
    found = foresee(find=find)
    assert found.backend == "openvino"
    assert found.passed_over == (PassedOver("tensorrt", "no driver", "mend it"),)
    assert foresee(backend="onnxruntime", find=find).backend == "onnxruntime"
    assert foresee(backend="tensorrt", find=find) == choice.Foreseen("", found.passed_over)
    assert foresee(without=ORDER, find=find).backend == ""
    assert [fake.loaded for fake in fakes] == [[], [], []]
    with pytest.raises(UnknownPart):
        foresee(backend="tensrt", find=find)


def test_the_real_ones_are_found_by_name() -> None:
    found = choice.find("onnxruntime")
    assert isinstance(found, Backend)
    assert set(ORDER) <= {*registry.names("backends"), "tensorrt"}
    assert foresee().backend in ORDER

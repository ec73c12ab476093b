"""OpenVINO on the CPU: an `.onnx` file goes in, a `Network` comes out.

Its Python package tells Google Analytics that it was imported: it keeps an identity in the home
folder and starts a process that sends. None of that happens once this module is imported.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.aside import Aside
from engines.backends import model_file, signature
from engines.backends.signature import ANY, Port
from engines.errors import BackendUnavailable, EngineError, UnsupportedNetwork
from engines.types import Examined, ModelSpec, Network

# OpenVINO's own stand-in takes the place of this package where it cannot be imported, so nothing
# that uses OpenVINO in this process from here on sends anything.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

_DEVICE = "CPU"
_MOST_AT_ONCE = 8
"""Calls that run at the same time; each needs the memory of the network's layers once more."""

_OPERATOR = re.compile(
    r"^-- (?:Conversion is failed for|No conversion rule found for operations): (?:[\w.]*\.)?(\w+)",
    re.MULTILINE,
)
"""The first operator that it names, without its domain and version."""

_MENDS = {
    "GridSample": "export it in the form that samples 4-D arrays only (`atlas`)",
}
"""What to do about an operator that OpenVINO does not know; for others, take another backend."""


class OpenVino:
    """The backend."""

    name = "openvino"

    def examine(self) -> Examined:
        """Whether it works on this machine, and why not; never raises."""
        try:
            installed = version("openvino")
        except PackageNotFoundError:
            return Examined(False, "", "", "not installed", "pip install 'visavis[openvino]'")
        try:
            core = _core()
            if _DEVICE in core.available_devices:
                return Examined(True, installed, core.get_property(_DEVICE, "FULL_DEVICE_NAME"))
            trouble = "it does not see the CPU"
        except (ImportError, RuntimeError) as error:
            trouble = f"it cannot be started ({type(error).__name__})"
        mend = f"pip install --force-reinstall openvino=={installed}"
        return Examined(False, installed, "", trouble, mend)

    def __call__(self, spec: ModelSpec, *, threads: int = 1) -> Network:
        """A network whose every call runs on `threads` threads, several calls at once.

        Inputs and outputs as of `OnnxRuntime`. Raises `BackendUnavailable`, `UnsupportedNetwork`
        where OpenVINO lacks an operator, `EngineError` where the file is not such a model.
        """
        found = self.examine()
        if not found.usable:
            raise BackendUnavailable(f"openvino: {found.trouble}; {found.mend}")
        compiled = _compile(spec, threads)
        takes = signature.declared(spec.name, compiled.inputs, spec.inputs)
        gives = signature.declared(spec.name, compiled.outputs, spec.outputs)
        return OpenVinoNetwork(spec.name, compiled, takes, gives)


load = OpenVino()
"""The backend; called, it loads a network."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A compiled model, and what its file calls its inputs and outputs, in the file's order.

    Compiling may give an input the name of what is computed from it, but keeps the order.
    """

    model: Any
    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]

    def request(self, constants: Mapping[str, NDArray[Any]]) -> Any:
        """A request of its own whose constants are read in place."""
        request = self.model.create_infer_request()
        tensor = _openvino().Tensor
        for number, value in _numbered(self.inputs, constants).items():
            request.set_input_tensor(number, tensor(value, shared_memory=True))
        return request


def _numbered(ports: Mapping[str, Port], values: Mapping[str, NDArray[Any]]) -> dict[int, Any]:
    """Values by their place in the file instead of by name."""
    return {number: values[name] for number, name in enumerate(ports) if name in values}


class OpenVinoNetwork:
    """A compiled model, with its constants where it is bound. Thread-safe; lets go of the GIL.

    Each call has a request of its own; idle ones are kept, so there are never more than there were
    calls at the same time.
    """

    def __init__(
        self,
        name: str,
        compiled: _Compiled,
        takes: Mapping[str, Port],
        gives: Mapping[str, Port],
        constants: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        """`constants`: arrays for inputs beside those of `takes`, as `bind` has checked them."""
        self._name = name
        self._compiled: _Compiled | None = compiled
        self._takes, self._gives = dict(takes), dict(gives)
        self._constants = dict(constants or {})
        self._idle: list[Any] = []
        self._aside = Aside()
        self.inputs: Mapping[str, tuple[int, ...]] = signature.shapes(takes)
        """Names and shapes, in the order in which they are taken."""
        self.outputs: Mapping[str, tuple[int, ...]] = signature.shapes(gives)
        """Names and shapes, in the order in which they are given."""

    def bind(self, **constants: NDArray[Any]) -> Network:
        """The same network with these inputs fixed: read in place, and not copied at each call."""
        compiled = self._open()
        signature.check_named(self._name, self._takes, constants)
        fixed = {name: np.ascontiguousarray(value) for name, value in constants.items()}
        rest = {name: port for name, port in self._takes.items() if name not in constants}
        return OpenVinoNetwork(
            self._name, compiled, rest, self._gives, {**self._constants, **fixed}
        )

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs the network once; the arrays returned are the caller's to keep.

        Raises `EngineError` for arrays that the network does not take; the next call works.
        """
        compiled = self._open()
        signature.check(self._name, self._takes, inputs)
        try:
            request = self._idle.pop()
        except IndexError:
            request = compiled.request(self._constants)
        given = dict(zip(self._takes, inputs, strict=True))
        try:
            with self._aside():
                found = request.infer(_numbered(compiled.inputs, given))
        except RuntimeError as error:
            raise EngineError(
                f"the network {self._name!r} failed while it ran; if the machine has memory to"
                " spare, report it with the shapes of its inputs"
            ) from error
        by_name = dict(zip(compiled.outputs, found.values(), strict=True))
        if self._compiled is not None:
            self._idle.append(request)
        return [by_name[name] for name in self._gives]

    def close(self) -> None:
        """Frees what it holds; calling it twice does no harm."""
        self._compiled = None
        self._idle.clear()
        self._constants.clear()

    def _open(self) -> _Compiled:
        if self._compiled is None:
            raise EngineError(f"the network {self._name!r} was closed")
        return self._compiled


@cache
def _openvino() -> Any:
    """The package, which takes a while to import and is not always there."""
    return importlib.import_module("openvino")


@cache
def _core() -> Any:
    return _openvino().Core()


def _compile(spec: ModelSpec, threads: int) -> _Compiled:
    core, content = _core(), model_file.content(spec)
    try:
        model = core.read_model(content)
        inputs, outputs = _ports(model.inputs), _ports(model.outputs)
        compiled = core.compile_model(model, _DEVICE, _settings(threads))
    except RuntimeError as error:
        raise _refused(spec.name, str(error)) from error
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if precision != "f32":
        raise EngineError(
            f"openvino computes {spec.name!r} in {precision} although f32 was asked for; choose"
            " another by engines.backend"
        )
    return _Compiled(compiled, inputs, outputs)


def _settings(threads: int) -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0))
    threads = min(threads, cores)
    at_once = min(_MOST_AT_ONCE, cores // threads)
    return {
        # Left alone it takes bf16 where the CPU has it; a sampling grid does not survive that.
        "INFERENCE_PRECISION_HINT": "f32",
        # A network with one stream runs one call at a time, whoever calls; threads are shared out
        # among the streams.
        "NUM_STREAMS": at_once,
        "INFERENCE_NUM_THREADS": at_once * threads,
        # Pinned threads of two networks would meet on one core while another is idle.
        "ENABLE_CPU_PINNING": False,
        "CACHE_DIR": "",
    }


def _refused(network: str, said: str) -> EngineError:
    """OpenVINO's own error in our words: an operator that it lacks, or a file that is no model."""
    operator = _OPERATOR.search(said)
    if operator is None:
        return EngineError(
            f"the network {network!r} cannot be loaded by openvino; its file is damaged or not of"
            " this kind: export it anew"
        )
    name = operator[1]
    mend = _MENDS.get(name, "choose another backend by engines.backend")
    return UnsupportedNetwork(
        f"openvino cannot convert the operator {name} of the network {network!r} as it is used"
        f" there; {mend}"
    )


def _ports(found: Sequence[Any]) -> dict[str, Port]:
    return {
        port.any_name: Port(_shape(port.partial_shape), np.dtype(port.element_type.to_dtype()))
        for port in found
    }


def _shape(partial: Any) -> tuple[int, ...]:
    return tuple(ANY if size.is_dynamic else size.get_length() for size in partial)

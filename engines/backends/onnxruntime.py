"""ONNX Runtime on the CPU: an `.onnx` file goes in, a `Network` comes out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from engines.aside import Aside
from engines.backends import model_file, signature
from engines.backends.bound import BoundNetwork
from engines.backends.signature import ANY, Port
from engines.errors import BackendUnavailable, EngineError
from engines.types import Examined, ModelSpec, Network

_ERRORS_ONLY = 3
_PROVIDER = "CPUExecutionProvider"

_DTYPES = {
    f"tensor({name})": np.dtype(dtype)
    for name, dtype in {
        "float": np.float32,
        "float16": np.float16,
        "double": np.float64,
        "uint8": np.uint8,
        "int8": np.int8,
        "int32": np.int32,
        "int64": np.int64,
        "bool": np.bool_,
    }.items()
}

onnxruntime.disable_telemetry_events()
onnxruntime.set_default_logger_severity(_ERRORS_ONLY)


class OnnxRuntime:
    """The backend."""

    name = "onnxruntime"

    def examine(self) -> Examined:
        """Whether it works on this machine, and why not; never raises."""
        version: str = onnxruntime.__version__
        if _PROVIDER in onnxruntime.get_available_providers():
            return Examined(True, version, "CPU")
        return Examined(
            False,
            version,
            "",
            f"this build of onnxruntime has no {_PROVIDER}",
            "pip install --force-reinstall onnxruntime",
        )

    def __call__(self, spec: ModelSpec, *, threads: int = 1) -> OnnxNetwork:
        """A network that runs on `threads` threads; one is fastest for nets of a millisecond.

        It takes its inputs in the order of `spec.inputs` and gives its outputs in that of
        `spec.outputs`; where these are empty, in the file's own order. In a shape of `spec`, `ANY`
        agrees with any size. Raises `EngineError` where the file is not such a model, or has other
        inputs or outputs than the spec says.
        """
        return OnnxNetwork(spec, threads)


load = OnnxRuntime()
"""The backend; called, it loads a network."""


class OnnxNetwork:
    """One inference session. Thread-safe; lets go of the GIL while it runs."""

    def __init__(self, spec: ModelSpec, threads: int) -> None:
        """See `OnnxRuntime.__call__`."""
        self._name = spec.name
        session = _session(spec, threads)
        self._takes = signature.declared(spec.name, _ports(session.get_inputs()), spec.inputs)
        gives = signature.declared(spec.name, _ports(session.get_outputs()), spec.outputs)
        self.inputs: Mapping[str, tuple[int, ...]] = signature.shapes(self._takes)
        """Names and shapes, in the order in which they are taken."""
        self.outputs: Mapping[str, tuple[int, ...]] = signature.shapes(gives)
        """Names and shapes, in the order in which they are given."""
        self.metadata: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        """What the model's file says about itself."""
        self._session: onnxruntime.InferenceSession | None = session
        self._aside = Aside()

    def bind(self, **constants: NDArray[Any]) -> Network:
        """The same network with these inputs fixed."""
        return BoundNetwork(self, self._name, self._takes, constants)

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs the network once; the arrays returned are the caller's to keep.

        Raises `EngineError` for arrays that the network does not take; the next call works.
        """
        session = self._session
        if session is None:
            raise EngineError(f"the network {self._name!r} was closed")
        signature.check(self._name, self._takes, inputs)
        feed = dict(zip(self._takes, inputs, strict=True))
        try:
            with self._aside():
                outputs: Sequence[NDArray[Any]] = session.run(list(self.outputs), feed)
        # Its exceptions have no common base of their own.
        except Exception as error:
            raise EngineError(
                f"the network {self._name!r} failed while it ran ({type(error).__name__}); if the"
                " machine has memory to spare, report it with the shapes of its inputs"
            ) from error
        return outputs

    def close(self) -> None:
        """Frees the session; calling it twice does no harm."""
        self._session = None


def _session(spec: ModelSpec, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(threads, len(os.sched_getaffinity(0)))
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS_ONLY
    # Threads that spin between two calls would take a core from the calls' own threads.
    for kind in ("intra_op", "inter_op"):
        options.add_session_config_entry(f"session.{kind}.allow_spinning", "0")
    content = model_file.content(spec)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=[_PROVIDER])
    # Its exceptions have no common base of their own.
    except Exception as error:
        raise EngineError(
            f"the network {spec.name!r} cannot be loaded ({type(error).__name__}); its file is"
            " damaged or not of this kind: install this package, or export the network, anew"
        ) from error
    # Where it cannot have the provider that was asked for it takes another without a word.
    used: list[str] = session.get_providers()
    if used != [_PROVIDER]:
        raise BackendUnavailable(
            f"onnxruntime runs the network {spec.name!r} on {', '.join(used) or 'nothing'}, not on"
            f" {_PROVIDER}; pip install --force-reinstall onnxruntime"
        )
    return session


def _ports(nodes: Sequence[Any]) -> dict[str, Port]:
    found = {}
    for node in nodes:
        if node.type not in _DTYPES:
            raise EngineError(f"the network has {node.name!r} of {node.type}, which is not taken")
        shape = tuple(size if isinstance(size, int) else ANY for size in node.shape)
        found[node.name] = Port(shape, _DTYPES[node.type])
    return found

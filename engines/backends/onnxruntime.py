"""ONNX Runtime on the CPU: an `.onnx` file goes in, a `Network` comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from engines.backends.bound import BoundNetwork
from engines.errors import EngineError
from engines.types import ModelSpec, Network

_ERRORS_ONLY = 3
ANY = -1
"""A dimension that may have any size."""

onnxruntime.disable_telemetry_events()
onnxruntime.set_default_logger_severity(_ERRORS_ONLY)


def load(spec: ModelSpec, *, threads: int = 1) -> OnnxNetwork:
    """A network that runs on `threads` threads; one is fastest for nets of a millisecond.

    It takes its inputs in the order of `spec.inputs` and gives its outputs in that of
    `spec.outputs`; where these are empty, in the file's own order. In a shape of `spec`, `ANY`
    agrees with any size. Raises `EngineError` where the file is not such a model, or has other
    inputs or outputs than the spec says.
    """
    return OnnxNetwork(spec, threads)


class OnnxNetwork:
    """One inference session. Thread-safe; lets go of the GIL while it runs."""

    def __init__(self, spec: ModelSpec, threads: int) -> None:
        """See `load`."""
        self._name = spec.name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = _ERRORS_ONLY
        # Threads that spin between two calls would take a core from the calls' own threads.
        for kind in ("intra_op", "inter_op"):
            options.add_session_config_entry(f"session.{kind}.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(
                spec.path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        # Its exceptions have no common base of their own.
        except Exception as error:
            raise EngineError(
                f"the network {spec.name!r} cannot be loaded ({type(error).__name__}); its file is"
                " damaged or not of this kind: install this package anew"
            ) from error
        self.inputs: Mapping[str, tuple[int, ...]] = _shapes(
            spec.name, session.get_inputs(), spec.inputs
        )
        """Names and shapes, in the order in which they are taken."""
        self.outputs: Mapping[str, tuple[int, ...]] = _shapes(
            spec.name, session.get_outputs(), spec.outputs
        )
        """Names and shapes, in the order in which they are given."""
        self.metadata: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        """What the model's file says about itself."""
        self._session: onnxruntime.InferenceSession | None = session

    def bind(self, **constants: NDArray[Any]) -> Network:
        """The same network with these inputs fixed."""
        return BoundNetwork(self, self._name, constants)

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs the network once; the arrays returned are the caller's to keep."""
        session = self._session
        if session is None:
            raise EngineError(f"the network {self._name!r} was closed")
        feed = dict(zip(self.inputs, inputs, strict=True))
        outputs: Sequence[NDArray[Any]] = session.run(list(self.outputs), feed)
        return outputs

    def close(self) -> None:
        """Frees the session; calling it twice does no harm."""
        self._session = None


def _shapes(
    network: str, nodes: Sequence[Any], expected: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """The file's own shapes, checked against the expected ones and in their order."""
    found = {
        node.name: tuple(size if isinstance(size, int) else ANY for size in node.shape)
        for node in nodes
    }
    for name, shape in expected.items():
        own = found.get(name)
        if own is None or len(own) != len(shape) or not all(map(_agree, own, shape)):
            raise EngineError(f"the network {network!r} has {found}, not {name!r} of {shape}")
    return {name: found[name] for name in expected or found}


def _agree(own: int, expected: int) -> bool:
    return ANY in (own, expected) or own == expected

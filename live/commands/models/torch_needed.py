"""What to say where torch is missing, which nothing that serves needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engines.errors import BackendUnavailable

_PACKAGES = ("torch", "onnx", "onnxscript", "safetensors")


@contextmanager
def torch_needed(what: str) -> Iterator[None]:
    """Turns the import of a missing package into an error with what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _PACKAGES:
            raise
        raise BackendUnavailable(
            f"{what} needs the package {package}, which is not installed; in a checkout of Visavis:"
            " pip install --group export"
        ) from error

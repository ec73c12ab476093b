"""The names of the TensorRT that was found: importing this module imports TensorRT.

Raises `BackendUnavailable` where there is none. To a type checker it is `tensorrt`, for which
`tests/tensorrt_stubs.py` makes stubs of the real bindings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorrt as trt
else:
    from engines.backends.tensorrt import package

    trt = package.find().module

__all__ = ["trt"]

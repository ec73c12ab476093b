"""TensorRT 11 and TensorRT-RTX: an ONNX file goes in, a network on an NVIDIA GPU comes out.

`package` finds the one that is installed, `driver` the device; `build` makes an engine, `cache`
keeps it, `network` runs it. Importing this package imports neither TensorRT nor CUDA.
"""

from __future__ import annotations

import hashlib

from engines.backends.tensorrt import driver, package
from engines.backends.tensorrt.cache import EngineCache
from engines.backends.tensorrt.driver import Device
from engines.backends.tensorrt.manifest import Key
from engines.backends.tensorrt.missing import Missing
from engines.backends.tensorrt.package import Package
from engines.errors import EngineError
from engines.types import Examined, ModelSpec, Network


class TensorrtBackend:
    """TensorRT 11 or TensorRT-RTX, on the first device that CUDA shows."""

    name = "tensorrt"

    def __init__(self, cache: EngineCache | None = None) -> None:
        """`cache`: where built engines are kept; the user's own unless told."""
        self._cache = cache

    def examine(self) -> Examined:
        """Whether there is a TensorRT, and a driver with a device that it serves."""
        version = ""
        try:
            found = package.find()
            version = f"{found.name} {found.version}"
            device = driver.probe()
            found.check_serves(device.target)
        except Missing as error:
            return Examined(False, version, "", error.trouble, error.mend)
        return Examined(True, version, device.name)

    def __call__(self, spec: ModelSpec, *, threads: int = 1) -> Network:
        """The network, its engine built now or before; `threads` are the processor's and unused.

        Raises `BackendUnavailable`, `UnsupportedNetwork`, `BuildCancelled`, `DeviceFull`.
        """
        found, device = package.find(), driver.probe()
        found.check_serves(device.target)
        plan = self._plan(spec, found, device)
        # Only now: this module opens CUDA.
        from engines.backends.tensorrt.network import TensorrtNetwork  # noqa: PLC0415

        return TensorrtNetwork(spec, plan)

    def _plan(self, spec: ModelSpec, found: Package, device: Device) -> bytes:
        from engines.backends.tensorrt import build  # noqa: PLC0415  imports TensorRT

        onnx = _content(spec)
        key = Key(
            onnx=hashlib.sha256(onnx).hexdigest(),
            package=found.name,
            version=found.version,
            capabilities=(device.target,),
            driver=device.driver,
            precision=build.PRECISION,
            shapes=spec.inputs,
            workspace=build.WORKSPACE,
        )
        if spec.sha256 and spec.sha256 != key.onnx:
            raise EngineError(
                f"the file of the network {spec.name!r} is damaged or of another network (sha256"
                f" {key.onnx}, not {spec.sha256}); fetch or export it anew"
            )
        cache = self._cache or EngineCache()
        return cache.plan(
            key,
            lambda: (
                build.build(onnx, spec.name, capabilities=key.capabilities, shapes=spec.inputs).plan
            ),
            name=spec.name,
        )


def _content(spec: ModelSpec) -> bytes:
    try:
        return spec.path.read_bytes()
    except OSError as error:
        raise EngineError(
            f"the file of the network {spec.name!r} cannot be read ({error.strerror})"
        ) from error


backend = TensorrtBackend()
"""What is registered."""

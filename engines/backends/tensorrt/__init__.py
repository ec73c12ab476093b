"""TensorRT 11 and TensorRT-RTX: an ONNX file goes in, a network on an NVIDIA GPU comes out.

`package` finds the one that is installed, `driver` the device; `build` makes an engine, `cache`
keeps it, `network` runs it. Importing this package imports neither TensorRT nor CUDA.
"""

from __future__ import annotations

import hashlib
import logging
from functools import partial

from engines.backends import model_file
from engines.backends.tensorrt import cuda, driver, package
from engines.backends.tensorrt.cache import EngineCache
from engines.backends.tensorrt.driver import Device
from engines.backends.tensorrt.key import Key
from engines.backends.tensorrt.missing import Missing
from engines.backends.tensorrt.package import Package
from engines.errors import DeviceFull, DeviceLost, EngineError
from engines.types import Examined, ModelSpec, Network

_log = logging.getLogger(__name__)


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
            cuda.check_installed()
        except Missing as error:
            return Examined(False, version, "", error.trouble, error.mend)
        return Examined(True, version, device.name)

    def __call__(self, spec: ModelSpec, *, threads: int = 1) -> Network:
        """The network, its engine built now or before; `threads` are the processor's and unused.

        Raises `BackendUnavailable`, `UnsupportedNetwork`, `BuildCancelled`, `DeviceFull`,
        `DeviceLost`, and `EngineError` where the file is not the one that is meant.
        """
        found, present = package.find(), driver.probe()
        found.check_serves(present.target)
        cuda.check_installed()  # before minutes of building
        plan = partial(self._plan, spec, found, present)
        from engines.backends.tensorrt import device, network  # noqa: PLC0415  import TensorRT

        runtime = device.runtime()
        try:
            return network.load(runtime, plan(), spec)
        except (DeviceFull, DeviceLost):
            raise
        except EngineError as error:
            # Whole, and of this very key: only the device itself can tell that it is no good.
            _log.warning("the engine of %s is built anew: %s", spec.name, error)
            return network.load(runtime, plan(anew=True), spec)

    def _plan(
        self, spec: ModelSpec, found: Package, present: Device, *, anew: bool = False
    ) -> bytes:
        from engines.backends.tensorrt import build  # noqa: PLC0415  imports TensorRT

        onnx = model_file.content(spec)
        key = Key(
            onnx=hashlib.sha256(onnx).hexdigest(),
            package=found.name,
            version=found.version,
            capabilities=(present.target,),
            driver=present.driver,
            precision=build.PRECISION,
            shapes=dict(spec.inputs),
            workspace=build.WORKSPACE,
        )
        cache = self._cache or EngineCache()
        if anew:
            cache.forget(key)
        return cache.plan(
            key,
            lambda: (
                build.build(onnx, spec.name, capabilities=key.capabilities, shapes=spec.inputs).plan
            ),
            name=spec.name,
        )


backend = TensorrtBackend()
"""What is registered."""

"""The one device of this process, opened with the first network and shared by all."""

from __future__ import annotations

import threading
from contextlib import ExitStack

from engines.backends.tensorrt import driver, package
from engines.backends.tensorrt.cuda import Cuda
from engines.backends.tensorrt.engine import Runtime
from engines.backends.tensorrt.memory import DeviceMemory

_lock = threading.Lock()
_opened: list[Runtime] = []


def runtime() -> Runtime:
    """TensorRT on the device; stays open as long as the process lives.

    Raises `BackendUnavailable` where package, driver or device is missing, `DeviceLost` where the
    device went away since.
    """
    with _lock:
        if not _opened:
            found = package.find()
            driver.probe()  # a runtime without a driver is the end of the process
            from engines.backends.tensorrt.log import LOG  # noqa: PLC0415  imports TensorRT

            with ExitStack() as opened:
                cuda = Cuda()
                opened.callback(cuda.close)
                _opened.append(Runtime(found.module, LOG, cuda, DeviceMemory(cuda)))
                opened.pop_all()
        _opened[0].cuda.use()
        return _opened[0]

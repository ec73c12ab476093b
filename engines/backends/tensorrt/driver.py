"""The NVIDIA driver and its first device, asked by ctypes without any CUDA or TensorRT package.

TensorRT's `Runtime` must not be constructed without a driver: it answers with an object around a
null pointer, and the process dies of its first use. So whoever needs a device asks here first.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from engines.backends.tensorrt.missing import Missing

_CUDA = ("libcuda.so.1", "libcuda.so")
_NVML = "libnvidia-ml.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…
_NAME_LENGTH = 128


@dataclass(frozen=True, slots=True)
class Device:
    """The first device that CUDA shows (CUDA_VISIBLE_DEVICES chooses)."""

    name: str
    capability: tuple[int, int]
    """Compute capability, major and minor."""
    memory: int
    """Bytes in all."""
    driver: str
    """The driver's version; where only that is known, the newest CUDA that it serves."""

    @property
    def target(self) -> str:
        """The compute capability as TensorRT names it: `SM89`."""
        return "SM{}{}".format(*self.capability)


def probe() -> Device:
    """The device; raises `Missing` where there is no driver, or it has no device."""
    cuda = _library()
    _ask(cuda, "cuInit", 0)
    count = ctypes.c_int()
    _ask(cuda, "cuDeviceGetCount", ctypes.byref(count))
    if count.value < 1:
        raise Missing(
            "the NVIDIA driver shows no device",
            "correct CUDA_VISIBLE_DEVICES, or give the container a GPU",
        )
    device = ctypes.c_int()
    _ask(cuda, "cuDeviceGet", ctypes.byref(device), 0)
    name = ctypes.create_string_buffer(_NAME_LENGTH)
    _ask(cuda, "cuDeviceGetName", name, _NAME_LENGTH, device)
    memory = ctypes.c_size_t()
    _ask(cuda, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    return Device(
        name.value.decode(errors="replace"),
        (_attribute(cuda, _MAJOR, device), _attribute(cuda, _MINOR, device)),
        memory.value,
        _driver_version() or _cuda_version(cuda),
    )


def _library() -> ctypes.CDLL:
    for name in _CUDA:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise Missing(
        "there is no NVIDIA driver on this machine (libcuda.so.1 is not found)",
        "install the driver, or start the container with its GPUs",
    )


def _ask(cuda: ctypes.CDLL, function: str, *arguments: object) -> None:
    try:
        status = getattr(cuda, function)(*arguments)
    except AttributeError as error:
        raise Missing(
            f"the NVIDIA driver is too old: it has no {function}", "install a newer driver"
        ) from error
    if status != 0:
        raise Missing(
            f"the NVIDIA driver does not work ({function} answers {_error_name(cuda, status)})",
            "see what `nvidia-smi` says, and start the machine anew",
        )


def _error_name(cuda: ctypes.CDLL, status: int) -> str:
    text = ctypes.c_char_p()
    if cuda.cuGetErrorName(status, ctypes.byref(text)) == 0 and text.value:
        return f"{text.value.decode(errors='replace')}, {status}"
    return str(status)


def _attribute(cuda: ctypes.CDLL, attribute: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    _ask(cuda, "cuDeviceGetAttribute", ctypes.byref(value), attribute, device)
    return value.value


def _driver_version() -> str:
    """As `nvidia-smi` shows it, `580.95.05`; empty where NVML does not tell."""
    try:
        nvml = ctypes.CDLL(_NVML)
        if nvml.nvmlInit_v2() != 0:
            return ""
        version = ctypes.create_string_buffer(_NAME_LENGTH)
        told = nvml.nvmlSystemGetDriverVersion(version, _NAME_LENGTH) == 0
        nvml.nvmlShutdown()
    except (OSError, AttributeError):
        return ""
    return version.value.decode(errors="replace") if told else ""


def _cuda_version(cuda: ctypes.CDLL) -> str:
    version = ctypes.c_int()
    _ask(cuda, "cuDriverGetVersion", ctypes.byref(version))
    return f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"

"""Which TensorRT there is: NVIDIA's `tensorrt` from 11 on, else `tensorrt_rtx`; no driver needed.

Both have the same Python interface as far as it is used here: networks are strongly typed, tensors
are known by name. What differs is asked of `Package.rtx`: TensorRT-RTX compiles ahead of time for
compute capabilities that are named, without a GPU; TensorRT only for the device that it runs on.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from engines.backends.tensorrt.missing import Missing

_MEND = (
    "install TensorRT-RTX by `pip install 'visavis[rtx]'`, or TensorRT 11 from NVIDIA's index"
    " (docs/tensorrt.md)"
)
_OLDEST = {"tensorrt": (11, 0), "tensorrt_rtx": (1, 4)}
_SAMPLES_VOLUMES = {"tensorrt": (11, 2), "tensorrt_rtx": (1, 6)}


@dataclass(frozen=True, slots=True)
class Package:
    """An imported TensorRT."""

    module: ModuleType
    name: str
    """`tensorrt` or `tensorrt_rtx`."""
    version: str

    @property
    def rtx(self) -> bool:
        """Whether it is TensorRT-RTX."""
        return self.name == "tensorrt_rtx"

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What TensorRT-RTX can be told to build for (`SM89`); of TensorRT nothing is known."""
        if not self.rtx:
            return ()
        return tuple(name for name in self.module.ComputeCapability.__members__ if name[:2] == "SM")

    def check_serves(self, capability: str) -> None:
        """Raises `Missing` where it is known not to build for a compute capability."""
        known = self.capabilities
        if known and capability not in known:
            raise Missing(
                f"{self.name} {self.version} builds for {', '.join(known)}, not for {capability}",
                "install TensorRT 11 from NVIDIA's index for such a device (docs/tensorrt.md)",
            )

    @property
    def samples_volumes(self) -> bool:
        """Whether its GridSample takes volumes (rank 5), not only pictures (rank 4)."""
        return _numbers(self.version) >= _SAMPLES_VOLUMES[self.name]

    @property
    def samples_volumes_from(self) -> str:
        """The version from which on it does."""
        return _written(_SAMPLES_VOLUMES[self.name])


@cache
def find() -> Package:
    """The package to use; raises `Missing` where neither can be used, with each why."""
    reasons = []
    for name, oldest in _OLDEST.items():
        try:
            module = importlib.import_module(name)
            version = str(module.__version__)
        # Its bindings load libraries by ctypes; a package half installed lacks any attribute.
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            installed = not isinstance(error, ModuleNotFoundError) or error.name != name
            reasons.append(f"{name} cannot be imported ({error})" if installed else f"no {name}")
            continue
        if _numbers(version) >= oldest:
            return Package(module, name, version)
        reasons.append(f"{name} {version} is older than {_written(oldest)}")
    raise Missing(f"there is no TensorRT: {', '.join(reasons)}", _MEND)


def _numbers(version: str) -> tuple[int, ...]:
    """Of the first two parts; a version that does not begin so counts as older than any."""
    try:
        return tuple(int(part) for part in version.split(".")[:2])
    except ValueError:
        return ()


def _written(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))

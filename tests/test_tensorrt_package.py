"""Which TensorRT there is and what device; without a driver a reason, and the process lives."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from engines import registry
from engines.backends.tensorrt import backend, driver, package
from engines.backends.tensorrt.driver import Device
from engines.backends.tensorrt.missing import Missing
from engines.errors import BackendUnavailable
from tests.small_networks import sampler

NO_DRIVER = "there is no NVIDIA driver on this machine"


@pytest.fixture(autouse=True)
def _found_anew() -> Iterator[None]:
    package.find.cache_clear()
    yield
    package.find.cache_clear()


def only(monkeypatch: pytest.MonkeyPatch, **installed: Any) -> None:
    """Lets these packages be all that can be imported: a version, or what importing raises."""

    def importing(name: str) -> ModuleType:
        found = installed.get(name, ModuleNotFoundError(f"No module named {name!r}", name=name))
        if isinstance(found, Exception):
            raise found
        module = ModuleType(name)
        if found:
            module.__version__ = found  # type: ignore[attr-defined]
        members = {"NONE": 0, "SM86": 1, "SM89": 2}
        module.ComputeCapability = SimpleNamespace(  # type: ignore[attr-defined]
            __members__=members
        )
        return module

    monkeypatch.setattr(importlib, "import_module", importing)


@pytest.mark.parametrize(
    ("installed", "name"),
    [
        ({"tensorrt": "11.4.0.106", "tensorrt_rtx": "1.7.1.116"}, "tensorrt"),
        ({"tensorrt": "11.0.0.1"}, "tensorrt"),
        ({"tensorrt": "10.16.1", "tensorrt_rtx": "1.7.1.116"}, "tensorrt_rtx"),
        ({"tensorrt": ImportError("libnvinfer.so.11"), "tensorrt_rtx": "1.5.0"}, "tensorrt_rtx"),
        ({"tensorrt": OSError("no symbol"), "tensorrt_rtx": "1.5.0"}, "tensorrt_rtx"),
    ],
)
def test_the_newer_of_the_two_is_taken(
    installed: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, **installed)
    found = package.find()
    assert (found.name, found.rtx) == (name, name == "tensorrt_rtx")


@pytest.mark.parametrize(
    ("installed", "told"),
    [
        ({}, "no tensorrt, no tensorrt_rtx"),
        ({"tensorrt": "10.16.1.11"}, r"tensorrt 10\.16\.1\.11 is older than 11\.0"),
        ({"tensorrt": "8.6.1"}, r"tensorrt 8\.6\.1 is older than 11\.0"),
        ({"tensorrt_rtx": "1.3.0"}, r"tensorrt_rtx 1\.3\.0 is older than 1\.4"),
        ({"tensorrt": ImportError("libnvonnxparser.so.11: cannot open")}, "libnvonnxparser"),
        ({"tensorrt": ModuleNotFoundError("x", name="tensorrt_libs")}, "cannot be imported"),
        ({"tensorrt": ""}, "cannot be imported"),
        ({"tensorrt": "unknown"}, "is older"),
    ],
)
def test_without_one_that_is_new_enough_the_reason_and_the_mend_are_told(
    installed: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, **installed)
    with pytest.raises(Missing, match=told) as missing:
        package.find()
    assert "visavis[rtx]" in missing.value.mend
    examined = backend.examine()
    assert (examined.usable, examined.version) == (False, "")
    assert examined.trouble == missing.value.trouble
    assert examined.mend == missing.value.mend


@pytest.mark.parametrize(
    ("name", "version", "samples"),
    [
        ("tensorrt", "11.1.0.3", False),
        ("tensorrt", "11.2.0.1", True),
        ("tensorrt", "12.0", True),
        ("tensorrt_rtx", "1.5.0.114", False),
        ("tensorrt_rtx", "1.6.1.120", True),
    ],
)
def test_volumes_are_sampled_from_a_version_on(
    name: str, version: str, samples: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, **{name: version})
    assert package.find().samples_volumes == samples


def test_a_device_that_it_does_not_build_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, tensorrt_rtx="1.7.1.116")
    hopper = Device("a big card", (9, 0), 80 << 30, "580.95.05")
    monkeypatch.setattr(driver, "probe", lambda: hopper)
    examined = backend.examine()
    assert not examined.usable
    assert examined.trouble == "tensorrt_rtx 1.7.1.116 builds for SM86, SM89, not for SM90"
    assert "TensorRT 11" in examined.mend
    package.find.cache_clear()
    only(monkeypatch, tensorrt="11.4.0.106")
    assert backend.examine().usable
    assert backend.examine().device == "a big card"


def test_it_is_registered() -> None:
    assert registry.load("backends", "tensorrt") is backend


def python(script: str, libraries: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries or "")}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_naming_the_backend_imports_neither_tensorrt_nor_cuda() -> None:
    done = python(
        "import sys; from engines.backends.tensorrt import backend;"
        "print({name.partition('.')[0] for name in sys.modules}"
        " & {'tensorrt', 'tensorrt_rtx', 'tensorrt_bindings', 'cuda'})"
    )
    assert done.stdout == "set()\n", done.stderr


def has_driver() -> bool:
    try:
        driver.probe()
    except BackendUnavailable as error:
        return NO_DRIVER not in str(error)
    return True


@pytest.mark.skipif(has_driver(), reason="there is a driver")
def test_without_a_driver_loading_is_refused_and_the_process_lives(tmp_path: Path) -> None:
    """A runtime made without a driver would end it."""
    pytest.importorskip("tensorrt_rtx")
    pytest.importorskip("onnx")
    spec = sampler(tmp_path)
    done = python(
        f"""
from pathlib import Path
from engines.backends.tensorrt import backend, device
from engines.errors import BackendUnavailable
from engines.types import ModelSpec
assert backend.examine().version.startswith("tensorrt_rtx 1.")
for call in (lambda: backend(ModelSpec("net", Path({str(spec.path)!r}), "")), device.runtime):
    try:
        call()
    except BackendUnavailable as error:
        print(error)
"""
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(NO_DRIVER) and "install the driver" in line for line in lines)


# A driver made for the purpose: what is asked of it, and what becomes of its answers.

FAKE_CUDA = """
#include <stdlib.h>
#include <string.h>
static int answer(const char *name, int otherwise) {
    const char *value = getenv(name);
    return value ? atoi(value) : otherwise;
}
static int ready;
int cuInit(unsigned flags) { ready = answer("FAKE_INIT", 0) == 0; return answer("FAKE_INIT", 0); }
int cuGetErrorName(int status, const char **name) { *name = "CUDA_ERROR_OF_ITS_OWN"; return 0; }
int cuDriverGetVersion(int *version) { *version = 13020; return 0; }
int cuDeviceGetCount(int *count) { *count = answer("FAKE_COUNT", 1); return ready ? 0 : 3; }
int cuDeviceGet(int *device, int ordinal) { *device = 7; return ordinal; }
int cuDeviceGetName(char *name, int length, int device) {
    strncpy(name, "a card of paper", length);
    return device == 7 ? 0 : 101;
}
#ifndef OLD
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 12ULL << 30; return 0; }
#endif
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 8 : attribute == 76 ? 9 : -1;
    return 0;
}
"""
FAKE_NVML = """
#include <string.h>
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    strncpy(version, "580.95.05", length);
    return 0;
}
"""


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    if not shutil.which("gcc") or has_driver():
        pytest.skip("needs gcc, and no driver in its way")
    return tmp_path


def compiled(folder: Path, name: str, source: str, *options: str) -> None:
    subprocess.run(
        ["gcc", "-shared", "-fPIC", *options, "-o", folder / name, "-xc", "-"],
        input=source,
        text=True,
        check=True,
    )


PROBE = """
from engines.backends.tensorrt import driver
from engines.errors import BackendUnavailable
try:
    found = driver.probe()
    print(found.name, found.capability, found.target, found.memory, found.driver, sep="|")
except BackendUnavailable as error:
    print(error)
"""


def probed(libraries: Path) -> str:
    done = python(PROBE, libraries)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_device_is_described(libraries: Path) -> None:
    compiled(libraries, "libcuda.so.1", FAKE_CUDA)
    assert probed(libraries) == f"a card of paper|(8, 9)|SM89|{12 << 30}|CUDA 13.2"
    compiled(libraries, "libnvidia-ml.so.1", FAKE_NVML)
    assert probed(libraries) == f"a card of paper|(8, 9)|SM89|{12 << 30}|580.95.05"


def test_a_driver_that_does_not_work_is_told_of(
    libraries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled(libraries, "libcuda.so.1", FAKE_CUDA)
    monkeypatch.setenv("FAKE_COUNT", "0")
    assert "shows no device; correct CUDA_VISIBLE_DEVICES" in probed(libraries)
    monkeypatch.setenv("FAKE_INIT", "999")
    assert "cuInit answers CUDA_ERROR_OF_ITS_OWN, 999" in probed(libraries)
    compiled(libraries, "libcuda.so.1", FAKE_CUDA, "-DOLD")
    monkeypatch.undo()
    assert "it has no cuDeviceTotalMem_v2" in probed(libraries)
    (libraries / "libcuda.so.1").write_bytes(b"no library")
    assert NO_DRIVER in probed(libraries)

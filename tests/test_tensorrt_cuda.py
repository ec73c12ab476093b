"""Our calls of CUDA through the real cuda-bindings, with a driver of ours in NVIDIA's place."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engines.backends.tensorrt import cuda
from engines.backends.tensorrt.missing import Missing

pytest.importorskip("cuda.bindings.driver")

SOURCE = Path(__file__).parent / "pretend_driver" / "cuda.c"

LIFE = """
import threading, time
from engines.backends.tensorrt.cuda import Cuda

cuda = Cuda()
free, total = cuda.free_memory()
assert (free, total) == (3 << 30, 4 << 30), (free, total)
stream, event, device, host = cuda.stream(), cuda.event(), cuda.allocate(64), cuda.pin(64)
assert all(type(each) is int for each in (stream, event, device, host))
view = cuda.view(host, 64)
view[:] = range(64)
cuda.to_device(device, host, 64, stream)
view[:] = 0
cuda.to_host(host, device, 64, stream)
assert view.tolist() == list(range(64))
cuda.begin_capture(stream)
graph = cuda.end_capture(stream)
executable = cuda.instantiate(graph)
cuda.drop_graph(graph)
cuda.launch(executable, stream)
cuda.drop_executable(executable)
cuda.record(event, stream)

ticks = 0
def count():
    global ticks
    while True:
        time.sleep(0.005)
        ticks += 1
threading.Thread(target=count, daemon=True).start()
for wait in (lambda: cuda.wait(event), lambda: cuda.finish(stream)):
    before = ticks
    wait()
    assert ticks - before > 3, "the GIL is held while a frame is waited for"

view = None
cuda.unpin(host)
cuda.free(device)
cuda.drop_event(event)
cuda.drop_stream(stream)
cuda.close()
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a `libcuda.so.1`."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed")
    folder = tmp_path_factory.mktemp("driver")
    options = ["-shared", "-fPIC", "-Wall", "-Werror", "-o", str(folder / "libcuda.so.1")]
    subprocess.run([compiler, *options, str(SOURCE), "-ldl"], check=True)
    return folder


def lived(driver: Path, failing: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(driver),
        "PRETEND_FAIL": failing,
        "PRETEND_CODE": str(code),
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", LIFE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_whole_life_and_others_run_while_one_waits(driver: Path) -> None:
    run = lived(driver)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("function", "code", "told"),
    [
        ("cuInit", 100, "BackendUnavailable: the NVIDIA device cannot be used (CUDA: cuInit answ"),
        ("cuDevicePrimaryCtxRetain", 46, "BackendUnavailable: .*CUDA_ERROR_DEVICE_UNAVAILABLE"),
        ("cuMemAlloc", 2, "DeviceFull: the device has no memory left"),
        ("cuStreamCreate", 801, "EngineError: CUDA: cuStreamCreate answers CUDA_ERROR_NOT_SUPP"),
        ("cuEventSynchronize", 719, "DeviceLost: the device went away .*CUDA_ERROR_LAUNCH_FAILED"),
        ("cuStreamSynchronize", 214, "DeviceLost: .*CUDA_ERROR_ECC_UNCORRECTABLE"),
        ("cuMemGetInfo", 99_999, "EngineError: CUDA: cuMemGetInfo "),
    ],
)
def test_each_code_becomes_its_error(driver: Path, function: str, code: int, told: str) -> None:
    run = lived(driver, function, code)
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    pattern = told.replace("(", r"\(")
    assert re.search(pattern, last), last


def test_without_a_driver_it_says_so() -> None:
    run = lived(Path("nowhere"))
    if run.returncode == 0:
        pytest.skip("there is a driver here")
    assert "BackendUnavailable: the NVIDIA device cannot be used" in run.stderr


def test_bindings_that_are_not_installed_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda.check_installed()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Missing, match="cuda-bindings is not installed; pip install cuda-bindings"):
        cuda.check_installed()

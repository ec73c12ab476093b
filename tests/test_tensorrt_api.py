"""What we call is there: our code against the real bindings of TensorRT 11 and TensorRT-RTX.

Neither ships type stubs, so they are made of the bindings (`tensorrt_stubs.py`); mypy then sees
every class, method and parameter. That code which is wrong is found is tried as well.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import tensorrt_stubs

ROOT = Path(__file__).parents[1]
OURS = ROOT / "engines" / "backends" / "tensorrt"
ONLY_RTX = {"ComputeCapability", "CudaGraphStrategy"}
"""Asked for only where `Package.rtx` says so, or after a look whether they are there."""

CONFIG = """
[mypy]
strict = True
python_version = 3.11
follow_imports = silent
[mypy-cuda.*]
ignore_missing_imports = True
"""


@dataclass(frozen=True)
class Real:
    """A package's bindings and the stubs made of them."""

    package: str
    stubs: Path
    libraries: Path

    def mypy(self, *files: Path) -> str:
        """What mypy finds, with nothing let pass."""
        config = self.stubs / "mypy.ini"
        config.write_text(CONFIG)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "mypy", f"--config-file={config}", "--no-error-summary"),
                *(f"--cache-dir={self.stubs / 'cache'}", *map(str, files)),
            ],
            cwd=ROOT,
            env={**tensorrt_stubs.environment(self.libraries), "MYPYPATH": str(self.stubs)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr


@pytest.fixture(scope="module", params=tensorrt_stubs.BINDINGS)
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Real:
    pytest.importorskip("pybind11_stubgen")
    if find_spec(tensorrt_stubs.BINDINGS[request.param]) is None:
        pytest.skip(f"no bindings of {request.param}")
    libraries = tmp_path_factory.mktemp("libraries")
    if request.param == "tensorrt":
        if not shutil.which("gcc"):
            pytest.skip("no gcc to compile stand-ins of TensorRT's libraries")
        tensorrt_stubs.stand_ins(libraries)
    stubs = tmp_path_factory.mktemp(f"stubs_{request.param}")
    tensorrt_stubs.make(request.param, stubs, libraries)
    return Real(request.param, stubs, libraries)


@pytest.mark.timeout(600)
def test_our_code_agrees_with_the_real_bindings(real: Real) -> None:
    assert real.mypy(*sorted(OURS.glob("*.py"))) == ""


OLD = """
import tensorrt as trt

def build(builder: trt.Builder, config: trt.IBuilderConfig) -> None:
    flag = trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH
    builder.create_network(1 << int(flag))
    config.set_flag(trt.BuilderFlag.FP16)
    config.max_workspace_size = 1 << 30
    builder.build_engine(None, config)

def run(context: trt.IExecutionContext, address: int, stream: int) -> None:
    context.set_tensor_address(address, "picture")
    context.execute_async_v2([address], stream)
"""
NEW = """
import tensorrt as trt

def run(context: trt.IExecutionContext, address: int, stream: int) -> None:
    context.set_tensor_address("picture", address)
    context.execute_async_v3(stream)
"""


@pytest.mark.timeout(600)
def test_code_for_older_versions_is_found_out(real: Real, tmp_path: Path) -> None:
    old, new = tmp_path / "old.py", tmp_path / "new.py"
    old.write_text(OLD)
    new.write_text(NEW)
    found = real.mypy(old)
    lines = {int(line.split(":")[1]) for line in found.splitlines() if ": error: " in line}
    assert lines == {5, 7, 8, 9, 12, 13}, found
    assert real.mypy(new) == ""


def used() -> set[tuple[str, ...]]:
    """What our code asks of the module itself, as `("BuilderFlag", "TF32")`."""
    found = set()
    for path in OURS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            inner: ast.AST = node
            while isinstance(inner, ast.Attribute):
                names.insert(0, inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id in ("trt", "module") and names:
                found.add(tuple(names))
            elif "module" in names[:-1]:
                found.add(tuple(names[names.index("module") + 1 :]))
    return found


LOOK = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
missing = []
for names in json.loads(sys.argv[2]):
    found = module
    for name in names:
        if not hasattr(found, name):
            missing.append(names)
            break
        found = getattr(found, name)
print(json.dumps(missing))
"""


def test_every_name_that_we_use_exists(real: Real) -> None:
    names = used()
    assert {("Builder",), ("Runtime",), ("BuilderFlag", "TF32")} <= names
    if real.package == "tensorrt":
        names = {each for each in names if each[0] not in ONLY_RTX}
    invented = [("NoSuchThing",), ("BuilderFlag", "FP16")]
    done = subprocess.run(
        [
            *(sys.executable, "-c", LOOK, tensorrt_stubs.BINDINGS[real.package]),
            json.dumps([*sorted(names), *invented]),
        ],
        env=tensorrt_stubs.environment(real.libraries),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [list(each) for each in invented]

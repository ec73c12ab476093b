"""Type stubs of TensorRT's real bindings, which ship none; no GPU, no driver and no NVIDIA index.

The bindings of TensorRT 11 are on PyPI, the libraries behind them are not: libraries with the few
functions that the bindings ask for when they are imported, all of which answer NULL, are compiled
in their place. That is enough to see every class and every signature, and for nothing else.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

FUNCTIONS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
LIBRARIES = ("libnvinfer.so.11", "libnvinfer_plugin.so.11", "libnvonnxparser.so.11")
BINDINGS = {"tensorrt": "tensorrt_bindings", "tensorrt_rtx": "tensorrt_rtx_bindings"}
_MOST_FIXES = 100


def stand_ins(folder: Path) -> None:
    """Compiles libraries that let TensorRT's bindings be imported where its own are missing."""
    source = "".join(f"void *{name}(void) {{ return 0; }}\n" for name in FUNCTIONS)
    compiler = shutil.which("gcc")
    assert compiler
    for name in LIBRARIES:
        subprocess.run(
            [compiler, "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", folder / name, "-xc", "-"],
            input=source,
            text=True,
            check=True,
        )


def environment(libraries: Path) -> Mapping[str, str]:
    """In which a Python can import the bindings."""
    return {**os.environ, "LD_LIBRARY_PATH": str(libraries)}


def make(package: str, folder: Path, libraries: Path) -> None:
    """Writes stubs of a package's bindings into `folder`, under the name `tensorrt`."""
    bindings = BINDINGS[package]
    subprocess.run(
        [sys.executable, "-m", "pybind11_stubgen", bindings, "-o", folder, "--ignore-all-errors"],
        env=environment(libraries),
        check=True,
        capture_output=True,
    )
    public = folder / "tensorrt"
    public.mkdir()
    (public / "__init__.pyi").write_text(f"from {bindings} import *\n")
    for path in (folder / bindings).glob("*.pyi"):
        path.write_text("# mypy: ignore-errors\n" + _mended(path.read_text()))


def _mended(text: str) -> str:
    """What is valid Python: the bindings' own signatures are not all."""
    text = re.sub(r"\bin: (?=\w)", "in_: ", text)  # a keyword as a parameter's name
    # What C++ gives as a buffer or by its index, the generator does not see.
    for name, method in (
        ("IHostMemory", "__buffer__(self, flags: int, /) -> memoryview"),
        ("Dims", "__iter__(self) -> typing.Iterator[int]"),
    ):
        text = re.sub(rf"(class {name}\b[^\n]*:\n)", rf"\1    def {method}: ...\n", text, count=1)
    # What is passed to a method of ours is an int, and not whatever can be made one.
    text = re.sub(
        r"class IProgressMonitor\b.*?(?=\nclass |\Z)",
        lambda found: found[0].replace("typing.SupportsInt", "int"),
        text,
        count=1,
        flags=re.DOTALL,
    )
    for _ in range(_MOST_FIXES):
        try:
            ast.parse(text)
        except SyntaxError as error:  # a parameter without a default after one with
            line = error.lineno or 0
            lines = text.split("\n")
            lines[line - 1] = re.sub(
                r"\(self.*\)( ->.*)?:",
                r"(self, *args: typing.Any, **kwargs: typing.Any)\1:",
                lines[line - 1],
            )
            text = "\n".join(lines)
        else:
            break
    return text

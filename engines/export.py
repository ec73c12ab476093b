"""A torch module becomes an ONNX file: module and input shapes in, a file that agrees with it out.

Shapes are static, weights lie in the file, the precision is the module's own. A file is kept only
where ONNX Runtime, given random inputs, does with it what torch does with the reference module.
Needs torch, onnx and onnxscript (dependency group `export`); never needed to serve.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx.external_data_helper import uses_external_data
from torch import nn

from engines import atomic_file, model_card, parity, registry
from engines.errors import EngineError, UnusableCheckpoint
from engines.model_card import Precision
from engines.parity import TOLERANCES, Deviation, Run, Trial
from engines.types import ModelSpec

OPSET = 20
"""The first in which GridSample takes volumes."""
_PRODUCER = "visavis"

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Exportable:
    """One artefact in one precision."""

    name: str
    precision: Precision
    module: nn.Module
    """Takes and gives tensors in the order of `inputs` and `outputs`; float32 or uint8 ones."""
    inputs: Shapes
    outputs: tuple[str, ...]

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.{self.precision}.onnx"


def export(artefact: Exportable, folder: Path, trials: Sequence[Trial]) -> model_card.File:
    """Writes `folder/<name>.<precision>.onnx` and says what it is.

    `trials`: what the reference module does with random inputs (`parity.trials` of `runner`), two
    at least. Raises `UnusableCheckpoint` for weights that are no numbers, and `EngineError` where
    the file cannot be written or does not agree with torch; then no file is left.
    """
    _check_finite(artefact)
    spec = _write(artefact, folder / artefact.file)
    try:
        error = _compare(artefact, spec, trials)
    except BaseException:
        spec.path.unlink(missing_ok=True)
        raise
    return model_card.File(
        file=spec.path.name,
        sha256=spec.sha256,
        bytes=spec.path.stat().st_size,
        opset=OPSET,
        inputs=dict(spec.inputs),
        outputs=dict(spec.outputs),
        error=error,
    )


def _write(artefact: Exportable, path: Path) -> ModelSpec:
    """Holds the model's several copies in memory no longer than until it is written."""
    model = to_onnx(artefact)
    inputs, outputs = _shapes(model.graph.input), _shapes(model.graph.output)
    content = model.SerializeToString(deterministic=True)
    atomic_file.write(path, content)
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"{artefact.name}.{artefact.precision}"
    return ModelSpec(name=name, path=path, sha256=sha256, inputs=inputs, outputs=outputs)


def to_onnx(artefact: Exportable) -> onnx.ModelProto:
    """The module as a checked ONNX model with the artefact's names and static shapes.

    It says nothing of the machine that made it: torch would note the place in the source, with its
    path, beside every node. Raises `EngineError` where torch cannot express the module.
    """
    module = artefact.module.eval().requires_grad_(False)
    examples = tuple(torch.zeros(shape) for shape in artefact.inputs.values())
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                examples,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(artefact.inputs),
                output_names=list(artefact.outputs),
                external_data=False,
                verbose=False,
            )
        model: onnx.ModelProto = program.model_proto
    except (RuntimeError, ValueError) as error:
        raise EngineError(
            f"torch {torch.__version__} cannot write {artefact.name!r} as ONNX ({_gist(error)})"
        ) from error
    _strip(model)
    props = {"artefact": artefact.name, "precision": artefact.precision}
    onnx.helper.set_model_props(model, props)
    _check(artefact, model)
    return model


def runner(call: Callable[..., Any]) -> Run:
    """A function of tensors, or a module, as a function of arrays."""

    def run(*inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        with torch.inference_mode():
            given = call(*(torch.from_numpy(np.ascontiguousarray(each)) for each in inputs))
        outputs = given if isinstance(given, tuple) else (given,)
        return [each.numpy() for each in outputs]

    return run


def against() -> str:
    """What artefacts are compared with, in words."""
    return f"torch {torch.__version__}"


def _check_finite(artefact: Exportable) -> None:
    """In half precision a weight may be infinite that is none in the checkpoint."""
    for key, value in artefact.module.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise UnusableCheckpoint(
                f"the weight {key!r} of {artefact.name!r} is not all finite numbers in"
                f" {artefact.precision}; the checkpoint is damaged, or its numbers are too large"
                " for this precision: fetch it anew, or export in fp32"
            )


def _compare(artefact: Exportable, spec: ModelSpec, trials: Sequence[Trial]) -> model_card.Error:
    found, by = _worst(artefact, spec, trials)
    if not found.within(TOLERANCES[artefact.precision]):
        mend = "report it" if artefact.precision == "fp32" else "export in fp32 only"
        raise EngineError(
            f"{artefact.file} does not do what torch does: on {by}, {found.output!r} is off by"
            f" {found.mean:.3g} on average and {found.max:.3g} at most, where different inputs make"
            f" a difference of {found.spread:.3g}; it was not kept; {mend}"
        )
    return model_card.Error(
        max=found.max,
        mean=found.mean,
        spread=found.spread,
        output=found.output,
        by=by,
        against=against(),
    )


def _worst(artefact: Exportable, spec: ModelSpec, trials: Sequence[Trial]) -> tuple[Deviation, str]:
    """The file on ONNX Runtime, or the module in halves, whichever is further off."""
    name = "onnxruntime"
    with closing(registry.load("backends", name)(spec, threads=torch.get_num_threads())) as network:
        try:
            found = parity.deviation(network, trials, artefact.outputs)
        except ValueError as error:
            raise EngineError(f"{artefact.file} gives other outputs than torch: {error}") from error
    if artefact.precision == "fp32":
        return found, name
    # On a processor ONNX Runtime stores halves and computes in float32: what becomes of halves on
    # a GPU only torch shows here.
    halves = parity.deviation(runner(artefact.module), trials, artefact.outputs)
    return max((found, name), (halves, "torch in fp16"), key=lambda each: each[0].badness)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Lets nothing of what torch's exporter says through: its warnings are about itself."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)


def _gist(error: Exception) -> str:
    """The line of the exporter's long message that names the trouble."""
    head, _, summary = str(error).partition("## Exception summary")
    return next((line.strip() for line in (summary or head).splitlines() if line.strip()), "")


def _strip(model: onnx.ModelProto) -> None:
    """Takes out what torch notes about the source and about itself."""
    model.producer_name, model.producer_version, model.doc_string = _PRODUCER, "", ""
    model.ClearField("metadata_props")
    graph = model.graph
    graph.name, graph.doc_string = "network", ""
    graph.ClearField("metadata_props")
    for each in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        each.ClearField("metadata_props")
        each.ClearField("doc_string")


def _check(artefact: Exportable, model: onnx.ModelProto) -> None:
    """Raises `EngineError` unless the model is whole and has the artefact's names and shapes."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise EngineError(f"{artefact.name!r} became a broken ONNX model ({error})") from error
    inputs, outputs = _shapes(model.graph.input), _shapes(model.graph.output)
    if list(inputs.items()) != list(artefact.inputs.items()) or tuple(outputs) != artefact.outputs:
        raise EngineError(
            f"{artefact.name!r} became a model of {inputs} and {outputs}, not of"
            f" {dict(artefact.inputs)} and {artefact.outputs}: an input that no output depends on?"
        )
    if not all(all(shape) for shape in outputs.values()):
        raise EngineError(f"{artefact.name!r} gives outputs of unknown size: {outputs}")
    if model.functions or any(map(uses_external_data, model.graph.initializer)):
        raise EngineError(f"{artefact.name!r} became a model that is not whole in one file")


def _shapes(values: Sequence[onnx.ValueInfoProto]) -> dict[str, tuple[int, ...]]:
    """Names and shapes; 0 for a size that is not fixed."""
    return {
        value.name: tuple(
            size.dim_value if size.HasField("dim_value") else 0
            for size in value.type.tensor_type.shape.dim
        )
        for value in values
    }

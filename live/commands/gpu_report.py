"""`visavis doctor --gpu`: runs the networks on the user's card, and makes a report to send back.

The report holds the machine's parts, versions, figures and errors; no host name, no user name, no
address and no path.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from engines import random_inputs
from engines.backends import onnxruntime
from engines.backends.tensorrt import TensorrtBackend, driver
from engines.backends.tensorrt.cache import EngineCache
from engines.backends.tensorrt.examination import Check, Subject, examine
from engines.errors import ModelUnavailable
from engines.portrait_models import PortraitModels
from engines.shipped_models import shipped
from engines.types import Backend
from engines.weights import ModelStore
from live import settings
from live.commands.models import sets
from live.examination import machine

FILE = "visavis-gpu-report.json"
"""In the current folder."""
FRAMES = 10_000

_FORM = 1
"""Of the report, for who reads many."""
_MOST_WARNINGS = 50
_PACKAGES = ("visavis", "cuda-bindings", "onnxruntime", "numpy")
_CONSTANTS = ("volume", "compressed", "source_keypoints", "stitching")
"""What the portrait's frame is given once for each avatar."""

Report = dict[str, Any]


def run_gpu_report(args: argparse.Namespace) -> int:
    """Examines, prints the report and keeps it in `FILE`; 1 where anything is wrong or missing.

    With `--json` it is printed as JSON, and not kept.
    """
    models = ModelStore(settings.load(args.config).models.folder).folder
    with tempfile.TemporaryDirectory(prefix="visavis-") as scratch:
        report = examined(backend_on(Path(scratch)), models)
        report = _without(report, (Path(scratch), models, Path.home()))
    text = json.dumps(report, indent=2, ensure_ascii=False)
    if args.json:
        print(text)
    else:
        print("\n".join(written(report)))
        if report["networks"]:
            Path(FILE).write_text(f"{text}\n", "utf-8")
            print(f"\nThe report is {FILE}: please send it back (docs/tensorrt.md says where to).")
    return 0 if report["ok"] else 1


def backend_on(folder: Path) -> Backend:
    """A backend with an engine cache of its own, so that engines are built and not found."""
    return TensorrtBackend(EngineCache(folder))


def examined(backend: Backend, models: Path) -> Report:
    """The whole report; `models`: the folder of models."""
    found = backend.examine()
    report: Report = {
        "report": "visavis doctor --gpu",
        "form": _FORM,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "ok": found.usable,
        "versions": {name: _version(name) for name in _PACKAGES},
        "machine": {each.what: each.found for each in machine.examine()},
        "tensorrt": asdict(found),
        "notes": [],
        "networks": [],
        "warnings": [],
    }
    if not found.usable:
        return report
    report["device"] = asdict(driver.probe())
    with _heard(report["warnings"]):
        for subject in subjects(models, report["notes"]):
            checks = list(_followed(backend, subject))
            report["networks"].append(_network(subject, checks))
            report["ok"] &= all(check.ok for check in checks)
    return report


def written(report: Report) -> Iterator[str]:
    """The report in lines for people."""
    for what, found in report["machine"].items():
        yield f"{what}: {found}"
    tensorrt = report["tensorrt"]
    if not tensorrt["usable"]:
        yield f"NO  {tensorrt['version'] or 'TensorRT'}: {tensorrt['trouble']}"
        yield f"    → {tensorrt['mend']}"
        return
    yield f"{tensorrt['version']} on {tensorrt['device']}"
    for network in report["networks"]:
        yield f"\n{network['name']}"
        for check in network["checks"]:
            figures = ", ".join(
                f"{name} {_short(value)}" for name, value in check["figures"].items()
            )
            yield f"{'ok' if check['ok'] else 'NO':2}  {check['name']:15} {figures}"
            if check["note"]:
                yield f"    → {check['note']}"
    for note in (*report["notes"], *report["warnings"]):
        yield f"\n– {note}"


def _followed(backend: Backend, subject: Subject) -> Iterator[Check]:
    """The checks, told on stderr while they run."""

    def say(what: str) -> None:
        sys.stderr.write(f"{subject.spec.name}: {what} …\n")
        sys.stderr.flush()

    return examine(backend, subject, frames=FRAMES, say=say)


def _network(subject: Subject, checks: Sequence[Check]) -> Report:
    return {
        "name": subject.spec.name,
        "sha256": subject.spec.sha256,
        "inputs": {name: list(shape) for name, shape in subject.spec.inputs.items()},
        "checks": [asdict(check) for check in checks],
    }


def subjects(models: Path, notes: list[str]) -> Iterator[Subject]:
    """What there is to examine here; `notes`: what there is not."""
    yield _speech()
    folders = list(sets.folders(models))
    for folder in folders:
        try:
            yield from _portrait(PortraitModels(folder, untrained=True))
        except ModelUnavailable as error:
            notes.append(str(error))
    if not folders:
        notes.append(
            "no portrait's networks are here, which are those that matter most: make some by"
            " `visavis models export portrait`, of random weights where there are no others"
        )


def _speech() -> Subject:
    """The network that hears, for as many frames as are drawn: engines have fixed shapes."""
    spec = shipped("speech").spec
    with closing(onnxruntime.load(spec)) as network:
        drawn = random_inputs.draw(network.inputs, np.random.default_rng(0))
    shapes = {name: array.shape for name, array in drawn.items()}
    return Subject(replace(spec, inputs=shapes), "fp32", spec)


def _portrait(models: PortraitModels) -> Iterator[Subject]:
    for name in models.card.artefacts:
        for precision in models.precisions(name):
            exact = "fp32" if "fp32" in models.precisions(name) else precision
            frame = name == "frame"
            yield Subject(
                models.spec(name, precision),
                precision,
                models.spec(name, exact),
                _CONSTANTS if frame else (),
                every_frame=frame,
            )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@contextmanager
def _heard(warnings: list[str]) -> Iterator[None]:
    """Notes what the engines warn of meanwhile: an examination that is quiet says little."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if len(warnings) < _MOST_WARNINGS and record.getMessage() not in warnings:
                warnings.append(record.getMessage())

    logger, handler = logging.getLogger("engines"), Handler(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _without(report: Report, folders: Sequence[Path]) -> Report:
    """The report with the names of folders struck out: they name people as a rule."""
    text = json.dumps(report, ensure_ascii=False)
    for folder in folders:
        text = text.replace(json.dumps(str(folder), ensure_ascii=False)[1:-1], "…")
    struck: Report = json.loads(text)
    return struck


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)

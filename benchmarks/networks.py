"""What each network costs on each backend of the processor, as ratios to torch in the same run.

All ways to run one network are loaded in one process and take turns in random order, round by
round, so that whatever else the machine does falls on all of them alike. CPU is what the whole
process used, threads of a library included; torch's do not spin between calls
(`OMP_WAIT_POLICY=PASSIVE`), nor do the backends'. Weights are random, which costs the same.

`ratio` is a way's median over that of torch's eager mode on as many threads in the same rounds:
below 1 is faster. Where torch is not installed it is ONNX Runtime on one thread that all are
compared with, and only the networks that come with Visavis are measured.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import network_subjects
from benchmarks.network_subjects import Run, Subject, Which
from engines.backends import choice
from engines.errors import EngineError
from engines.types import ModelSpec

BACKENDS = ("onnxruntime", "openvino", "litert")
THREADS = (1, 2)

_ROUNDS, _QUICK_ROUNDS = 15, 4
_SLOW_MS, _SLOW_ROUNDS = 1000.0, 3
"""From a call of so much CPU on, rounds are few and nothing is run untimed before."""


@dataclass(slots=True)
class Contender:
    """One way to run a network, and what it took."""

    name: str
    threads: int
    run: Run
    load_ms: float = 0.0
    first_ms: float = 0.0
    """The first call's wall time."""
    difference: float = 0.0
    """Largest absolute one from the reference, on the same input; of pictures in levels of 255."""
    cpu_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)

    def timed(self, inputs: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """Runs it once and notes what it took."""
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        outputs = self.run(*inputs)
        self.cpu_ms.append((time.process_time_ns() - cpu) / 1e6)
        self.wall_ms.append((time.perf_counter_ns() - wall) / 1e6)
        return outputs

    def first(self, inputs: Sequence[NDArray[Any]]) -> None:
        """The first call, kept apart: it pays for what is set up lazily."""
        self.timed(inputs)
        self.first_ms = self.wall_ms.pop()


def measure(which: Which, *, quick: bool, seed: int = 0) -> dict[str, Any]:
    """Every network's table, and those that could not be measured with the reason."""
    # Read when torch's thread pool is made: after this, by the first import of torch in here.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    generator = np.random.default_rng(seed)
    with network_subjects.made(which, generator) as subjects:
        return {subject.name: _of(subject, generator, quick=quick) for subject in subjects}


def _of(subject: Subject, generator: np.random.Generator, *, quick: bool) -> dict[str, Any]:
    inputs = subject.inputs
    contenders, passed_over = _contenders(subject)
    for each in contenders:
        each.first(inputs)
    slow = max(each.cpu_ms.pop() for each in contenders) > _SLOW_MS
    rounds = _SLOW_ROUNDS if slow else _QUICK_ROUNDS if quick else _ROUNDS
    expected: Sequence[NDArray[Any]] = contenders[0].run(*inputs)
    for _ in range(rounds):
        for place in generator.permutation(len(contenders)):
            contender = contenders[place]
            if not slow:
                contender.run(*inputs)
            contender.difference = _apart(contender.timed(inputs), expected)
    return {
        "reference": contenders[0].name,
        "rounds": rounds,
        "ways": [_figures(each, contenders) for each in contenders],
        "passed_over": passed_over,
    }


def _contenders(subject: Subject) -> tuple[list[Contender], dict[str, str]]:
    """The reference on each number of threads first, then each backend that can load the file."""
    found: list[Contender] = []
    passed_over: dict[str, str] = {}
    if subject.torch is not None:
        found += [Contender("torch", count, subject.torch(count)) for count in THREADS]
    for backend in BACKENDS:
        for precision, spec in subject.files.items():
            if subject.takes(backend):
                name = f"{backend} {precision}".strip()
                try:
                    found += [_loaded(name, backend, spec, count) for count in THREADS]
                except EngineError as error:
                    passed_over[name] = str(error)
    return found, passed_over


def _loaded(name: str, backend: str, spec: ModelSpec, threads: int) -> Contender:
    began = time.perf_counter_ns()
    network = choice.find(backend)(spec, threads=threads)
    return Contender(name, threads, network, load_ms=(time.perf_counter_ns() - began) / 1e6)


def _apart(one: Sequence[NDArray[Any]], other: Sequence[NDArray[Any]]) -> float:
    pairs = zip(one, other, strict=True)
    return max(float(np.abs(a.astype(np.float64) - b).max()) for a, b in pairs)


def _figures(contender: Contender, contenders: Iterable[Contender]) -> dict[str, Any]:
    reference = next(
        (each for each in contenders if (each.name, each.threads) == ("torch", contender.threads)),
        next(iter(contenders)),
    )
    return {
        "name": contender.name,
        "threads": contender.threads,
        "cpu_ms": _median(contender.cpu_ms),
        "wall_ms": _median(contender.wall_ms),
        "cpu_ratio": _ratio(contender.cpu_ms, reference.cpu_ms),
        "wall_ratio": _ratio(contender.wall_ms, reference.wall_ms),
        "load_ms": round(contender.load_ms, 1),
        "first_ms": round(contender.first_ms, 1),
        "difference": float(f"{contender.difference:.2g}"),
    }


def _median(samples: Sequence[float]) -> float:
    return round(float(np.median(samples)), 2)


def _ratio(samples: Sequence[float], reference: Sequence[float]) -> float:
    return round(float(np.median(samples) / np.median(reference)), 2)


def show(tables: dict[str, Any]) -> None:
    """Prints a table for each network."""
    for name, table in tables.items():
        print(f"\n{name}, against {table['reference']}, {table['rounds']} rounds")
        print(
            f"{'':22}{'threads':>8}{'CPU ms':>10}{'ratio':>7}{'wall ms':>10}{'ratio':>7}"
            f"{'load':>8}{'first':>9}{'off by':>9}"
        )
        for way in table["ways"]:
            print(
                f"{way['name']:22}{way['threads']:8}{way['cpu_ms']:10.2f}{way['cpu_ratio']:7.2f}"
                f"{way['wall_ms']:10.2f}{way['wall_ratio']:7.2f}{way['load_ms']:8.0f}"
                f"{way['first_ms']:9.1f}{way['difference']:9.2g}"
            )
        for backend, reason in table["passed_over"].items():
            print(f"{backend:22} {reason}")

"""`visavis bench NAME`: a benchmark's name and options go in, its figures come out.

A benchmark is a module of `benchmarks` with `add_arguments(parser)` and `run(args)`; `run` prints
for people, writes its record where `--json` says, and returns that record or an exit code.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from live.__main__ import Subparsers

BENCHMARKS = {
    "latency": "what the avatar adds to a call's delay",
    "voice_latency": "how late a microphone's sound comes back",
    "rooms": "milliseconds of CPU for each room of a frame's way",
    "sessions": "how many calls are held at once, and their memory",
    "soak": "what hours of calls at random leave behind",
    "startup": "the time to the page and to the first call's first picture",
    "quality": "how faithfully an avatar repeats its driver",
    "lipsync": "how well a mouth follows speech by listening",
    "avsync": "how far picture and sound are apart where they arrive",
    "faults": "what loss, jitter, a narrow line or an outage does to a call",
    "mark": "what the live mark lives through, how well it hides, what it costs",
    "mark_false_alarms": "how often a live mark is found where none is",
    "likeness": "how well enrolment's geometry tells faces apart, on made heads",
    "reading": "how well enrolment tells whose mouth says a phrase, on synthetic voices",
    "isolation": "tracking in a thread or a process, beside other work",
}
"""Each benchmark's module and its line in `visavis bench --help`."""

REPORT = "records as a page with plots, and what has changed since older ones"


def add_to(subparsers: Subparsers) -> None:
    """Adds the command with a sub-command for each benchmark."""
    parser = subparsers.add_parser("bench", help="run the benchmarks")
    names = parser.add_subparsers(title="benchmarks", metavar="NAME", required=True)
    for name, line in BENCHMARKS.items():
        if find_spec(f"benchmarks.{name}") is None:
            continue
        module = importlib.import_module(f"benchmarks.{name}")
        bench = names.add_parser(name, help=line, description=f"Measures {line}.")
        module.add_arguments(bench)
        bench.set_defaults(run=partial(run, module.run))
    report = importlib.import_module("benchmarks.report")
    shown = names.add_parser("report", help=REPORT, description=f"Shows {REPORT}.")
    report.add_arguments(shown)
    shown.set_defaults(run=partial(run, report.run))


def run(benchmark: Callable[[argparse.Namespace], Any], args: argparse.Namespace) -> int:
    """Runs one benchmark."""
    result = benchmark(args)
    return result if isinstance(result, int) else 0

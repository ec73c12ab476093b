"""`visavis models parity`: do all backends make the same of every network, and torch too?"""

from __future__ import annotations

import argparse
import json
import math
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from engines import parity_table, shipped_models
from engines.backends import choice
from engines.errors import BackendUnavailable
from engines.parity_table import Row, Subject, Verdict
from engines.portrait_models import FOLDER, PortraitModels
from engines.types import Backend
from engines.weights import ModelStore
from live import settings
from live.commands.models import sets, subjects


def run(args: argparse.Namespace) -> int:
    """Prints the table; 1 where anything misses, or a backend that was named refuses."""
    models = ModelStore(settings.load(args.config).models.folder).folder
    backends = dict(_backends(args.backend))
    seed = secrets.randbits(32) if args.seed is None else args.seed
    found = parity_table.rows(
        _subjects(args, models, seed), backends, threads=len(os.sched_getaffinity(0))
    )
    rows = list(found) if args.json else _printed(found, seed)
    if args.json:
        print(json.dumps({"seed": seed, "rows": [_told(row) for row in rows]}, indent=2))
    if not rows:
        sys.stderr.write(
            "nothing was compared: there is one way only to run these networks here; install"
            " torch or another backend\n"
        )
    bad = {Verdict.MISSES, *([Verdict.REFUSED] if args.backend else [])}
    return 1 if any(row.verdict in bad for row in rows) else 0


def _backends(named: Sequence[str] | None) -> Iterator[tuple[str, Backend]]:
    """Those that are named, all of which have to work, or those that do."""
    for name in named or choice.ORDER:
        backend = choice.find(name)
        examined = backend.examine()
        if examined.usable:
            yield name, backend
        elif named:
            raise BackendUnavailable(f"{name}: {examined.trouble}; {examined.mend}")
        else:
            sys.stderr.write(f"{name} takes no part: {examined.trouble}\n")


def _subjects(args: argparse.Namespace, models: Path, seed: int) -> list[Subject]:
    generator = np.random.default_rng(seed)
    word = args.network
    found: list[Subject] = []
    own = shipped_models.names()
    for name in own if word is None else {word} & {*own}:
        found.append(subjects.ours(name, generator, args.trials))
    portraits = list(sets.folders(models)) if word is None else [sets.meant(word, models)]
    for folder in () if word in own else portraits:
        which = PortraitModels(folder, untrained=True)
        found += subjects.portrait(which, generator, args.trials, args.checkpoint)
    if word is None and not portraits:
        sys.stderr.write(f"there is no set of a portrait's networks: {models / FOLDER}\n")
    return found


def _told(row: Row) -> dict[str, Any]:
    """The row as JSON has it, which knows no infinity."""
    told = asdict(row)
    for key, value in (told["deviation"] or {}).items():
        if isinstance(value, float) and not math.isfinite(value):
            told["deviation"][key] = None
    return told


def _printed(found: Iterator[Row], seed: int) -> list[Row]:
    rows = []
    reference = ""
    for row in found:
        if row.reference != reference:
            reference = row.reference
            print(f"against {reference}, random inputs of seed {seed}:")
            print(
                f"  {'network':10} {'':4} {'backend':12} {'mean':>9} {'max':>9} {'spread':>9}"
                f" {'mean/spread':>11} {'allowed':>7}"
            )
        print(f"  {row.network:10} {row.precision:4} {row.backend:12} {_figures(row)}", flush=True)
        rows.append(row)
    return rows


def _figures(row: Row) -> str:
    error = row.deviation
    if error is None:
        return f"{row.verdict}: {row.note}"
    share = error.mean / error.spread if error.spread else float("inf")
    return (
        f"{error.mean:9.2g} {error.max:9.2g} {error.spread:9.2g} {share:11.2g}"
        f" {row.tolerance.mean:7.2g}  {row.verdict} ({error.output})"
    )

"""What the live mark lives through, whether it is seen, and what it costs: a table comes out.

Every window of two seconds is marked, sent through a call's codec at a bit rate, attacked, and
read (`mark_trials`, `mark_codecs`, `mark_attacks`). A cell tells how many windows gave back the
very payload that was put in, with a 95 % Wilson interval. A wrong payload is worse than none and is
counted apart. How well the mark hides, and its cost: `mark_visibility`. How often a mark is found
where none is: `mark_false_alarms`. Who interrupts it gets the table of the turns that are complete.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks import mark_plot, mark_subjects, mark_visibility, record, spread
from benchmarks.mark_attacks import attacks
from benchmarks.mark_codecs import Codec
from benchmarks.mark_trials import Marker, Outcome, Plan, Reader, Trial, stream, trials
from engines.mark import Detector, Mark
from live.errors import BadRequest

BITRATES = (150_000, 300_000, 600_000, 1_500_000)
PROMISED = 300_000
"""The mark has to be recovered from here on."""
_TURNS, _QUICK_TURNS = 9, 1
_ROWS = 4
"""Of the contact sheet."""
_QUICK_ATTACKS = ("none", "scale 0.75", "crop 70 %", "mirror", "re-encoded 300")
_NAMES = tuple(attacks(Codec.VP8))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `visavis bench mark`."""
    record.add_arguments(parser)
    parser.add_argument(
        "--windows", type=int, help=f"for each cell of the table ({_TURNS}; {_QUICK_TURNS})"
    )
    parser.add_argument(
        "--bitrate", type=int, action="append", metavar="KBIT/S", help="only this; may be repeated"
    )
    parser.add_argument(
        "--attack",
        action="append",
        choices=_NAMES,
        metavar="NAME",
        help="only this one of the table; may be repeated",
    )
    parser.add_argument(
        "--clips", type=Path, metavar="FOLDER", help="its MP4 files are subjects too"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="recovery by bit rate")
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE.png", help="unmarked, marked, difference, coded"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints the tables, writes the record and returns it."""
    cv2.setNumThreads(1)
    recorder = record.Recorder("mark", args)
    plan = plan_of(args)
    found = made(plan, Mark, Detector)
    looks, rows = [], []
    for turn in range(found[-1].turn + 1):
        seen = stream(plan, turn, Mark)
        looks.append(mark_visibility.look(seen, Mark(seen.key, seen.payload)))
        if args.sheet and turn < _ROWS:
            rows.append(mark_plot.row(seen))
    figures = summary(found) | mark_visibility.summary(looks)
    show(figures)
    if args.plot:
        args.plot.write_text(mark_plot.recovery(figures), encoding="utf-8")
    if args.sheet:
        mark_plot.sheet(args.sheet, rows)
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


def plan_of(args: argparse.Namespace) -> Plan:
    """Which trials the options ask for; raises `BadRequest`."""
    clips = mark_subjects.clips_of(args.clips)
    if args.clips and not clips:
        raise BadRequest(f"--clips: there are no MP4 files in {args.clips}")
    turns = args.windows or (_QUICK_TURNS if args.quick else _TURNS)
    if turns < 1 or any(not 50 <= bitrate <= 20_000 for bitrate in args.bitrate or ()):
        raise BadRequest("--windows wants 1 or more, --bitrate 50 to 20000 kbit/s")
    bitrates = [1000 * bitrate for bitrate in args.bitrate or ()]
    return Plan(
        turns,
        bitrates or ([PROMISED] if args.quick else BITRATES),
        args.attack or (_QUICK_ATTACKS if args.quick else _NAMES),
        clips,
        args.seed,
    )


def summary(found: Sequence[Trial]) -> dict[str, Any]:
    """The table's figures: by cell, by codec and bit rate, over all, and by subject."""
    cells = list(dict.fromkeys(trial.cell for trial in found))
    lines = list(dict.fromkeys((cell.codec, cell.bitrate) for cell in cells))
    promised = [trial for trial in found if trial.cell.bitrate >= PROMISED]
    below = [trial for trial in found if trial.cell.bitrate < PROMISED]
    return {
        "cells": [
            {"codec": cell.codec, "bitrate": cell.bitrate, "attack": cell.attack}
            | share([trial for trial in found if trial.cell == cell])
            for cell in cells
        ],
        "lines": [
            {"codec": codec, "bitrate": bitrate}
            | share(of := [t for t in found if (t.cell.codec, t.cell.bitrate) == (codec, bitrate)])
            | {"reached": round(float(np.mean([trial.reached for trial in of])))}
            for codec, bitrate in lines
        ],
        "promised": share(promised),
        "below": share(below),
        "missed_subjects": dict(
            Counter(
                f"{trial.subject}{', labelled' if trial.labelled else ''}"
                for trial in promised
                if trial.outcome is not Outcome.RIGHT
            ).most_common()
        ),
        "score": lowest([trial.score for trial in promised if trial.score is not None]),
        "find_s": spread.summary([trial.find_s for trial in found], 3),
        "find_missed_s": spread.summary(
            [trial.find_s for trial in found if trial.outcome is Outcome.MISSED], 3
        ),
    }


def share(found: Sequence[Trial]) -> dict[str, Any]:
    """Windows, those recovered, those with a wrong payload, and the interval of the share."""
    outcomes = Counter(trial.outcome for trial in found)
    right = outcomes[Outcome.RIGHT]
    return {
        "windows": len(found),
        "right": right,
        "wrong": outcomes[Outcome.WRONG],
        "interval95": spread.wilson(right, len(found)),
    }


def lowest(scores: Sequence[float]) -> dict[str, float] | None:
    """How near to the limit those come that were found."""
    if not scores:
        return None
    least, p1, p50 = np.percentile(scores, (0, 1, 50))
    return {"min": round(least, 2), "p1": round(p1, 2), "p50": round(p50, 2)}


def show(figures: dict[str, Any]) -> None:
    """Prints the tables."""
    for codec in Codec:
        lines = [line for line in figures["lines"] if line["codec"] == codec]
        print(f"\n{codec + ', kbit/s':36}" + _row([f"{line['bitrate'] // 1000}" for line in lines]))
        print(f"{'reached':36}" + _row([f"{line['reached'] / 1000:.0f}" for line in lines]))
        for attack in dict.fromkeys(cell["attack"] for cell in figures["cells"]):
            cells = [
                cell
                for cell in figures["cells"]
                if (cell["codec"], cell["attack"]) == (codec, attack)
            ]
            print(f"{attack:36}" + _row([_share(cell) for cell in cells]))
        print(f"{'all':36}" + _row([_share(line) for line in lines]))
    print("\n% of windows recovered (95 % interval)")
    for name, label in (("promised", f"from {PROMISED // 1000} kbit/s on"), ("below", "below")):
        found = figures[name]
        if found["windows"]:
            counts = f"{found['right']} of {found['windows']}, {found['wrong']} wrong"
            print(f"{label:36}{_share(found)}: {counts}")
    if figures["score"]:
        found = ", ".join(f"{name} {value}" for name, value in figures["score"].items())
        print(f"scores of those found from {PROMISED // 1000} kbit/s on: {found}")
    for subject, missed in figures["missed_subjects"].items():
        print(f"  not recovered there: {subject}, {missed}")
    _show_hidden(figures)


def _show_hidden(figures: dict[str, Any]) -> None:
    psnr, flicker, cost = figures["psnr_db"], figures["flicker"], figures["cost"]
    print(f"PSNR: mean {psnr['mean']} dB, lowest {psnr['min']} dB")
    for over in ("pixels", "areas"):
        mark, codec = flicker[f"mark_{over}"], flicker[f"codec_{over}"]
        print(f"flicker by {over}: {mark} levels; the codec's {codec}")
    label, mark = cost["label_ms"]["p50"], cost["mark_ms"]["p50"]
    print(f"CPU a picture: mark {mark} ms, label {label} ms: {cost['mark_over_label']} times")
    find = figures["find_s"]
    print(f"CPU a detection: {find['p50']} s, at most {find['max']} s")


def _row(texts: Sequence[str]) -> str:
    return "".join(f"{text:>16}" for text in texts)


def _share(found: dict[str, Any]) -> str:
    low, high = found["interval95"]
    wrong = f" {found['wrong']}!" if found["wrong"] else ""
    return (
        f"{100 * found['right'] / found['windows']:.0f} ({100 * low:.0f}–{100 * high:.0f}){wrong}"
    )


def made(plan: Plan, marker: Marker, reader: Reader) -> list[Trial]:
    """All trials; on an interrupt, those of the turns that are complete. Raises it without any."""
    found: list[Trial] = []
    bar = tqdm(
        trials(plan, marker, reader), total=plan.count, desc="mark", unit="window", disable=None
    )
    try:
        for trial in bar:
            found.append(trial)
    except KeyboardInterrupt:
        whole = len(found) // (plan.count // plan.turns)
        if not whole:
            raise
        return [trial for trial in found if trial.turn < whole]
    return found

"""Calls of each kind go in, what is said of a cell comes out, and its table."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from benchmarks import spread
from benchmarks.call import CallFailed, Seen, Stage
from benchmarks.cells import Cell

Runs = dict[tuple[str, Cell], list[Seen]]
"""By kind of call and cell."""


def figures_of(runs: Runs, cell: Cell, kinds: Sequence[str]) -> dict[str, Any]:
    """What is said of one cell; raises `CallFailed` where a call had no pictures."""
    if not all(seen.ages_ms for kind in kinds for seen in runs[kind, cell]):
        raise CallFailed(f"{cell.name}: a call brought no picture while it was measured")
    figures: dict[str, Any] = {kind: _kind_figures(runs[kind, cell], cell.fps) for kind in kinds}
    ages = {kind: [seen.ages_ms for seen in runs[kind, cell]] for kind in kinds}
    for one, other in itertools.permutations(kinds, 2):
        if (one, other) in (("avatar", "echo"), ("echo", "aiortc"), ("theirs", "echo")):
            added = figures[f"{one}_over_{other}"] = spread.added(ages[one], ages[other])
            p95s = [figures[kind]["age_ms"]["p95"] for kind in (one, other)]
            added["p95"] = round(p95s[0] - p95s[1], 2)
    return figures


def _kind_figures(runs: Sequence[Seen], fps: int) -> dict[str, Any]:
    ages = list(itertools.chain.from_iterable(seen.ages_ms for seen in runs))
    pictures = len(ages)
    return {
        "age_ms": spread.summary(ages),
        "mean_ms": round(fmean(ages), 2),
        "stages": [stage._asdict() for stage in stages_of(runs)],
        "by_call": [
            {
                "p50": round(median(seen.ages_ms), 1),
                "others_cpu_percent": round(100 * seen.others_cpu_s / seen.seconds),
                "ages": [
                    [round(at_s, 3), round(age, 1)]
                    for at_s, age in zip(seen.at_s, seen.ages_ms, strict=True)
                ],
            }
            for seen in runs
        ],
        "fps": round(pictures / sum(seen.seconds for seen in runs), 1),
        "kept_up": all(seen.fps > 0.95 * fps for seen in runs),
        "lost": max(0, sum(seen.sent for seen in runs) - pictures),
        "uncoded": sum(seen.uncoded for seen in runs),
        "size": runs[-1].size,
        "first_frame_ms": spread.summary([seen.first_frame_ms for seen in runs], 0),
        "server_cpu_ms_per_picture": round(
            1000 * sum(seen.server_cpu_s for seen in runs) / pictures, 2
        ),
        "caller_cpu_ms_per_picture": round(
            1000 * sum(seen.caller_cpu_s for seen in runs) / pictures, 2
        ),
        "server_ms": _server_ms([seen.report for seen in runs if seen.report]),
    }


def stages_of(runs: Sequence[Seen]) -> list[Stage]:
    """The stages over all calls; a call counts by its pictures, so they add up to the mean."""
    pictures = sum(len(seen.ages_ms) for seen in runs)
    summed: dict[tuple[str, Any], float] = defaultdict(float)
    exact: dict[tuple[str, Any], bool] = {}
    for seen in runs:
        for stage in seen.stages:
            summed[stage.stage, stage.side] += stage.ms * len(seen.ages_ms)
            exact[stage.stage, stage.side] = stage.exact
    found = [
        Stage(name, side, round(total / pictures, 2), exact[name, side])
        for (name, side), total in summed.items()
    ]
    return sorted(found, key=lambda stage: stage.side == "rest")


def _server_ms(reports: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """By the server's own reports: from a picture's first packet in to its last packet out, and in
    each stage; the median over the calls of each call's percentiles."""
    rows: defaultdict[str, list[Mapping[str, float]]] = defaultdict(list)
    for report in reports:
        named = {
            "captured_to_sent": report.get("latency_ms"),
            **report.get("stages_ms", {}),
        }
        for name, found in named.items():
            if found:
                rows[name].append(found)
    return {
        name: {p: round(median(each[p] for each in found), 2) for p in ("p50", "p95", "p99")}
        for name, found in rows.items()
    }


def progress(number: int, cell: Cell, kind: str, seen: Seen) -> str:
    """A line for one call."""
    age = spread.summary(seen.ages_ms, 1)
    delay = f"{age['p50']:6.1f} / {age['p95']:6.1f} ms" if age else "no pictures"
    others = f"(others {100 * seen.others_cpu_s / seen.seconds:.0f} % CPU)"
    return f"round {number + 1}  {cell.name:13} {kind:7} {delay}  {seen.fps:5.1f} fps  {others}"


def show(cells: Mapping[str, Mapping[str, Any]], kinds: Sequence[str]) -> None:
    """Prints the table of all cells, and what the delay consists of."""
    width = max(14, *(len(name) for name in cells)) + 1
    heads = f"{'p50':>7}{'p95':>7}{'p99':>7}{'fps':>7}{'CPU/picture':>13}{'out':>11}"
    print(f"\n{'ms':{width}}{'':8}{heads}")
    for name, cell in cells.items():
        for kind in kinds:
            one = cell[kind]
            age = one["age_ms"]
            late = "" if one["kept_up"] else "  did not keep up"
            out = "x".join(str(side) for side in one["size"])
            print(
                f"{name:{width}}{kind:8}{age['p50']:7.1f}{age['p95']:7.1f}{age['p99']:7.1f}"
                f"{one['fps']:7.1f}{one['server_cpu_ms_per_picture']:13.1f}{out:>11}{late}"
            )
        if (added := cell.get("avatar_over_echo")) is not None:
            interval = added["interval95"]
            sure = f" (95 %: {interval[0]:.1f} to {interval[1]:.1f})" if interval else ""
            print(f"{name:{width}}the avatar adds {added['median']:.1f} ms{sure};", end=" ")
            print(f"p95 {added['p95']:+.1f}\n")
    for name, cell in cells.items():
        for kind in kinds:
            _show_stages(name, kind, cell[kind])


def _show_stages(name: str, kind: str, one: Mapping[str, Any]) -> None:
    if one["stages"]:
        parts = ", ".join(f"{stage['stage']} {stage['ms']:.1f}" for stage in one["stages"])
        print(f"{name} {kind}: {one['mean_ms']:.1f} ms (mean) = {parts}")

"""What a bad line does to a call: the same faults, by the same lots, in front of several servers.

A real Chromium calls through a link that delays, loses, holds up or cuts what passes, both ways
(`benchmarks.netem`; the cases are in `benchmarks.netem.cases`, 20 ms each way in all). The pictures
carry the time at which they were drawn, so delay is measured on one clock, as displayed. A call
begins on a calm line; once it has settled the fault begins, and from then on it is measured. The
kinds of calls (`echo`, `avatar`, `aiortc` as in `visavis bench latency`) are made in turn, with the
same seeds: the n-th packet of a call is lost whoever sent it. A foreign server that sends pictures
back can be put beside them (`--offer URL`, or `--whip URL --whep URL`), as `theirs`.

* delay: of each picture when it is first shown. A picture whose time code cannot be read has none
  and is counted as unreadable: smeared, or, of an avatar, drawn without a camera picture.
* freezes: gaps of more than 100 ms between two readable new pictures; their sum, and the longest.
* after an outage: from when the link is back until a new picture is shown (`first`), and one that
  was drawn since (`fresh`); the delay before, and from two seconds after.
* counters: of the browser (`getStats`), both ways; of the link, of which `late_ms` is what it costs
  itself; and the server's own report.

`--heard` wants sound back, too: then pictures wait for it, and concealed sound is counted.
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from benchmarks import browser, clip, faulty, record, targets
from benchmarks.call import CallPlan
from benchmarks.faults_figures import OURS, Calls, figures_of, progress, show
from benchmarks.latency import add_target_arguments
from benchmarks.latency_calls import KINDS, THEIRS
from benchmarks.netem.cases import CASES
from benchmarks.serving import Serving
from live.errors import BadRequest

_CLIP_PICTURES = 120
_SIZE = (512, 512)
_SETTINGS = {
    "SESSIONS__PLACES": "4",
    "SERVER__POSTS_PER_MINUTE": "10000",
    "LOGS__LEVEL": "warning",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    clip.add_arguments(parser)
    parser.add_argument("--cases", help=f"which, with commas ({','.join(CASES)})")
    parser.add_argument("--kinds", help=f"which, with commas ({','.join(KINDS)})")
    parser.add_argument("--codecs", help="which, with commas (H264,VP8; H264 with --quick)")
    parser.add_argument("--seconds", type=float, help="measured of each call (12; 6 with --quick)")
    parser.add_argument("--warm", type=float, help="before the fault begins (3; 2)")
    parser.add_argument("--rounds", type=int, default=1, help="calls of each, with other seeds (1)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round (1)")
    parser.add_argument("--heard", action="store_true", help="calls whose sound is wanted back")
    add_target_arguments(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints, writes the record and returns it."""
    cases = _chosen("--cases", args.cases or ("loss5,outage" if args.quick else None), CASES)
    kinds = _chosen("--kinds", args.kinds or ("echo,aiortc" if args.quick else None), KINDS)
    codecs = _chosen("--codecs", args.codecs or ("H264" if args.quick else None), ("H264", "VP8"))
    theirs = targets.named(args.offer, args.whip, args.whep, args.token_file)
    recorder = record.Recorder("faults", args)
    calls: Calls = defaultdict(dict)
    with ExitStack() as stack:
        servers = {kind: stack.enter_context(Serving(kind, _SETTINGS)) for kind in kinds}
        tabs = stack.enter_context(browser.running("chromium"))
        camera = browser.Camera.showing(clip.read(args.clip, _CLIP_PICTURES, _SIZE))
        turn = [*kinds, *([THEIRS] if theirs else [])]
        for number, codec, case in itertools.product(range(args.rounds), codecs, cases):
            for kind in turn if number % 2 == 0 else reversed(turn):
                plan = _plan(args, kind, codec)
                called = theirs if kind == THEIRS else targets.own(servers[kind].address, plan)
                assert called is not None
                seed = args.seed + number
                seen = faulty.call(tabs, called, plan, camera, CASES[case], seed)
                calls[codec, case].setdefault(kind, []).append(seen)
                print(progress(number, codec, case, kind, seen), flush=True)
    for server in servers.values():
        recorder.ended(server.stopped_cpu_s)
    figures = figures_of(calls)
    show(figures)
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


def _chosen(option: str, text: str | None, known: Iterable[str]) -> list[Any]:
    known = list(known)
    names = known if text is None else text.split(",")
    for name in names:
        if name not in known:
            raise BadRequest(f"{option}: {name!r} is none of {', '.join(known)}")
    return names


def _plan(args: argparse.Namespace, kind: str, codec: str) -> CallPlan:
    return CallPlan(
        codec,
        "display",
        warm_s=args.warm or (2.0 if args.quick else 3.0),
        seconds=args.seconds or (6.0 if args.quick else 12.0),
        heard=args.heard,
        tuned=kind in OURS,
    )

"""From mouth to ear: how late a microphone's sound comes back, in a real Chromium.

The page's microphone chirps, each chirp another one (`benchmarks.chirps`), and what comes back is
recognised by its matched filter. One audio worklet makes the chirps and takes down what it hears,
so both ends are one clock, sample by sample: WebAudio, Opus, network, server, network, the
browser's jitter buffer (NetEQ), WebAudio. Not in it: microphone and loudspeaker, whose delays the
browser cannot know; what it states of its sound card's buffer stands beside (`card_ms`).

The server passes the packets on as they came, and holds them only for a picture that takes longer.
So besides kinds of calls, drivers are compared: `face` draws at once, and nothing should hold the
voice; `auto` listens a little ahead of what it draws, and the voice has to wait for its lips.

* avatar, echo: our server, our page's own way of bringing picture and sound together;
* aiortc: aiortc as it is installed sends the sound back, and the page asks for nothing.

Kinds are called in turn, as in `latency`. In the same calls pictures carry their time code, so how
far picture and sound are apart is known too (`skew_ms`; above zero, the picture is late), with the
display, and without the sound card.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from benchmarks import browser, calling, chirps, clip, record, spread, stages, targets
from benchmarks.call import CallFailed, CallPlan, Stage, first_seen
from benchmarks.serving import Kind, Serving

GOAL_MS = 90.0
"""Passed through, where no picture holds it: median, browser included."""

_KINDS: tuple[Kind, ...] = ("echo", "avatar", "aiortc")
_CLIP_PICTURES = 60
_SIZE = (512, 512)
_PACKET_MS = 20.0
_BUFFER = ("audio inbound-rtp", "jitterBufferDelay", "jitterBufferEmittedCount")
_CARD = ("media-playout", "totalPlayoutDelay", "totalSamplesCount")
_SETTINGS = {
    "SESSIONS__PLACES": "4",
    "SERVER__POSTS_PER_MINUTE": "10000",
    "LOGS__LEVEL": "warning",
}


Calls = Mapping[str, Mapping[Kind, Mapping[str, Any]]]
"""Figures by driver and kind."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in the measured part of a call."""

    late_ms: Sequence[float]
    """Of each chirp that was recognised."""
    at_s: Sequence[float]
    """When each was said."""
    said: int
    pictures_ms: Sequence[float]
    """How late the pictures were, as displayed."""
    stages: Sequence[Stage]
    concealed: int
    """Samples that the browser made up."""
    card_ms: float | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    parser.add_argument("--drivers", default="face,auto", help="with commas (face,auto)")
    parser.add_argument("--codec", choices=("H264", "VP8"), default="H264", help="of the pictures")
    parser.add_argument("--visible", action="store_true", help="in a window, not headless")
    parser.add_argument("--rounds", type=int, help="calls of each kind (3; 1 with --quick)")
    parser.add_argument("--seconds", type=float, help="measured of each call (12; 3)")
    parser.add_argument("--warm", type=float, help="before that (6; 3)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints a table, writes the record and returns it."""
    drivers = args.drivers.split(",")
    recorder = record.Recorder("voice_latency", args)
    heard: dict[tuple[str, Kind], list[Heard]] = defaultdict(list)
    camera = browser.Camera.showing(clip.read(clip.DEFAULT, _CLIP_PICTURES, _SIZE))
    with ExitStack() as stack:
        servers = {kind: stack.enter_context(Serving(kind, _SETTINGS)) for kind in _KINDS}
        chromium = stack.enter_context(browser.running("chromium", visible=args.visible))
        for number, driver in itertools.product(range(_rounds(args)), drivers):
            for kind in _KINDS if number % 2 == 0 else reversed(_KINDS):
                found = call(chromium, servers[kind], _plan(args, kind, driver), camera)
                heard[driver, kind].append(found)
                late = median(found.late_ms)
                print(f"round {number + 1}  {driver:6} {kind:7} {late:6.1f} ms", flush=True)
    for server in servers.values():
        recorder.ended(server.stopped_cpu_s)
    calls: Calls = {
        driver: {kind: figures_of(heard[driver, kind]) for kind in _KINDS} for driver in drivers
    }
    show(calls)
    done = recorder.finish({"calls": calls, "goals": goals_of(calls)})
    record.write(done, args.json)
    return done


def _rounds(args: argparse.Namespace) -> int:
    return args.rounds or (1 if args.quick else 3)


def _plan(args: argparse.Namespace, kind: Kind, driver: str) -> CallPlan:
    ours = kind != "aiortc"
    return CallPlan(
        args.codec,
        "display",
        warm_s=args.warm or (3.0 if args.quick else 6.0),
        seconds=args.seconds or (3.0 if args.quick else 12.0),
        heard=True,
        tuned=ours,
        driver=driver,
        chirps=True,
        synchrony=ours,
    )


def call(chromium: browser.Tabs, server: Serving, plan: CallPlan, camera: browser.Camera) -> Heard:
    """Makes one call and measures its last part; raises `CallFailed`."""
    target = targets.own(server.address, plan)
    with calling.opened(chromium, target, plan, camera) as made:
        calling.await_first(made, plan)
        time.sleep(plan.warm_s)
        before = made.collect()
        time.sleep(plan.seconds)
        after = made.collect()
        # What was said last is still on its way.
        time.sleep(chirps.MOST_S)
        last = made.collect()
        report = target.report() or {}
    sounds = [*before.sounds[-1:], *after.sounds, *last.sounds]
    if not sounds:
        raise CallFailed(f"no sound came; the connection was {after.state}")
    first, sound = chirps.joined(sounds)
    found = chirps.heard(first, sound)
    if not found:
        loud = float(abs(sound).max())
        raise CallFailed(
            f"no chirp was recognised in {len(sound) / chirps.RATE:.0f} s of sound, which was"
            f" {loud:.2f} loud: silence, another sound, or a machine too busy for sound"
        )
    late = [one.late_ms for one in found]
    inbound = [each.get("audio inbound-rtp", {}) for each in (before.counters, after.counters)]
    concealed = [int(each.get("concealedSamples", 0)) for each in inbound]
    return Heard(
        late,
        [(one.sent - first) / chirps.RATE for one in found],
        chirps.said(first, len(sound)),
        [row.age_ms for row in first_seen(after.rows)],
        stages_of(fmean(late), report, before.counters, after.counters),
        concealed[1] - concealed[0],
        _mean_ms(before.counters, after.counters, *_CARD),
    )


def stages_of(
    mean_ms: float, report: Mapping[str, Any], before: stages.Counters, after: stages.Counters
) -> list[Stage]:
    """What the mean consists of, as far as anybody tells; it adds up."""
    server = (report.get("voice_latency_ms") or {}).get("p50")
    network = stages.page_ms(before, after).get("network", 0.0)
    found = [
        Stage("packet of sound", "page", _PACKET_MS, False),
        Stage("network up", "network", network, False),
        *([] if server is None else [Stage("server", "server", float(server), False)]),
        Stage("network down", "network", network, False),
        Stage("browser buffer", "page", _mean_ms(before, after, *_BUFFER) or 0.0, False),
    ]
    rest = mean_ms - sum(stage.ms for stage in found)
    found.append(Stage("rest", "rest", rest, False))
    return [stage._replace(ms=round(stage.ms, 2)) for stage in found]


def _mean_ms(
    before: stages.Counters, after: stages.Counters, side: str, total: str, count: str
) -> float | None:
    """What each sample spent in the mean; `None` where nothing is told."""
    old, new = before.get(side, {}), after.get(side, {})
    samples = float(new.get(count, 0)) - float(old.get(count, 0))
    if samples <= 0:
        return None
    return 1000 * (float(new.get(total, 0)) - float(old.get(total, 0))) / samples


def figures_of(calls: Sequence[Heard]) -> dict[str, Any]:
    """What is said of one driver and kind."""
    late = list(itertools.chain.from_iterable(one.late_ms for one in calls))
    pictures = list(itertools.chain.from_iterable(one.pictures_ms for one in calls))
    card = fmean([one.card_ms or 0.0 for one in calls])
    return {
        "age_ms": spread.summary(late, 1),
        "mean_ms": round(fmean(late), 2),
        "picture_ms": spread.summary(pictures, 1),
        "skew_ms": round(median(pictures) - median(late) - card, 1) if pictures else None,
        "stages": [stage._asdict() for stage in _mean_stages(calls)],
        "by_call": [
            {
                "p50": round(median(one.late_ms), 1),
                "ages": [
                    [round(at_s, 3), round(ms, 1)]
                    for at_s, ms in zip(one.at_s, one.late_ms, strict=True)
                ],
            }
            for one in calls
        ],
        "said": sum(one.said for one in calls),
        "recognised": len(late),
        "concealed_samples": sum(one.concealed for one in calls),
        "card_ms": round(card, 1),
    }


def _mean_stages(calls: Sequence[Heard]) -> list[Stage]:
    """Over all calls, each by its chirps."""
    heard = sum(len(one.late_ms) for one in calls)
    return [
        each[0]._replace(
            ms=round(
                sum(stage.ms * len(one.late_ms) for stage, one in zip(each, calls, strict=True))
                / heard,
                2,
            )
        )
        for each in zip(*(one.stages for one in calls), strict=True)
    ]


def goals_of(calls: Calls) -> list[dict[str, Any]]:
    """What is held against the goal: where no picture holds the voice."""
    return [
        {
            "what": f"{driver} {kind}: mouth to ear, median",
            "goal_ms": GOAL_MS,
            "found_ms": found[kind]["age_ms"]["p50"],
            "met": found[kind]["age_ms"]["p50"] <= GOAL_MS,
        }
        for driver, found in calls.items()
        for kind in _KINDS[:2]
        if driver == "face"
    ]


def show(calls: Calls) -> None:
    """Prints the table."""
    print(f"\n{'ms':16}{'p50':>8}{'p95':>8}{'p99':>8}{'known':>10}{'skew':>8}{'card':>7}")
    for driver, kinds in calls.items():
        for kind, one in kinds.items():
            age = one["age_ms"]
            known = f"{one['recognised']}/{one['said']}"
            skew = "" if one["skew_ms"] is None else f"{one['skew_ms']:+.1f}"
            print(
                f"{driver:8}{kind:8}{age['p50']:8.1f}{age['p95']:8.1f}{age['p99']:8.1f}"
                f"{known:>10}{skew:>8}{one['card_ms']:7.1f}"
            )
    for driver, kinds in calls.items():
        for kind, one in kinds.items():
            parts = ", ".join(f"{stage['stage']} {stage['ms']:.1f}" for stage in one["stages"])
            print(f"{driver} {kind}: {one['mean_ms']:.1f} ms (mean) = {parts}")

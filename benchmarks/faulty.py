"""A server, a case and a seed go in: one call over a bad line, and what was seen of it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import browser, calling
from benchmarks.call import CallPlan, Row, first_seen
from benchmarks.netem import Link
from benchmarks.netem.cases import CALM, Case
from benchmarks.netem.link import Passage
from benchmarks.processes import busy_s, tree_cpu_s
from benchmarks.stages import Counters
from benchmarks.targets import Target

_INBOUND = (
    "packetsReceived",
    "packetsLost",
    "retransmittedPacketsReceived",
    "nackCount",
    "pliCount",
    "keyFramesDecoded",
    "framesDecoded",
    "framesDropped",
    "freezeCount",
)
_OUTBOUND = (
    "packetsSent",
    "retransmittedPacketsSent",
    "nackCount",
    "pliCount",
    "keyFramesEncoded",
    "framesEncoded",
)
_SOUND = ("totalSamplesReceived", "concealedSamples", "silentConcealedSamples", "packetsLost")
_BUFFER = {
    "jitterBufferDelay": "buffer_ms",
    "jitterBufferTargetDelay": "buffer_target_ms",
    "jitterBufferMinimumDelay": "buffer_least_ms",
}


@dataclass(frozen=True, slots=True)
class Observed:
    """One call over a bad line, from when its fault began."""

    rows: list[Row]
    """Coded pictures, each where it was first seen."""
    uncoded: int
    began_ms: float
    """By the page's clock, as are the others."""
    ended_ms: float
    cut_ms: tuple[float, float] | None
    """When an outage began and ended, if there was one."""
    before: Counters
    after: Counters
    passage: Passage
    """What became of the datagrams since the call began; how late the link was, since its fault."""
    first_frame_ms: float
    link_cpu_s: float
    others_cpu_s: float
    report: dict[str, Any] | None


def call(
    tabs: browser.Tabs,
    target: Target,
    plan: CallPlan,
    camera: browser.Camera,
    case: Case,
    seed: int,
) -> Observed:
    """Makes one call, and lets the fault begin in it; raises `CallFailed`, `LinkFailed`."""
    with (
        Link(CALM, CALM, seed) as link,
        calling.opened(tabs, target, plan, camera, link) as made,
    ):
        calling.await_first(made, plan)
        time.sleep(plan.warm_s)
        clock_ms = made.clock_ms()
        before = made.collect()
        link_s = link.passage().cpu_s  # and its lateness from here on
        tree_s, machine_s = tree_cpu_s(os.getpid()), busy_s()
        began_ms = 1000 * time.monotonic() - clock_ms
        link.change(up=case.faults, down=case.faults)
        cut_ms = _wait(link, plan.seconds, case.cut_s, clock_ms)
        ended_ms = 1000 * time.monotonic() - clock_ms
        after = made.collect()
        tree_s, machine_s = tree_cpu_s(os.getpid()) - tree_s, busy_s() - machine_s
        passage = link.passage()
        rows = [row for row in after.rows if began_ms <= row.at_ms <= ended_ms]
        return Observed(
            rows=first_seen(rows),
            uncoded=sum(row.number < 0 for row in rows),
            began_ms=began_ms,
            ended_ms=ended_ms,
            cut_ms=cut_ms,
            before=before.counters,
            after=after.counters,
            passage=passage,
            first_frame_ms=made.first_frame_ms,
            link_cpu_s=passage.cpu_s - link_s,
            others_cpu_s=max(0.0, machine_s - tree_s),
            report=_told(target.report()),
        )


def _wait(link: Link, seconds: float, cut_s: float, clock_ms: float) -> tuple[float, float] | None:
    """Lets the call go on, with an outage after a quarter of the time if there is to be one."""
    if not cut_s:
        time.sleep(seconds)
        return None
    time.sleep(seconds / 4)
    cut = link.cut(cut_s)
    time.sleep(seconds * 3 / 4)
    return 1000 * cut.began_s - clock_ms, 1000 * cut.ended_s - clock_ms


def counters(before: Counters, after: Counters, took_s: float) -> dict[str, Any]:
    """What the browser counted: of the camera's way up, the picture's and the sound's way down."""
    found = {}
    for name, stream, names, total in (
        ("camera", "video outbound-rtp", _OUTBOUND, "bytesSent"),
        ("picture", "video inbound-rtp", _INBOUND, "bytesReceived"),
        ("sound", "audio inbound-rtp", _SOUND, "bytesReceived"),
    ):
        old, new = before.get(stream, {}), after.get(stream)
        if new is None:
            continue
        found[name] = _grown(old, new, (*names, total))
        found[name]["kbits"] = round(found[name].pop(total) * 8 / 1000 / took_s)
        emitted = new.get("jitterBufferEmittedCount", 0) - old.get("jitterBufferEmittedCount", 0)
        for key, label in _BUFFER.items():
            if emitted and key in new:
                found[name][label] = round(1000 * (new[key] - old.get(key, 0)) / emitted, 1)
    return found


def _told(report: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the server says of the pictures, without what it says of the call."""
    names = ("frames", "latency_ms", "stages_ms", "quality")
    return None if report is None else {name: report[name] for name in names if name in report}


def _grown(
    before: Mapping[str, Any], after: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    """By how much counters of `getStats` have grown; what a browser does not count is left out."""
    return {name: after[name] - before.get(name, 0) for name in names if name in after}

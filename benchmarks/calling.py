"""A page, a server and a plan go in: a call is made in a real browser, and what it saw comes out.

The page makes the offers; the answers are fetched here, so any server can be called that takes an
offer over HTTP (`benchmarks.targets`). Who wants something between the two ends (a network with
faults) gives a `Link`, through which both descriptions go.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from benchmarks import host, stages
from benchmarks.browser import Camera, Tab, Tabs
from benchmarks.call import CallFailed, CallPlan, Row, Seen, read_received
from benchmarks.processes import busy_s, tree_cpu_s
from benchmarks.serving import Serving
from benchmarks.targets import Target

_FIRST_FRAME_LIMIT_S = 20.0
_CLOCK_READINGS = 20


class Link(Protocol):
    """What stands between the two ends of a connection."""

    def offer(self, sdp: str) -> str:
        """The offer as the server is to have it."""

    def answer(self, sdp: str) -> str:
        """The answer as the page is to have it."""


class Collected(NamedTuple):
    """What the page has seen since it was asked last."""

    rows: Sequence[Row]
    shown: Sequence[tuple[int, int]]
    """Sent: time code, and which of the clip's pictures."""
    pictures: Sequence[tuple[float, bytes]]
    """Received, where they are kept: when, in ms, and as JPEG."""
    sounds: Sequence[tuple[int, bytes]]
    """Received, where the microphone chirps: which sample of the page's sound clock comes first,
    and int16 samples."""
    counters: stages.Counters
    state: str
    """Of the connections."""


@dataclass
class Call:
    """A call that runs in a page."""

    tab: Tab
    target: Target
    posted_s: float
    """When the first offer was sent, by `time.monotonic`."""
    first_frame_ms: float = 0.0
    """From then until a picture (with a code, where those are wanted) had been seen."""

    def collect(self) -> Collected:
        """What came since the last time; raises `CallFailed` where the page had errors."""
        found = self.tab.evaluate("() => probe.collect()")
        if found["errors"]:
            raise CallFailed(f"the page had {len(found['errors'])} errors: {found['errors'][0]}")
        return Collected(
            [Row(*row) for row in found["received"]],
            [(number, index) for number, index in found["sent"]],
            [(at_ms, base64.b64decode(data)) for at_ms, data in found["pictures"]],
            [(first, base64.b64decode(data)) for first, data in found["sounds"]],
            found["counters"],
            found["state"],
        )

    def clock_ms(self) -> float:
        """What has to be added to the page's times to have those of the monotonic clock here.

        By the fastest of some readings, half of whose way bounds the error (Cristian 1989).
        """
        readings = []
        for _ in range(_CLOCK_READINGS):
            before = time.monotonic()
            page_ms = float(self.tab.evaluate("() => performance.now()"))
            after = time.monotonic()
            readings.append((after - before, 500 * (before + after) - page_ms))
        return min(readings)[1]


@contextmanager
def opened(
    browser: Tabs, target: Target, plan: CallPlan, camera: Camera, link: Link | None = None
) -> Iterator[Call]:
    """A call that has begun, with nothing seen yet; ends with the block. Raises `CallFailed`."""
    options = {
        "codec": plan.codec,
        "sink": plan.sink,
        "fps": plan.fps,
        "sound": plan.sound,
        "hears": plan.heard,
        "keeps": plan.keeps,
        "chirps": plan.chirps,
        "synchrony": plan.synchrony,
        "tuned": plan.tuned,
        "width": camera.size[0],
        "height": camera.size[1],
        "pictures": len(camera.jpegs),
    }
    with (
        host.hosted(camera.jpegs) as address,
        browser.tab(f"{address}/index.html", camera.size) as tab,
    ):
        tab.evaluate("options => probe.begin(options)", options)
        posted_s = 0.0
        try:
            for leg in target.legs:
                offer = tab.evaluate("leg => probe.offer(leg)", leg)
                posted_s = posted_s or time.monotonic()
                answer = target.dial(leg, offer if link is None else link.offer(offer))
                answer = answer if link is None else link.answer(answer)
                tab.evaluate("([leg, sdp]) => probe.accept(leg, sdp)", [leg, answer])
            yield Call(tab, target, posted_s)
            tab.evaluate("() => probe.end()")
        finally:
            target.hang_up()


def await_first(call: Call, plan: CallPlan) -> list[tuple[int, int]]:
    """Waits for the first picture and gives what was sent until then; raises `CallFailed`."""
    pictures = 0
    shown: list[tuple[int, int]] = []
    while time.monotonic() < call.posted_s + _FIRST_FRAME_LIMIT_S:
        seen = call.collect()
        pictures += len(seen.rows)
        shown += seen.shown
        if any(row.number >= 0 or not plan.coded for row in seen.rows):
            call.first_frame_ms = 1000 * (time.monotonic() - call.posted_s)
            return shown
        time.sleep(0.01)
    what = "with a time code " if plan.coded else ""
    raise CallFailed(
        f"no picture {what}came back in {_FIRST_FRAME_LIMIT_S:.0f} s; the connection"
        f" was {seen.state}, {pictures} pictures without one came"
    )


def measured(
    browser: Tabs, server: Serving | None, target: Target, plan: CallPlan, camera: Camera
) -> Seen:
    """Makes one call and measures its last part; raises `CallFailed`.

    `server`: ours, whose CPU and stages are looked at; `None`: somebody else's.
    """
    with opened(browser, target, plan, camera) as call:
        shown = await_first(call, plan)
        time.sleep(plan.warm_s)
        clock_ms = call.clock_ms()
        before, told = call.collect(), stages.told(server)
        server_s, tree_s, machine_s = _cpu_s(server), tree_cpu_s(os.getpid()), busy_s()
        started = time.monotonic()
        time.sleep(plan.seconds)
        after = call.collect()
        took_s = time.monotonic() - started
        server_s = _cpu_s(server) - server_s
        tree_s, machine_s = tree_cpu_s(os.getpid()) - tree_s, busy_s() - machine_s
        server_ms = stages.means_ms(told, stages.told(server))
        report = target.report()
    if not after.rows:
        raise CallFailed(f"no picture came back; the connection was {after.state}")
    return Seen(
        **read_received(after.rows),
        sent=len(after.shown),
        seconds=took_s,
        first_frame_ms=call.first_frame_ms,
        server_cpu_s=server_s,
        caller_cpu_s=tree_s - server_s,
        others_cpu_s=max(0.0, machine_s - tree_s),
        stages=stages.split(
            after.rows,
            stages.page_ms(before.counters, after.counters),
            server_ms,
            stages.passages(server, clock_ms),
        ),
        report=report,
        shown=[*shown, *before.shown, *after.shown],
        pictures=after.pictures,
    )


def _cpu_s(server: Serving | None) -> float:
    return 0.0 if server is None else server.usage.cpu_s

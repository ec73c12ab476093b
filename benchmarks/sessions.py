"""How many calls a machine holds: one more at a time, until the pictures come too slowly or late.

The calls are real (aiortc, over UDP on this machine), and light: what they send was coded before,
what they receive is counted as whole frames and not decoded. The first call is a full one: its
pictures carry the time, and their ages are the delay that is reported. Callers take CPU from the
same cores, so a machine that only serves holds somewhat more; `by_cpu` says how many by the CPU
that the server itself used for a picture.

A level holds when the slowest call gets 25 pictures a second and the first call's p95 is at most
150 ms (ITU-T G.114's bound for easy conversation). The server's memory is read at every level.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import av
from aiortc.jitterbuffer import JitterFrame

from benchmarks import clip, packets, record, spread, targets
from benchmarks.call import CallPlan, read_received
from benchmarks.caller import Caller, CodedClip, PacedTrack, Viewer
from benchmarks.processes import Usage, busy_s, usage
from benchmarks.serving import Serving
from engines.types import Rgb
from live import rtc
from live.rtc import receiver

LEAST_FPS = 25.0
MOST_P95_MS = 150.0

_CLIP_PICTURES = 120
_KEYFRAME_EVERY = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    clip.add_arguments(parser)
    parser.add_argument("--codec", choices=packets.CODECS, default="H264")
    parser.add_argument("--most", type=int, default=12, help="calls to stop at in any case (12)")
    parser.add_argument("--seconds", type=float, help="measured at each level (12; 4 with --quick)")
    parser.add_argument("--warm", type=float, help="before that (5; 3)")
    parser.add_argument("--avatar", default="mira", help="built-in avatar (mira)")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints a table, writes the record and returns it."""
    recorder = record.Recorder("sessions", args)
    found = clip.read(args.clip, _CLIP_PICTURES)
    settings = {
        "SESSIONS__PLACES": str(args.most),
        "SERVER__POSTS_PER_MINUTE": "10000",
        "LOGS__LEVEL": "warning",
    }
    with Serving("avatar", settings) as server:
        figures = asyncio.run(ramp(server, args, found))
    recorder.ended(server.stopped_cpu_s)
    show(figures)
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds that went by in `took_s` seconds."""

    took_s: float
    server_s: float
    callers_s: float
    machine_s: float


class Counter:
    """The outlet of a light call: how many frames have come."""

    def __init__(self) -> None:
        """None; belongs to the running loop."""
        self.frames = 0
        self.first = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def deliver(self, frame: av.VideoFrame | av.AudioFrame, captured_ns: int) -> None:
        """One more; called by the decoder's thread."""
        self.frames += 1
        if self.frames == 1:
            self._loop.call_soon_threadsafe(self.first.set)

    def end(self) -> None:
        """The call is over."""


class Uncoded:
    """Stands where a decoder would: whole frames are handed on as empty pictures."""

    def decode(self, encoded: JitterFrame) -> list[av.VideoFrame]:
        """A picture of no meaning."""
        return [av.VideoFrame(16, 16, "yuv420p")]


@contextmanager
def counting() -> Iterator[None]:
    """Lets calls that begin to receive meanwhile count instead of decode."""
    with patch.object(receiver, "get_decoder", lambda codec: Uncoded()):
        yield


class Callers:
    """The calls that are held."""

    def __init__(self, server: Serving, plan: CallPlan) -> None:
        """None yet."""
        self._server, self._plan = server, plan
        self.first = Viewer()
        self.light: list[Counter] = []

    async def open_first(self, found: Sequence[Rgb]) -> Caller:
        """The call whose delay is measured."""
        camera = PacedTrack(self._plan.fps, CodedClip(found))
        caller = Caller(targets.own(self._server.address, self._plan))
        await caller.open(self._plan, camera, self.first)
        await asyncio.wait_for(self.first.first.wait(), 20)
        return caller

    async def open_light(self, coded: Sequence[bytes]) -> Caller:
        """One more call that only loads the server."""
        counter = Counter()
        # Callers are strangers to each other: their cameras do not fire together.
        phase = len(self.light) * 0.618 % 1
        camera = PacedTrack(
            self._plan.fps, lambda index: av.Packet(coded[index % len(coded)]), phase
        )
        caller = Caller(targets.own(self._server.address, self._plan))
        await caller.open(self._plan, camera, counter)
        await asyncio.wait_for(counter.first.wait(), 20)
        self.light.append(counter)
        return caller

    async def measure(self, seconds: float) -> dict[str, Any]:
        """What the calls get and what the server uses for them, over some seconds."""
        before, own, busy = self._server.usage, usage(os.getpid()), busy_s()
        counts = [counter.frames for counter in self.light]
        self.first.received.clear()
        began = time.monotonic()
        await asyncio.sleep(seconds)
        took_s = time.monotonic() - began
        seen = read_received(list(self.first.received))
        frames = [len(seen["ages_ms"])] + [
            counter.frames - count for counter, count in zip(self.light, counts, strict=True)
        ]
        spent = Spent(
            took_s,
            self._server.usage.cpu_s - before.cpu_s,
            usage(os.getpid()).cpu_s - own.cpu_s,
            busy_s() - busy,
        )
        return level(frames, seen["ages_ms"], spent, self._server.usage)


async def ramp(server: Serving, args: argparse.Namespace, found: Sequence[Rgb]) -> dict[str, Any]:
    """Opens calls until a level does not hold."""
    rtc.adapt()
    warm_s = args.warm or (3.0 if args.quick else 5.0)
    seconds = args.seconds or (4.0 if args.quick else 12.0)
    there_and_back = [
        found[clip.back_and_forth(len(found), index)] for index in range(2 * len(found) - 2)
    ]
    coded = packets.encoded(args.codec, there_and_back, _KEYFRAME_EVERY)
    plan = CallPlan(args.codec, "track", warm_s, seconds, packets.FPS, avatar=args.avatar)
    idle = server.usage
    levels: list[dict[str, Any]] = []
    reason = f"stopped at {args.most} calls, which all were held"
    async with AsyncExitStack() as stack:
        callers = Callers(server, plan)
        for calls in range(1, args.most + 1):
            if calls == 1:
                caller = await callers.open_first(found)
            else:
                with counting():
                    caller = await callers.open_light(coded)
            stack.push_async_callback(caller.close)
            await asyncio.sleep(warm_s)
            found_now = await callers.measure(seconds)
            levels.append(found_now)
            print(_line(found_now), flush=True)
            broken = why_broken(found_now)
            if broken:
                reason = broken
                break
    held = [each for each in levels if not why_broken(each)]
    return {
        "held": len(held),
        "held_per_core": round(len(held) / (os.cpu_count() or 1), 2),
        "why": reason,
        "by_cpu": _by_cpu(levels[0]),
        "idle_mb": round(idle.resident_mb, 1),
        "mb_per_call": _slope([(each["calls"], each["server_mb"]) for each in levels]),
        "levels": levels,
    }


def why_broken(found: dict[str, Any]) -> str:
    """What does not hold at this level; empty where all does."""
    calls, age = found["calls"], found["age_ms"]
    if found["fps"]["slowest"] < LEAST_FPS:
        return (
            f"with {calls} calls the slowest gets {found['fps']['slowest']} pictures a second"
            f" (CPU: server {found['server_cpu_percent']} %, callers"
            f" {found['callers_cpu_percent']} %, others {found['others_cpu_percent']} %)"
        )
    if age is None or age["p95"] > MOST_P95_MS:
        return f"with {calls} calls the first one's p95 is {age['p95'] if age else 'unknown'} ms"
    return ""


def show(figures: dict[str, Any]) -> None:
    """Prints the outcome."""
    print(f"\nheld: {figures['held']} calls; {figures['why']}")
    by_cpu = figures["by_cpu"]
    print(
        f"by the server's CPU: {by_cpu['ms_per_picture']} ms a picture,"
        f" {by_cpu['calls_per_core_at_25_fps']} calls a core at 25 pictures a second"
    )
    print(
        f"memory: {figures['idle_mb']} MB before the first call, {figures['mb_per_call']} MB each"
    )


def level(
    frames: Sequence[int], ages_ms: Sequence[float], spent: Spent, server: Usage
) -> dict[str, Any]:
    """The figures of one level: `frames` of each call, and what the server holds now."""
    others_s = max(0.0, spent.machine_s - spent.server_s - spent.callers_s)
    return {
        "calls": len(frames),
        "fps": {
            "slowest": round(min(frames) / spent.took_s, 1),
            "fastest": round(max(frames) / spent.took_s, 1),
        },
        "age_ms": spread.summary(ages_ms),
        "server_cpu_ms_per_picture": round(1000 * spent.server_s / max(1, sum(frames)), 2),
        "server_cpu_percent": round(100 * spent.server_s / spent.took_s),
        "callers_cpu_percent": round(100 * spent.callers_s / spent.took_s),
        "others_cpu_percent": round(100 * others_s / spent.took_s),
        "server_mb": round(server.resident_mb, 1),
        "server_threads": server.threads,
        "server_handles": server.handles,
    }


def _line(found: dict[str, Any]) -> str:
    fps, age = found["fps"], found["age_ms"] or {"p50": float("nan"), "p95": float("nan")}
    return (
        f"{found['calls']:2} calls  {fps['slowest']:5.1f}…{fps['fastest']:4.1f} fps"
        f"  {age['p50']:6.1f} / {age['p95']:6.1f} ms  server {found['server_cpu_percent']:3} % CPU,"
        f" {found['server_cpu_ms_per_picture']:5.1f} ms a picture, {found['server_mb']:6.1f} MB"
        f"  (callers {found['callers_cpu_percent']} %, others {found['others_cpu_percent']} %)"
    )


def _by_cpu(found: dict[str, Any]) -> dict[str, float]:
    ms = float(found["server_cpu_ms_per_picture"])
    return {
        "ms_per_picture": ms,
        "calls_per_core_at_25_fps": round(1000 / (LEAST_FPS * ms), 2) if ms else 0.0,
    }


def _slope(points: Sequence[tuple[int, float]]) -> float | None:
    """Megabytes for each further call; `None` where there was one call only."""
    if len(points) < 2:
        return None
    (few, before), (many, after) = points[0], points[-1]
    return round((after - before) / (many - few), 1)

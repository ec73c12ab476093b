"""How many calls a machine holds: one more at a time, until the server refuses or a level breaks.

The calls are real (aiortc, over UDP, with SRTP, sound and the data channel) and light: what they
send was coded before, what they receive is counted by its packets' headers (`light.py`). The first
one decodes its pictures, whose upper edge says which of the camera's they are: their ages are the
delay that is reported. Callers take CPU from the same cores, so a machine that only serves holds
somewhat more; their share is said beside every level.

A level holds when the slowest call gets 25 pictures a second and the p95 of a picture's age is at
most 150 ms (ITU-T G.114's bound for easy conversation). Two servers are asked:

* one as it is, which takes as many calls as it finds that it can hold. What it says to the next one
  is recorded;
* one that is told to take a call more than that all the same, opened at once: what becomes of calls
  beyond what fits, whether they were told, and how fairly they share.

`--places` has the first server take so many calls, too: on a machine that others keep busy it would
rightly take few.

`--url` calls a Visavis server that runs somewhere, as it is: its own figures stand for the ages
where its pictures carry no code, and its CPU is unknown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks import clip, levels, packets, record
from benchmarks.levels import Seen, Spent
from benchmarks.light import Camera, LightCaller, Refused, Witness, phase
from benchmarks.processes import busy_s, descendants, usage
from benchmarks.serving import Serving
from live import rtc

_CLIP_PICTURES = 120
_KEYFRAME_EVERY = 60
_SETTINGS = {"SERVER__POSTS_PER_MINUTE": "10000", "LOGS__LEVEL": "warning"}
_BUCKET = re.compile(r'visavis_loop_lag_seconds_bucket{le="([^"]+)"} (\S+)')
_TURN = re.compile(r"^visavis_picture_turn_seconds (\S+)", re.MULTILINE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    clip.add_arguments(parser)
    parser.add_argument("--codec", choices=packets.CODECS, default="H264")
    parser.add_argument("--most", type=int, default=12, help="calls to stop at in any case (12)")
    parser.add_argument("--seconds", type=float, help="measured at each level (12; 4 with --quick)")
    parser.add_argument("--warm", type=float, help="before that (5; 2.5)")
    parser.add_argument("--avatar", default="mira", help="avatar (mira)")
    parser.add_argument(
        "--places", type=int, help="calls that our server has to take, whatever it finds itself"
    )
    parser.add_argument(
        "--processes", type=int, help="that hold calls (as many as our server finds right)"
    )
    parser.add_argument("--silent", action="store_true", help="no microphones")
    parser.add_argument("--url", help="of a Visavis server to call instead of one of our own")
    parser.add_argument("--token-file", type=Path, help="holds an access token for --url")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints a table, writes the record and returns it."""
    recorder = record.Recorder("sessions", args)
    media = Media.of(args)
    rtc.adapt()
    if args.url is not None:
        figures = asyncio.run(ramp(None, media, args))
    else:
        chosen = {
            f"SESSIONS__{name.upper()}": str(getattr(args, name))
            for name in ("places", "processes")
            if getattr(args, name) is not None
        }
        with Serving("avatar", _SETTINGS | chosen) as server:
            workers = len(descendants(server.process.pid))
            figures = asyncio.run(ramp(server, media, args))
        recorder.ended(server.stopped_cpu_s)
        more = len(figures["levels"]) + (0 if figures["broken"] else 1)
        with Serving("avatar", _SETTINGS | chosen | {"SESSIONS__PLACES": str(more)}) as server:
            figures["beyond"] = asyncio.run(overfill(server, media, args, more))
        recorder.ended(server.stopped_cpu_s)
        figures["workers"] = workers
    show(figures)
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


@dataclass(frozen=True, slots=True)
class Media:
    """What every caller sends."""

    codec: str
    pictures: Sequence[bytes]
    sound: Sequence[bytes]

    @classmethod
    def of(cls, args: argparse.Namespace) -> Media:
        """Of the clip that the options name."""
        found = clip.read(args.clip, _CLIP_PICTURES)
        circle = [found[clip.back_and_forth(len(found), n)] for n in range(2 * len(found) - 2)]
        pictures = packets.encoded(args.codec, circle, _KEYFRAME_EVERY, numbered=True)
        return cls(args.codec, pictures, () if args.silent else packets.spoken())


@dataclass
class Calls:
    """Those that are held."""

    address: str
    media: Media
    avatar: str
    token: str | None = None
    held: list[LightCaller] = field(default_factory=list)
    witness: Witness | None = None

    async def open(self) -> LightCaller:
        """One more; raises `Refused`, and `CallFailed` where it does not come about."""
        url = f"{self.address}/sessions?{urlencode({'avatar': self.avatar})}"
        camera = Camera(self.media.pictures, packets.FPS, phase(len(self.held)))
        caller = LightCaller(url, self.token, camera, self.media.sound)
        witness = None if self.witness else Witness(camera, caller.count)
        await caller.open(self.media.codec, witness)
        self.witness = self.witness or witness
        self.held.append(caller)
        return caller

    async def measure(self, server: Serving | None, seconds: float) -> dict[str, Any]:
        """What the calls get and what is used for them, over some seconds."""
        assert self.witness is not None
        before = _dropped([await caller.report() for caller in self.held])
        lags = _lags(await asyncio.to_thread(_metrics, self.address, self.token))
        counts = [caller.count.pictures for caller in self.held]
        self.witness.ages_ms.clear()
        own_s, machine_s, server_s = _cpu_s(None), busy_s(), _cpu_s(server)
        began = time.monotonic()
        await asyncio.sleep(seconds)
        took_s = time.monotonic() - began
        pictures = [
            caller.count.pictures - count for caller, count in zip(self.held, counts, strict=True)
        ]
        spent = Spent(
            took_s,
            None if server is None else _cpu_s(server) - server_s,
            _cpu_s(None) - own_s,
            busy_s() - machine_s,
        )
        ages = list(self.witness.ages_ms)
        reports = [await caller.report() or {} for caller in self.held]
        metrics = await asyncio.to_thread(_metrics, self.address, self.token)
        seen = Seen(
            pictures,
            ages,
            reports,
            _dropped(reports) - before,
            [caller.told[-1] for caller in self.held if caller.told],
            _percentiles(_since(lags, _lags(metrics))),
            1000 * float(turn[1]) if (turn := _TURN.search(metrics)) else None,
        )
        return levels.level(
            seen, spent, None if server is None else server.usage, os.cpu_count() or 1
        )


async def ramp(server: Serving | None, media: Media, args: argparse.Namespace) -> dict[str, Any]:
    """Opens calls until the server takes no more or a level does not hold."""
    warm_s, seconds = _times(args)
    idle_mb = None if server is None else round(server.usage.resident_mb, 1)
    found: list[dict[str, Any]] = []
    refused = broken = ""
    async with AsyncExitStack() as stack:
        calls = _calls(server, media, args)
        while len(found) < args.most and not broken:
            try:
                caller = await calls.open()
            except Refused as error:
                if not found:
                    raise
                refused = str(error)
                break
            stack.push_async_callback(caller.close)
            await asyncio.sleep(warm_s)
            found.append(await calls.measure(server, seconds))
            print(_line(found[-1]), flush=True)
            broken = levels.why_broken(found[-1])
    held = len(found) - bool(broken)
    return {
        "held": held,
        "held_per_core": round(held / (os.cpu_count() or 1), 2),
        "why": broken or refused or f"stopped at {args.most} calls, which all were held",
        "refused": refused,
        "broken": broken,
        "next_call": levels.cost_of_one_more(found),
        "idle_mb": idle_mb,
        "levels": found,
    }


async def overfill(
    server: Serving, media: Media, args: argparse.Namespace, more: int
) -> dict[str, Any]:
    """So many calls at once on a server that takes them: what becomes of them."""
    warm_s, seconds = _times(args)
    async with AsyncExitStack() as stack:
        calls = _calls(server, media, args)
        for _ in range(more):
            stack.push_async_callback((await calls.open()).close)
        await asyncio.sleep(2 * warm_s)
        found = await calls.measure(server, seconds)
    print(_line(found) + "  (taken by order)", flush=True)
    return found | {"outcome": levels.beyond(found)}


def show(figures: Mapping[str, Any]) -> None:
    """Prints the outcome."""
    held_by = f" by {figures['workers']} processes" if figures.get("workers") else ""
    print(f"\nheld{held_by}: {figures['held']} calls; {figures['why']}")
    if "beyond" in figures:
        beyond = figures["beyond"]
        print(f"{beyond['calls']} calls on a server that has to take them: {beyond['outcome']}")
    more = figures["next_call"]
    if more["server_cpu_percent"] is not None:
        print(
            f"a further call takes {more['server_cpu_percent']} % of a core and"
            f" {more['server_mb']} MB ({figures['idle_mb']} MB before the first one), its caller"
            f" {more['callers_cpu_percent']} %"
        )


def _times(args: argparse.Namespace) -> tuple[float, float]:
    """Seconds before a level is measured, and while it is."""
    warm_s = args.warm or (2.5 if args.quick else 5.0)
    return warm_s, args.seconds or (4.0 if args.quick else 12.0)


def _calls(server: Serving | None, media: Media, args: argparse.Namespace) -> Calls:
    if server is not None:
        return Calls(server.address, media, args.avatar)
    token = args.token_file.read_text("utf-8").strip() if args.token_file else None
    return Calls(args.url.rstrip("/"), media, args.avatar, token)


def _cpu_s(server: Serving | None) -> float:
    """Of a server; `None`: of this process."""
    return usage(os.getpid()).cpu_s if server is None else server.usage.cpu_s


def _dropped(reports: Sequence[Mapping[str, Any] | None]) -> Counter[str]:
    """By reason, of all calls."""
    total: Counter[str] = Counter()
    for report in reports:
        total.update((report or {}).get("frames", {}).get("dropped", {}))
    return total


def _metrics(address: str, token: str | None) -> str:
    """The server's series; empty where they are not for us."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        request = urllib.request.Request(f"{address}/metrics", headers=headers)  # noqa: S310  (the user's own URL)
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            text: str = answer.read().decode()
    except OSError:
        return ""
    return text


def _lags(metrics: str) -> dict[float, float]:
    """How often the server's event loop was late by at most so many seconds."""
    return {float(limit): float(count) for limit, count in _BUCKET.findall(metrics)}


def _since(before: Mapping[float, float], after: Mapping[float, float]) -> dict[float, float]:
    return {limit: count - before.get(limit, 0.0) for limit, count in after.items()}


def _percentiles(steps: Mapping[float, float]) -> dict[str, float] | None:
    """Upper bounds of p50 and p95 in milliseconds, of a histogram's cumulative steps."""
    total = max(steps.values(), default=0.0)
    if not total:
        return None
    return {
        f"p{share}": round(1000 * min(at for at, n in steps.items() if n >= share * total / 100), 1)
        for share in (50, 95)
    }


def _line(found: Mapping[str, Any]) -> str:
    fps, age = found["fps"], found["age_ms"] or found["server_latency_ms"]
    ages = f"{age['p50']:6.1f} / {age['p95']:6.1f} ms" if age else "no code came back"
    server = "server elsewhere"
    if found["server_cpu_percent"] is not None:
        server = (
            f"server {found['server_cpu_percent']:3} % CPU,"
            f" {found['server_cpu_ms_per_picture']:5.1f} ms a picture, {found['server_mb']:6.1f} MB"
        )
    steps = ",".join(f"{n}×{step}" for step, n in Counter(found["steps"]).items())
    return (
        f"{found['calls']:2} calls  {fps['slowest']:5.1f}…{fps['fastest']:4.1f} fps  {ages}"
        f"  {server}  {steps}  (callers {found['callers_cpu_percent']} %, others"
        f" {found['others_cpu_percent']} %)"
    )

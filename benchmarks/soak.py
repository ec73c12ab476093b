"""Hours of calls that open, close, change, speak and fail at random: what do they leave behind?

A server as it is serves callers (aiortc) who do what clients do: open and hang up, leave without
hanging up, vanish, lose the network for up to three seconds, offer nonsense, offer and never come,
close half of a connection, change avatar, driver, background and mirror, let it speak, interrupt.
Which of them comes next is drawn by lot from `--seed`. Before, everything that a server sets up
lazily is asked for once. Then, and after every `--every` steps, all calls are ended and the server
is looked at, in all of its processes: memory, tasks, threads, handles, temporary files, and the
delay of one reference call, by the time code in its pictures. The first limit that breaks ends it,
with the step and the command that repeats it; so does whatever a step finds the server not to have
done, and a traceback in its log.

What is repeated are the steps and not their moments: a fault that needs two things to meet may take
several tries. On a busy machine leave `delay_ms` out of it (`--delay 1000`).
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from aiohttp import ClientSession

from benchmarks import caller, clip, packets, record
from benchmarks.call import CallPlan
from benchmarks.light import counting
from benchmarks.processes import descendants
from benchmarks.serving import Serving
from benchmarks.soaking.limits import NAMES, Limits, Look, broken, held, series, slope_per_hour
from benchmarks.soaking.steps import Broken, Callers
from live import rtc

_CLIP_PICTURES = 60
_KEYFRAME_EVERY = 15
_CONNECT_DEADLINE_S = 12.0
_QUIET_WITHIN_S = 30.0
_LOG_LINES = 12
_QUICK_HOURS = 0.011
_QUICK_EVERY = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    clip.add_arguments(parser)
    default = Limits()
    parser.add_argument("--hours", type=float, help=f"how long (1; {_QUICK_HOURS} with --quick)")
    parser.add_argument("--steps", type=int, help="end after this step, as to repeat a failure")
    parser.add_argument("--seed", type=int, default=0, help="of the lot that draws steps (0)")
    parser.add_argument("--calls", type=int, default=2, help="at once, at most (2)")
    parser.add_argument(
        "--every", type=int, help=f"steps between looks (40; {_QUICK_EVERY} with --quick)"
    )
    parser.add_argument(
        "--memory",
        type=float,
        default=default.memory_mb,
        help="MB it may grow by, for each process",
    )
    parser.add_argument(
        "--delay", type=float, default=default.delay_ms, help="ms a call may become slower by"
    )


def run(args: argparse.Namespace) -> dict[str, Any] | int:
    """Soaks, prints a line for each look, writes the record; 1 where a limit broke."""
    recorder = record.Recorder("soak", args)
    settings = {
        "SESSIONS__PLACES": str(args.calls + 1),
        "SESSIONS__CONNECT_DEADLINE_S": str(_CONNECT_DEADLINE_S),
        "SERVER__POSTS_PER_MINUTE": "100000",
    }
    with Serving("avatar", settings) as server:
        soak = Soak(server, args)
        figures = asyncio.run(soak.run())
    recorder.ended(server.stopped_cpu_s)
    show(figures)
    done = recorder.finish(figures)
    record.write(done, args.json)
    return 1 if figures["broken"] else done


@dataclass
class Soak:
    """One server, its callers, and what was seen of it."""

    server: Serving
    args: argparse.Namespace
    looks: list[Look] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        """Reads the clip."""
        args = self.args
        hours = args.hours or (_QUICK_HOURS if args.quick else 1.0)
        self._seconds = hours * 3600
        self._every = args.every or (_QUICK_EVERY if args.quick else 40)
        self._found = clip.read(args.clip, _CLIP_PICTURES)
        self._coded = packets.encoded("H264", self._found, _KEYFRAME_EVERY)
        one = Limits(memory_mb=args.memory, delay_ms=args.delay)
        self._processes = max(1, len(descendants(self.server.process.pid)))
        self._limits = one.times(self._processes)
        self._plan = CallPlan("H264", "track", 1.0, 1.5 if args.quick else 3.0)

    async def run(self) -> dict[str, Any]:
        """Until the time is up, or something breaks."""
        rtc.adapt()
        began = time.monotonic()
        why = ""
        async with ClientSession() as http:
            callers = Callers(
                http, self.server.address, self._coded, self.args.seed, self.args.calls
            )
            try:
                with counting():
                    await callers.warm_up(self._processes)
                await self._look(http, began)
                while not why and self._goes_on(began):
                    await self._round(callers)
                    await self._look(http, began)
                    why = broken(self.looks, self._limits) or self._failed()
            except Broken as error:
                last = "\n".join(self.server.said().splitlines()[-_LOG_LINES:])
                why = f"{error}\nThe server's log ends so:\n{last}"
            finally:
                await callers.abandon()
        return self._figures(callers, why, time.monotonic() - began)

    def _goes_on(self, began: float) -> bool:
        if self.args.steps is not None:
            return bool(self.steps < self.args.steps)
        return time.monotonic() - began < self._seconds

    async def _round(self, callers: Callers) -> None:
        last = self.steps + self._every
        if self.args.steps is not None:
            last = min(last, self.args.steps)
        with counting():
            while self.steps < last:
                self.steps += 1
                await callers.step()
            await callers.end_all()

    async def _look(self, http: ClientSession, began: float) -> None:
        """Waits until no call is held, looks, and makes the reference call."""
        metrics = await self._quiet(http)
        values = held(self.server.process.pid, metrics, self.server.temporary)
        seen, _, _ = await caller.call(self.server, self._plan, self._found)
        if not seen.ages_ms:
            raise Broken("the reference call got no picture; is the machine too busy?")
        values["delay_ms"] = round(float(np.median(seen.ages_ms)), 1)
        look = Look(round(time.monotonic() - began, 1), self.steps, values)
        self.looks.append(look)
        print(_line(look), flush=True)

    async def _quiet(self, http: ClientSession) -> str:
        """The server's metrics once it holds no call; raises `Broken` where it goes on to."""
        until = time.monotonic() + _QUIET_WITHIN_S
        while time.monotonic() < until:
            async with http.get(f"{self.server.address}/metrics") as answer:
                text = await answer.text()
            if not series(text, "visavis_sessions"):
                await asyncio.sleep(1.0)  # what a call leaves to threads is done by then
                async with http.get(f"{self.server.address}/metrics") as answer:
                    return await answer.text()
            await asyncio.sleep(0.2)
        raise Broken(f"calls are still held {_QUIET_WITHIN_S:.0f} s after all have been ended")

    def _failed(self) -> str:
        said = self.server.said()
        at = said.find("Traceback")
        return "" if at < 0 else f"the server's log has a traceback:\n{said[at : at + 3000]}"

    def _figures(self, callers: Callers, why: str, took_s: float) -> dict[str, Any]:
        repeat = f"visavis bench soak --seed {self.args.seed} --calls {self.args.calls}"
        return {
            "broken": why,
            "step": self.steps,
            "repeat": f"{repeat} --every {self._every} --steps {self.steps}",
            "hours": round(took_s / 3600, 3),
            "processes": self._processes,
            "steps": dict(sorted(callers.done.items())),
            "limits": asdict(self._limits),
            "growth": {name: slope_per_hour(self.looks[1:], name) for name in NAMES},
            "looks": [asdict(look) for look in self.looks],
        }


def show(figures: dict[str, Any]) -> None:
    """Prints the outcome."""
    print(f"{figures['step']} steps in {figures['hours']} hours: {figures['steps']}")
    for name, growth in figures["growth"].items():
        if growth is not None:
            print(f"{name:12} {growth['an_hour']:+8.2f} ±{growth['standard_error']:.2f} an hour")
    if figures["broken"]:
        print(f"BROKEN at step {figures['step']}: {figures['broken']}\n{figures['repeat']}")
    else:
        print("no limit broke")


def _line(look: Look) -> str:
    values = "  ".join(f"{name} {look.values[name]:g}" for name in NAMES)
    return f"{look.at_s:8.0f} s  step {look.step:5}  {values}"

"""What is started once for a latency benchmark, and a call of any kind in it.

Kinds of call are those of `benchmarks.serving` that `KINDS` names, and `THEIRS`: somebody else's
server, by URL.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from benchmarks import browser, caller, calling, clip, movement, targets
from benchmarks.call import CallPlan, Seen
from benchmarks.cells import Cell
from benchmarks.latency_figures import Runs, progress
from benchmarks.serving import Kind, Serving
from benchmarks.targets import Target
from engines.types import Rgb

KINDS: tuple[Kind, ...] = ("echo", "avatar", "aiortc")
THEIRS = "theirs"

_CLIP_PICTURES = 120
_HIGHEST = 1024
"""Of the server's pictures."""
_WIDE_KBITS = "6000"
_SETTINGS = {
    # One call at a time is held; the next may come before the last is quite gone.
    "SESSIONS__PLACES": "4",
    "SERVER__POSTS_PER_MINUTE": "10000",
    "LOGS__LEVEL": "warning",
}


class Bench:
    """Servers and a browser, until the stack that was given ends them."""

    def __init__(
        self,
        args: argparse.Namespace,
        stack: ExitStack,
        matrix: Sequence[Cell],
        theirs: Target | None,
    ) -> None:
        """Starts all; raises `ServerFailed`, `CallFailed`. `args`: of `benchmarks.latency`."""
        self.args, self._theirs = args, theirs
        self.servers: dict[tuple[Kind, frozenset[tuple[str, str]]], Serving] = {}
        self._clips: dict[tuple[tuple[int, int], int], list[Rgb]] = {}
        self._cameras: dict[tuple[tuple[int, int], int], browser.Camera] = {}
        for kind, cell in itertools.product(KINDS, matrix):
            key = _key(kind, cell)
            if key not in self.servers:
                settings = _SETTINGS | settings_of(kind, cell)
                self.servers[key] = stack.enter_context(Serving(kind, settings))
        self._browser: browser.Tabs | None = None
        if args.client == "browser":
            self._browser = stack.enter_context(browser.running(args.browser, visible=args.visible))

    def runs(self, rounds: int, matrix: Sequence[Cell], kinds: Sequence[str]) -> Runs:
        """All calls, in turn."""
        runs: Runs = defaultdict(list)
        for number, cell in itertools.product(range(rounds), matrix):
            for kind in kinds if number % 2 == 0 else reversed(kinds):
                seen = self._call(cell, kind, self._plan(cell, kind), _CLIP_PICTURES)
                runs[kind, cell].append(seen)
                print(progress(number, cell, kind, seen), flush=True)
        return runs

    def is_coded(self, cell: Cell) -> bool:
        """Whether the time code comes back from the foreign server."""
        plan = replace(self._plan(cell, THEIRS), coded=False, warm_s=1.0, seconds=2.0)
        seen = self._call(cell, THEIRS, plan, _CLIP_PICTURES)
        return len(seen.ages_ms) > seen.uncoded

    def movement(self, cell: Cell, kind: str) -> dict[str, Any]:
        """One call's delay by what moves in it."""
        seconds = 8.0 if self.args.quick else 20.0
        plan = replace(self._plan(cell, kind), coded=False, keeps=True, seconds=seconds)
        seen = self._call(cell, kind, plan, movement.PICTURES)
        return movement.measured(seen, self._clip(cell.size, movement.PICTURES))

    def _call(self, cell: Cell, kind: str, plan: CallPlan, pictures: int) -> Seen:
        found = self._clip(cell.size, pictures)
        server, target = self._called(cell, kind, plan)
        if self._browser is None:
            return asyncio.run(caller.call(server, plan, found, target=target))[0]
        key = cell.size, pictures
        if key not in self._cameras:
            self._cameras[key] = browser.Camera.showing(found)
        return calling.measured(self._browser, server, target, plan, self._cameras[key])

    def _called(self, cell: Cell, kind: str, plan: CallPlan) -> tuple[Serving | None, Target]:
        for known in KINDS:
            if known == kind:
                server = self.servers[_key(known, cell)]
                return server, targets.own(server.address, plan)
        assert self._theirs is not None
        return None, self._theirs

    def _clip(self, size: tuple[int, int], pictures: int) -> list[Rgb]:
        key = size, pictures
        if key not in self._clips:
            self._clips[key] = clip.read(self.args.clip, pictures, size)
        return self._clips[key]

    def _plan(self, cell: Cell, kind: str) -> CallPlan:
        args = self.args
        return CallPlan(
            cell.codec,
            cell.sink,
            warm_s=args.warm or (2.0 if args.quick else 5.0),
            seconds=args.seconds or (4.0 if args.quick else 10.0),
            fps=cell.fps,
            sound=not args.silent,
            heard=args.heard,
            tuned=kind != "aiortc",
            avatar=args.avatar,
            driver=cell.driver,
        )


def settings_of(kind: Kind, cell: Cell) -> dict[str, str]:
    """What a server of this kind has to be set to for a cell; who draws nothing needs no renderer.

    To a wide camera the avatar is as wide and as high.
    """
    if kind == "aiortc":
        return {}
    width, height = cell.size
    wide = width * 9 == height * 16 and height <= _HIGHEST
    bitrate = {"VIDEO__BITRATE": _WIDE_KBITS} if wide else {}
    if kind == "echo":  # gives pictures as they came, whatever their shape
        return bitrate
    shape = {"VIDEO__SHAPE": "wide", "VIDEO__SIZE": str(height)} if wide else {}
    return {"ENGINES__RENDERER": cell.renderer} | shape | bitrate


def _key(kind: Kind, cell: Cell) -> tuple[Kind, frozenset[tuple[str, str]]]:
    """One server for each set of settings."""
    return kind, frozenset(settings_of(kind, cell).items())

"""Tracking beside other work of the same process: in a thread, or in a process of its own.

A thread that holds the interpreter's lock is asked for it every `sys.setswitchinterval` seconds,
and a tracker needs it back after each of its dozens of calls into native code. One tracker follows
the clip at 30 pictures a second, beside

* nothing,
* `spin`: a thread that does nothing but run Python,
* `1 call`, `3 calls`: an event loop on which aiortc echoes so many real calls, VP8; their other
  ends are in another process.

`thread`: in this process; `process`: in another one, which is given each picture in shared memory
and sends the face back. Ways and intervals take turns within each round.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any, NamedTuple

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription

from benchmarks import clip, record, spread
from benchmarks.caller import PacedTrack
from benchmarks.processes import usage
from engines.trackers.litert import LitertTracker
from engines.types import Face, Picture, Rgb
from engines.weights import ModelStore

_FPS = 30
_PICTURES = 90
_SECONDS, _ROUNDS = 2.0, 6
_QUICK_SECONDS, _QUICK_ROUNDS = 1.0, 1
_INTERVALS_MS = (5.0, 1.0, 0.5, 0.1)
_CONNECT_LIMIT_S = 30.0
_SPAWN = multiprocessing.get_context("spawn")

Track = Callable[[Picture], tuple[Face | None, float]]
"""Gives the face and the CPU seconds that it took, wherever they were spent."""


class Case(NamedTuple):
    """One way of tracking beside one kind of load."""

    load: str
    way: str
    interval_ms: float


CASES = (
    *(Case("nothing", way, 5.0) for way in ("thread", "process")),
    *(Case("spin", "thread", interval) for interval in _INTERVALS_MS),
    *(Case("spin", "process", interval) for interval in (5.0, 0.5)),
    *(Case("1 call", "thread", interval) for interval in (5.0, 0.5)),
    Case("1 call", "process", 5.0),
    *(Case("3 calls", "thread", interval) for interval in _INTERVALS_MS),
    *(Case("3 calls", "process", interval) for interval in (5.0, 0.5)),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The benchmark's options."""
    record.add_arguments(parser)
    clip.add_arguments(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints the table and gives the record."""
    recorder = record.Recorder("isolation", args)
    seconds = _QUICK_SECONDS if args.quick else _SECONDS
    pictures = clip.read(args.clip, _PICTURES)
    here, thread_costs = _in_this_process()
    samples: defaultdict[Case, list[tuple[float, float]]] = defaultdict(list)
    lags: defaultdict[Case, list[float]] = defaultdict(list)
    with _in_another(pictures[0].shape) as (there, process_costs):
        for _ in range(_QUICK_ROUNDS if args.quick else _ROUNDS):
            for case in CASES:
                track = here if case.way == "thread" else there
                with _switching_every(case.interval_ms), _load(case.load, pictures, lags[case]):
                    _follow(track, pictures, 0.5)
                    samples[case] += _follow(track, pictures, seconds)
    figures = {
        "costs": {"thread": thread_costs, "process": process_costs},
        "cases": [
            {
                **case._asdict(),
                "wall_ms": spread.summary([wall for wall, _ in found]),
                "cpu_ms": spread.summary([cpu for _, cpu in found]),
                "loop_late_ms": spread.summary(lags[case]),
            }
            for case, found in samples.items()
        ],
    }
    show(figures)
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


def show(figures: dict[str, Any]) -> None:
    """Prints the table."""
    heads = ("switch", "wall p50", "p95", "CPU p50", "loop p95")
    print(f"{'beside':10}{'way':10}" + "".join(f"{head:>10}" for head in heads))
    for case in figures["cases"]:
        late = f"{case['loop_late_ms']['p95']:10.1f}" if case["loop_late_ms"] else ""
        print(
            f"{case['load']:10}{case['way']:10}{case['interval_ms']:10.1f}"
            f"{case['wall_ms']['p50']:10.1f}{case['wall_ms']['p95']:10.1f}"
            f"{case['cpu_ms']['p50']:10.1f}{late}"
        )
    for way, costs in figures["costs"].items():
        print(
            f"one more {way}: {costs['memory_mb']:.0f} MB, ready after {costs['start_ms']:.0f} ms"
        )


def _follow(track: Track, pictures: Sequence[Rgb], seconds: float) -> list[tuple[float, float]]:
    """Wall and CPU milliseconds of each picture, 30 of them a second."""
    found = []
    start = time.perf_counter()
    for index in range(round(seconds * _FPS)):
        time.sleep(max(0.0, start + index / _FPS - time.perf_counter()))
        rgb = pictures[clip.back_and_forth(len(pictures), index)]
        began = time.perf_counter()
        face, cpu_s = track(Picture(rgb, round(1e9 * began)))
        found.append((1e3 * (time.perf_counter() - began), 1e3 * cpu_s))
        if face is None:
            raise RuntimeError("the face was lost: this is no measurement of following it")
    return found


@contextmanager
def _switching_every(interval_ms: float) -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval_ms / 1e3)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _timed(tracker: LitertTracker) -> Track:
    def track(picture: Picture) -> tuple[Face | None, float]:
        before = time.thread_time()
        face = tracker.track(picture)
        return face, time.thread_time() - before

    return track


def _in_this_process() -> tuple[Track, dict[str, float]]:
    LitertTracker(ModelStore())  # what only the first one costs is not counted
    before_mb, began = usage(os.getpid()).resident_mb, time.perf_counter()
    trackers = [LitertTracker(ModelStore()) for _ in range(4)]
    start_ms = 1e3 * (time.perf_counter() - began) / len(trackers)
    for tracker in trackers:
        tracker.track(Picture(np.zeros((360, 640, 3), np.uint8)))
    memory_mb = (usage(os.getpid()).resident_mb - before_mb) / len(trackers)
    return _timed(trackers[0]), {"memory_mb": memory_mb, "start_ms": start_ms}


@contextmanager
def _in_another(shape: tuple[int, ...]) -> Iterator[tuple[Track, dict[str, float]]]:
    memory = SharedMemory(create=True, size=int(np.prod(shape)))
    ours, theirs = _SPAWN.Pipe()
    began = time.perf_counter()
    process = _SPAWN.Process(
        target=_tracker_process, args=(theirs, memory.name, shape), daemon=True
    )
    process.start()
    ours.recv()
    costs = {"start_ms": 1e3 * (time.perf_counter() - began)}

    def track(picture: Picture) -> tuple[Face | None, float]:
        before = time.thread_time()
        np.ndarray(shape, np.uint8, memory.buf)[:] = picture.rgb
        ours.send(picture.pts_ns)
        face, cpu_s = ours.recv()
        return face, cpu_s + time.thread_time() - before

    try:
        assert process.pid is not None
        track(Picture(np.zeros(shape, np.uint8)))
        costs["memory_mb"] = usage(process.pid).resident_mb
        yield track, costs
    finally:
        ours.send(None)
        process.join()
        memory.close()
        memory.unlink()


def _tracker_process(pipe: Connection, name: str, shape: tuple[int, ...]) -> None:
    memory = SharedMemory(name)
    rgb: Rgb = np.ndarray(shape, np.uint8, memory.buf)
    track = _timed(LitertTracker(ModelStore()))
    pipe.send("ready")
    while (pts_ns := pipe.recv()) is not None:
        pipe.send(track(Picture(rgb, pts_ns)))
    del rgb
    memory.close()


@contextmanager
def _load(name: str, pictures: Sequence[Rgb], lags: list[float]) -> Iterator[None]:
    if name == "nothing":
        yield
        return
    stop = threading.Event()
    if name == "spin":
        thread = threading.Thread(target=_spin, args=(stop,))
        thread.start()
    else:
        ready = threading.Event()
        calls = int(name.split(maxsplit=1)[0])
        thread = threading.Thread(
            target=lambda: asyncio.run(_echo(calls, pictures[:30], ready, stop, lags)), daemon=True
        )
        thread.start()
        if not ready.wait(_CONNECT_LIMIT_S):
            raise RuntimeError("the calls beside which to track did not come about")
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _spin(stop: threading.Event) -> None:
    turns = 0
    while not stop.is_set():
        turns += 1


async def _echo(
    calls: int,
    pictures: Sequence[Rgb],
    ready: threading.Event,
    stop: threading.Event,
    lags: list[float],
) -> None:
    """Sends back what the callers' process sends, and notes how late the loop is."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_callers, args=(theirs, calls, pictures), daemon=True)
    process.start()
    peers = []
    for _ in range(calls):
        peer = RTCPeerConnection()
        peers.append(peer)
        peer.on("track", peer.addTrack)
        offer = await asyncio.to_thread(ours.recv)
        await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        ours.send(peer.localDescription.sdp)
    await asyncio.to_thread(ours.recv)  # pictures come back
    ready.set()
    while not stop.is_set():
        due = time.perf_counter() + 0.005
        await asyncio.sleep(0.005)
        lags.append(1e3 * (time.perf_counter() - due))
    ours.send("stop")
    for peer in peers:
        await peer.close()
    await asyncio.to_thread(process.join)


def _callers(pipe: Connection, calls: int, pictures: Sequence[Rgb]) -> None:
    asyncio.run(_call(pipe, calls, pictures))


async def _call(pipe: Connection, calls: int, pictures: Sequence[Rgb]) -> None:
    def make(index: int) -> av.VideoFrame:
        rgb = pictures[clip.back_and_forth(len(pictures), index)]
        return av.VideoFrame.from_ndarray(rgb, format="rgb24")

    tasks, peers = [], []
    seen = [asyncio.Event() for _ in range(calls)]
    for event in seen:
        peer = RTCPeerConnection()
        peers.append(peer)
        peer.addTrack(PacedTrack(_FPS, make))
        await peer.setLocalDescription(await peer.createOffer())
        pipe.send(peer.localDescription.sdp)
        answer = await asyncio.to_thread(pipe.recv)
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        tasks.append(asyncio.create_task(_watch(peer.getReceivers()[0].track, event)))
    for event in seen:
        await event.wait()
    pipe.send("seen")
    await asyncio.to_thread(pipe.recv)
    for task in tasks:
        task.cancel()
    for peer in peers:
        await peer.close()


async def _watch(track: MediaStreamTrack, seen: asyncio.Event) -> None:
    while True:
        await track.recv()
        seen.set()

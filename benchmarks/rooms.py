"""What each room costs: a clip goes the whole way in one thread, CPU and wall time room by room.

Each picture goes decode → to RGB → track → drive → render → stamp → to I420 → encode, as in a call,
so that caches are as warm or cold as there; nothing else runs in the process. CPU is what the whole
process used (`time.process_time`), so work that a library gives to threads of its own counts too.
The first picture is reported as cold, apart from the others: it pays for what is set up lazily.
Both codecs decode and encode the same pictures; the total counts the mean of the two.

What a microphone adds is measured after that, on the same pictures: `hear`, the decoding of its
packets, a tenth of a second at a time as in a call where the camera has the mouth, and what the
driver that also listens takes with it (`drive`) and without (`silent`).

Then each network is measured on each backend and number of threads, loaded, first and warm
(`benchmarks/networks.py`). What a piece costs in each tenth of the run stands in `by_block`: by how
much these differ, two runs do.

On a busy machine believe CPU rather than wall time, and ratios within one run rather than either.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, ParamSpec, TypeVar, get_args
from unittest.mock import patch

import av
import cv2
import numpy as np
from aiortc.codecs import get_decoder
from aiortc.jitterbuffer import JitterFrame
from numpy.typing import NDArray

from benchmarks import clip, networks, packets, record, spread
from benchmarks.network_subjects import Which
from engines import avatars, registry
from engines.mark import KEY_BYTES, PAYLOAD_BYTES, Mark
from engines.renderers.warp import renderer
from engines.renderers.warp.way import Way, fastest
from engines.trackers import litert
from engines.trackers import networks as networks_of_faces
from engines.types import Network, Picture, Portrait, Renderer, Rgb, Tracker, Weights
from engines.weights import ModelStore
from live.clock import SECOND, VIDEO_RATE
from live.decoded import decoded
from live.disclosure import Disclosure, Label
from live.frames import to_frame
from live.hearing import Hearing
from live.measures import Counts
from live.opus import SLOT, Piece

ROOMS = ("convert", "track", "drive", "render", "stamp", "hand_over")

WARP_STAGES = ("deform", "relight", "rasterise", "compose", "draw_eyes", "draw_mouth")

_PICTURES = 300
_QUICK_PICTURES = 60
_BLOCKS = 10
_PIECES_AT_ONCE = 5
_PIECE_NS = SECOND // 50
_MICROPHONE = "  microphone"

P = ParamSpec("P")
T = TypeVar("T")


class Stopwatch:
    """CPU and wall time of named pieces of work, sample by sample."""

    def __init__(self) -> None:
        """Nothing measured."""
        self.wall_ms: defaultdict[str, list[float]] = defaultdict(list)
        self.cpu_ms: defaultdict[str, list[float]] = defaultdict(list)

    def __call__(self, name: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Does the work and notes what it took."""
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        result = work(*args, **kwargs)
        self.cpu_ms[name].append((time.process_time_ns() - cpu) / 1e6)
        self.wall_ms[name].append((time.perf_counter_ns() - wall) / 1e6)
        return result

    def figures(self, pictures: int) -> dict[str, dict[str, Any]]:
        """Each piece's spread over the warm samples, its first one, and its cost for a picture.

        A piece that is not done for every picture (the face detector) has fewer calls than
        `pictures`, and a cost for a picture below that of a call.
        """
        return {
            name: {
                "calls": len(samples),
                "cold_ms": round(self.wall_ms[name][0], 2),
                "cpu_ms": spread.summary(samples[1:]),
                "wall_ms": spread.summary(self.wall_ms[name][1:]),
                "cpu_ms_per_picture": round(sum(samples[1:]) / (pictures - 1), 3),
                "by_block": _blocks(samples[1:]) if len(samples) == pictures else [],
            }
            for name, samples in self.cpu_ms.items()
        }


class Wire:
    """One codec's two ends as the server has them, and the camera's packets."""

    def __init__(self, name: str, camera: Sequence[Rgb]) -> None:
        """Codes the camera's pictures."""
        self._encoder = packets.encoder(name)
        self._decoder = get_decoder(packets.parameters(name))
        self._arriving = packets.encoded(name, camera)

    def decode(self, index: int) -> av.VideoFrame:
        """The camera's picture number `index`."""
        ticks = index * VIDEO_RATE // packets.FPS
        (frame,) = self._decoder.decode(JitterFrame(self._arriving[index], ticks))
        assert isinstance(frame, av.VideoFrame)
        return frame

    def encode(self, frame: av.VideoFrame) -> None:
        """What is sent."""
        self._encoder.encode(frame)


class Microphone:
    """A peer's packets of sound, and who decodes them."""

    def __init__(self) -> None:
        """Has said nothing yet."""
        self.hearing = Hearing(Counts())
        self._packets = packets.spoken()
        self._said = 0

    def says_until(self, now_ns: int) -> None:
        """Sends what has been recorded by then."""
        while (start_ns := self._said * _PIECE_NS) + _PIECE_NS <= now_ns:
            data = self._packets[self._said % len(self._packets)]
            self.hearing.put(Piece(data, self._said * SLOT, start_ns, start_ns))
            self._said += 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    clip.add_arguments(parser)
    parser.add_argument("--avatar", default="mira", help="built-in avatar to draw (mira)")
    parser.add_argument("--tracker", default="litert", help="tracker (litert)")
    parser.add_argument("--renderer", default="warp", help="renderer (warp)")
    parser.add_argument("--size", type=int, default=512, help="avatar's width and height (512)")
    parser.add_argument(
        "--networks",
        choices=("none", *get_args(Which)),
        default="shipped",
        help="which to measure on each backend and number of threads (shipped); `compact`: with"
        " portraits' networks; `official`: of the public checkpoints' size, which take half an hour"
        " and 10 GB",
    )
    parser.add_argument(
        "--pictures", type=int, help=f"how many ({_PICTURES}; {_QUICK_PICTURES} with --quick)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints a table, writes the record and returns it."""
    cv2.setNumThreads(1)
    recorder = record.Recorder("rooms", args)
    pictures = max(3, args.pictures or (_QUICK_PICTURES if args.quick else _PICTURES))
    found = clip.read(args.clip, pictures)
    camera = [found[clip.back_and_forth(len(found), index)] for index in range(pictures)]
    watch = Stopwatch()
    measure(args, camera, watch)
    measure_microphone(args, camera, watch)
    rooms = watch.figures(pictures)
    figures: dict[str, Any] = {
        "rooms": rooms,
        "total_cpu_ms_per_picture": total(rooms),
        "total_by_block": total_by_block(rooms),
        "microphone_cpu_ms_per_picture": microphone(rooms),
        "picture": list(camera[0].shape),
    }
    if args.networks != "none":
        figures["networks"] = networks.measure(args.networks, quick=args.quick)
    done = recorder.finish(figures)
    show(figures)
    networks.show(figures.get("networks", {}))
    record.write(done, args.json)
    return done


def measure(args: argparse.Namespace, camera: Sequence[Rgb], watch: Stopwatch) -> None:
    """Sends the camera's pictures through all rooms under the stopwatch."""
    with timed_stages(watch) if args.renderer == "warp" else nullcontext():
        _measure(args, camera, watch)


def _measure(args: argparse.Namespace, camera: Sequence[Rgb], watch: Stopwatch) -> None:
    with timed_networks(watch):
        tracker = registry.tracker(args.tracker, ModelStore())
    driver, drawer = registry.driver("face"), registry.renderer(args.renderer)
    avatar = prepared(drawer, tracker, args.avatar, args.size)
    watch.cpu_ms.clear()
    watch.wall_ms.clear()
    stamp = Disclosure(Label(), Mark(bytes(KEY_BYTES), bytes(PAYLOAD_BYTES)))
    wires = {name: Wire(name, camera) for name in packets.CODECS}
    for index in range(len(camera)):
        for name, wire in wires.items():
            frame = watch(f"decode {name}", wire.decode, index)
        picture = watch("convert", decoded, frame)
        now_ns = index * SECOND // packets.FPS
        face = watch("track", tracker.track, picture.at(now_ns, now_ns))
        motions = watch("drive", driver.drive, face, ())
        drawn = watch("render", drawer.render, avatar, motions[-1])
        stamped = watch("stamp", stamp, drawn)
        frame = packets.timed(watch("hand_over", to_frame, stamped), index)
        for name, wire in wires.items():
            watch(f"encode {name}", wire.encode, frame)
    tracker.close()


def measure_microphone(args: argparse.Namespace, camera: Sequence[Rgb], watch: Stopwatch) -> None:
    """Lets a driver hear something and another one nothing, of the same faces."""
    tracker, sound = registry.tracker(args.tracker, ModelStore()), Microphone()
    hears, deaf = registry.driver("auto"), registry.driver("auto")
    for index, rgb in enumerate(camera):
        now_ns = index * SECOND // packets.FPS
        face = tracker.track(Picture(rgb, now_ns, now_ns))
        sound.says_until(now_ns)
        sounds = watch(f"{_MICROPHONE} hear", sound.hearing.take, _PIECES_AT_ONCE)
        watch(f"{_MICROPHONE} drive", hears.drive, face, sounds)
        watch(f"{_MICROPHONE} silent", deaf.drive, face, ())
    tracker.close()


def microphone(rooms: dict[str, dict[str, Any]]) -> float:
    """CPU of a picture's share of the sound."""
    hear, drive, silent = (
        float(rooms[f"{_MICROPHONE} {name}"]["cpu_ms_per_picture"])
        for name in ("hear", "drive", "silent")
    )
    return round(hear + drive - silent, 2)


def total(rooms: dict[str, dict[str, Any]]) -> float:
    """CPU of a picture's whole way, with the mean of the codecs."""
    return _sum({name: float(room["cpu_ms_per_picture"]) for name, room in rooms.items()})


def total_by_block(rooms: dict[str, dict[str, Any]]) -> list[float]:
    """The same of each tenth of the run; none where that was too short."""
    blocks = {name: room["by_block"] for name, room in rooms.items() if room["by_block"]}
    return [
        _sum({name: block[index] for name, block in blocks.items()})
        for index in range(_BLOCKS if blocks else 0)
    ]


def _blocks(samples: Sequence[float]) -> list[float]:
    if len(samples) < _BLOCKS:
        return []
    return [round(float(block.mean()), 3) for block in np.array_split(samples, _BLOCKS)]


def _sum(cost: Mapping[str, float]) -> float:
    coding = sum(cost[f"{way} {name}"] for way in ("decode", "encode") for name in packets.CODECS)
    return round(sum(cost[name] for name in ROOMS) + coding / len(packets.CODECS), 2)


def show(figures: dict[str, Any]) -> None:
    """Prints the table."""
    print(f"{'ms':22}{'calls':>7}{'CPU p50':>9}{'p95':>8}{'wall p50':>10}{'p95':>8}{'cold':>8}")
    for name, room in sorted(figures["rooms"].items(), key=lambda item: _order(item[0])):
        cpu, wall = room["cpu_ms"], room["wall_ms"]
        print(
            f"{name:22}{room['calls']:7}{cpu['p50']:9.2f}{cpu['p95']:8.2f}"
            f"{wall['p50']:10.2f}{wall['p95']:8.2f}{room['cold_ms']:8.1f}"
            if cpu and wall
            else f"{name:22}{room['calls']:7}{'cold only':>35}{room['cold_ms']:8.1f}"
        )
    print(
        f"a picture's whole way: {figures['total_cpu_ms_per_picture']:.2f} ms of CPU;"
        f" with a microphone {figures['microphone_cpu_ms_per_picture']:.2f} more"
    )


def prepared(drawer: Renderer, tracker: Tracker, name: str, size: int) -> Any:
    """A built-in avatar, made ready."""
    folder = avatars.folder(name)
    rgb = _image(folder / "portrait.jpg", cv2.IMREAD_COLOR_RGB)
    matte = _image(folder / "matte.png", cv2.IMREAD_GRAYSCALE)
    portrait = Portrait(rgb, tuple(tracker.find(Picture(rgb))), matte)
    return drawer.prepare(portrait, id=name, consent=f"built-in/{name}", size=size)


@contextmanager
def timed_networks(watch: Stopwatch) -> Iterator[None]:
    """Lets trackers that load networks meanwhile run them under the stopwatch."""

    def timed(weights: Weights) -> networks_of_faces.Networks:
        found = networks_of_faces.opened(weights)
        each = found._asdict().items()
        return networks_of_faces.Networks(
            **{name: TimedNetwork(network, f"  net face_{name}", watch) for name, network in each}
        )

    with patch.object(litert, "opened", timed):
        yield


@contextmanager
def timed_stages(watch: Stopwatch) -> Iterator[None]:
    """Puts the warp renderer's stages under the stopwatch."""

    def timed(name: str, stage: Callable[..., Any]) -> Callable[..., Any]:
        return partial(watch, f"  warp {name}", stage)

    best = fastest()
    way = Way(timed("rasterise", best.rasterise), timed("compose", best.compose))
    with ExitStack() as stack:
        for name in WARP_STAGES:
            if name not in Way._fields:
                stage = timed(name, getattr(renderer, name))
                stack.enter_context(patch.object(renderer, name, stage))
        stack.enter_context(patch.object(renderer, "fastest", lambda: way))
        yield


class TimedNetwork:
    """A network under the stopwatch."""

    def __init__(self, network: Network, name: str, watch: Stopwatch) -> None:
        """`name`: what its samples are filed under."""
        self._network, self._name, self._watch = network, name, watch
        self.inputs, self.outputs = network.inputs, network.outputs
        self.bind = network.bind

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs it."""
        return self._watch(self._name, self._network, *inputs)

    def close(self) -> None:
        """Frees it."""
        self._network.close()


def _order(name: str) -> tuple[int, str]:
    way = (
        "decode",
        "convert",
        "track",
        "  net",
        "drive",
        _MICROPHONE,
        "render",
        "  warp",
        "stamp",
        "hand_over",
        "encode",
    )
    return next(index for index, start in enumerate(way) if name.startswith(start)), name


def _image(path: Any, flag: int) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), flag)
    assert picture is not None
    return np.ascontiguousarray(picture, np.uint8)

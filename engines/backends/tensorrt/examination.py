"""What shows on a real card whether networks run rightly there: checks go in a list, figures out.

Each check takes a loaded network and gives a `Check`. `visavis doctor --gpu` and the tests marked
`gpu` are made of them, so that a user's report and our own tests say the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines import parity, random_inputs
from engines.backends import onnxruntime
from engines.backends.tensorrt.network import TensorRtNetwork
from engines.errors import DeviceFull, EngineError
from engines.parity import TOLERANCES
from engines.types import Backend, ModelSpec

FPS = 30
_TRIALS = 4
_WARM_UP = 20
_TIMED = 300
_MOST_SESSIONS = 16
_SESSIONS_S = 4.0
_LATE = 0.01
"""Share of frames that may come later than the next one is due."""
_DEVICE_GROWTH = 16 << 20
_HOST_GROWTH = 48 << 20
"""Bytes that other programs, and libraries' own caches, may account for."""

Arrays = Mapping[str, NDArray[Any]]
Say = Callable[[str], None]
Call = Callable[[], Sequence[NDArray[Any]]]

_reference: Backend = onnxruntime.load


@dataclass(frozen=True, slots=True)
class Subject:
    """A network to examine."""

    spec: ModelSpec
    """Its shapes are fixed."""
    precision: str
    reference: ModelSpec
    """The same in fp32, for the processor."""
    bound: tuple[str, ...] = ()
    """Inputs that are bound once."""
    every_frame: bool = False
    """Whether it runs for each frame of each session."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found."""

    name: str
    ok: bool
    figures: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def examine(backend: Backend, subject: Subject, *, frames: int, say: Say) -> Iterator[Check]:
    """All checks of one network, on an empty engine cache; `frames`: of the one for memory.

    A check that ends by an error has failed, with the error as its note; the others go on.
    """
    say("building")
    network, check = _loaded(backend, subject.spec, "built")
    yield check
    if network is None:
        return
    network.close()
    network, check = _loaded(backend, subject.spec, "from the cache")
    yield check
    if network is None:
        return
    with closing(network):
        for name, run in _checks(subject, frames).items():
            say(name)
            yield _guarded(name, partial(run, network))


def _checks(subject: Subject, frames: int) -> dict[str, Callable[[TensorRtNetwork], Check]]:
    given = random_inputs.draw(subject.spec.inputs, np.random.default_rng(0))
    checks: dict[str, Callable[[TensorRtNetwork], Check]] = {
        "parity": lambda network: agrees(network, subject),
        "latency": lambda network: latency(network, subject.bound, given),
    }
    if subject.every_frame:
        checks |= {
            "sessions": lambda network: sessions(network, subject.bound, given),
            "memory": lambda network: flat(network, subject.bound, given, frames=frames),
            "full device": lambda network: refuses(network, subject.bound, given),
        }
    return checks


def agrees(network: TensorRtNetwork, subject: Subject) -> Check:
    """Whether it gives what the processor gives in fp32, on random inputs."""
    generator = np.random.default_rng(1)
    drawn = [random_inputs.draw(subject.spec.inputs, generator) for _ in range(_TRIALS)]
    with closing(_reference(subject.reference)) as reference:
        against = parity.trials(reference, [tuple(each.values()) for each in drawn])
    run = partial(_bound_anew, network, subject.bound)
    error = parity.deviation(run, against, network.outputs)
    figures = {key: value for key, value in asdict(error).items() if key != "magnitude"}
    return Check("parity", error.within(TOLERANCES[subject.precision]), figures)


def latency(network: TensorRtNetwork, bound: Sequence[str], given: Arrays) -> Check:
    """How long a frame takes, one session alone; the first ones apart, they set up and record."""
    with ready(network, bound, given) as call:
        first = [_timed_ms(call) for _ in range(3)]
        for _ in range(_WARM_UP):
            call()
        cpu = time.process_time()
        took = [_timed_ms(call) for _ in range(_TIMED)]
        cpu_ms = 1000 * (time.process_time() - cpu) / _TIMED
    return Check(
        "latency",
        True,
        {
            "first_ms": [round(each, 2) for each in first],
            **_spread(took),
            "cpu_ms": round(cpu_ms, 3),
        },
    )


def sessions(network: TensorRtNetwork, bound: Sequence[str], given: Arrays) -> Check:
    """How many sessions get their frames in time at 30 a second, each with constants of its own."""
    tried: dict[str, Any] = {}
    held, count = 0, 1
    while count <= _MOST_SESSIONS:
        try:
            took = _together(network, bound, given, count)
        except DeviceFull as error:
            tried[str(count)] = str(error)
            break
        late = float(np.mean(np.array(took) > 1000 / FPS))
        tried[str(count)] = {**_spread(took), "late": round(late, 4)}
        if late > _LATE:
            break
        held, count = count, count * 2
    return Check("sessions", held > 0, {"at_fps": FPS, "held": held, "tried": tried})


def flat(
    network: TensorRtNetwork, bound: Sequence[str], given: Arrays, *, frames: int = 10_000
) -> Check:
    """Whether memory stays as it is while many frames run."""
    with ready(network, bound, given) as call:
        for _ in range(_WARM_UP):
            call()
        device, host = network.memory.free(), _resident()
        for _ in range(frames):
            call()
        device_grown, host_grown = device - network.memory.free(), _resident() - host
    return Check(
        "memory",
        device_grown <= _DEVICE_GROWTH and host_grown <= _HOST_GROWTH,
        {"frames": frames, "device_grown": device_grown, "host_grown": host_grown},
    )


def refuses(network: TensorRtNetwork, bound: Sequence[str], given: Arrays) -> Check:
    """Whether a device without room refuses a session, disturbs no other, and takes it later."""
    with ready(network, bound, given) as first:
        expected = first()
        # Claimed and not allocated: nobody's desktop is to suffer.
        with closing(network.memory.claim(network.memory.left(), "the test of a full device")):
            refused = not _has_room(network, bound, given)
            undisturbed = _same(expected, first())
        later = _has_room(network, bound, given)
    figures = {"refused": refused, "undisturbed": undisturbed, "taken_later": later}
    return Check("full device", all(figures.values()), figures)


def _has_room(network: TensorRtNetwork, bound: Sequence[str], given: Arrays) -> bool:
    try:
        with ready(network, bound, given) as call:
            call()
    except DeviceFull:
        return False
    return True


@contextmanager
def ready(network: TensorRtNetwork, bound: Sequence[str], given: Arrays) -> Iterator[Call]:
    """A session's call with everything given; raises `DeviceFull`. `bound`: what is bound of it."""
    constants = {name: given[name] for name in bound}
    with closing(network.bind(**constants)) as mine, closing(mine.seat()):
        yield partial(mine, *(given[name] for name in mine.inputs))


def _loaded(backend: Backend, spec: ModelSpec, name: str) -> tuple[TensorRtNetwork | None, Check]:
    began = time.perf_counter()
    try:
        network = backend(spec)
    except EngineError as error:
        return None, Check(name, False, {}, str(error))
    assert isinstance(network, TensorRtNetwork)
    return network, Check(name, True, {"s": round(time.perf_counter() - began, 2)})


def _guarded(name: str, run: Callable[[], Check]) -> Check:
    try:
        return run()
    except EngineError as error:
        return Check(name, False, {}, f"{type(error).__name__}: {error}")


def _bound_anew(
    network: TensorRtNetwork, bound: Sequence[str], *inputs: NDArray[Any]
) -> Sequence[NDArray[Any]]:
    given = dict(zip(network.inputs, inputs, strict=True))
    with ready(network, bound, given) as call:
        for _ in range(2):
            call()
        return call()  # the third frame is the first that is replayed


def _together(
    network: TensorRtNetwork, bound: Sequence[str], given: Arrays, count: int
) -> list[float]:
    """Milliseconds of every frame of so many sessions at once, from when it was due."""
    took: list[float] = []
    with ExitStack() as opened:
        calls = [opened.enter_context(ready(network, bound, given)) for _ in range(count)]
        for call in calls:
            for _ in range(3):
                call()
        start = time.perf_counter() + 0.1
        frames = range(int(_SESSIONS_S * FPS))
        with ThreadPoolExecutor(count) as executor:
            running = [
                # Sessions are not in step: each begins at a moment of its own.
                executor.submit(_paced, call, start + which / count / FPS, frames)
                for which, call in enumerate(calls)
            ]
            for each in running:
                took += each.result()
    return took


def _paced(call: Call, start: float, frames: Sequence[int]) -> list[float]:
    took = []
    for frame in frames:
        due = start + frame / FPS
        time.sleep(max(0.0, due - time.perf_counter()))
        call()
        took.append(1000 * (time.perf_counter() - due))
    return took


def _timed_ms(call: Call) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def _spread(took: Sequence[float]) -> dict[str, float]:
    percentiles = {f"p{each}_ms": float(np.percentile(took, each)) for each in (50, 95, 99)}
    return {name: round(each, 2) for name, each in percentiles.items()}


def _same(one: Sequence[NDArray[Any]], other: Sequence[NDArray[Any]]) -> bool:
    return all(np.array_equal(left, right) for left, right in zip(one, other, strict=True))


def _resident() -> int:
    """Bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

"""Networks on TensorRT, run on a device in numpy that forgives nothing (`tensorrt_fake`)."""

from __future__ import annotations

import itertools
import logging
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.backends.tensorrt.cuda import Cuda
from engines.backends.tensorrt.held import Held
from engines.backends.tensorrt.network import TensorRtNetwork, load
from engines.errors import BackendUnavailable, DeviceFull, DeviceLost, EngineError
from engines.types import ModelSpec, Network, Seated
from tests.tensorrt_fake import FakeRtx, Machine, computed, plan, spec
from tests.tensorrt_fake_cuda import ALLOCATING, FREEING, LOST, WAITING, CUresult, FakeGpu

Array = NDArray[Any]

PLAN = plan(
    {"x": ((1, 21, 3), "float32"), "volume": ((2, 4, 5), "float32"), "s": ((1, 1), "float32")},
    {"picture": ((1, 8, 8, 3), "uint8"), "y": ((3, 7), "float32")},
)
SPEC = spec("frame")
CONTEXT = {"contexts": 1, "runtimes": 1}
"""What is left when all networks are closed."""


def drawn(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def x(seed: int) -> Array:
    return drawn(seed, 1, 21, 3)


def constants(seed: int) -> dict[str, Array]:
    return {"volume": drawn(seed, 2, 4, 5), "s": drawn(seed + 1, 1, 1)}


def right(given: Array, bound: dict[str, Array], outputs: Any) -> bool:
    inputs = [given, bound["volume"], bound["s"]]
    picture, y = outputs
    return bool(
        (picture == computed(inputs, (1, 8, 8, 3), "uint8", 0)).all()
        and (y == computed(inputs, (3, 7), "float32", 1)).all()
    )


@contextmanager
def flawless(machine: Machine) -> Iterator[TensorRtNetwork]:
    """A network whose life leaves nothing behind and makes no mistake."""
    network = load(machine.runtime, PLAN, SPEC)
    yield network
    network.close()
    assert machine.gpu.mistakes == []
    assert machine.gpu.live == CONTEXT
    assert machine.memory.claimed == 0


@pytest.fixture(params=[False, True], ids=["tensorrt", "tensorrt_rtx"])
def machine(request: pytest.FixtureRequest) -> Machine:
    return Machine(rtx=request.param)


def run(bound: TensorRtNetwork, frames: Iterable[int]) -> None:
    for frame in frames:
        assert right(x(frame), constants(1), bound(x(frame)))


def is_rtx(machine: Machine) -> bool:
    return isinstance(machine.module, FakeRtx)


def test_it_computes_what_it_is_given(machine: Machine) -> None:
    with flawless(machine) as network:
        own: Network = network
        assert own.inputs == {"x": (1, 21, 3), "volume": (2, 4, 5), "s": (1, 1)}
        assert own.outputs == {"picture": (1, 8, 8, 3), "y": (3, 7)}
        bound = constants(9)
        for seed in range(5):
            assert right(x(seed), bound, network(x(seed), bound["volume"], bound["s"]))


def test_outputs_are_the_callers(machine: Machine) -> None:
    with flawless(machine) as network, bound_to(network, 1) as bound:
        kept = [bound(x(seed)) for seed in range(4)]
        kept[0][0][:] = 0
        assert all(right(x(seed), constants(1), kept[seed]) for seed in range(1, 4))


@contextmanager
def bound_to(network: TensorRtNetwork, seed: int) -> Iterator[TensorRtNetwork]:
    bound = network.bind(**constants(seed))
    yield bound
    bound.close()


def test_several_bindings_share_the_lanes(machine: Machine) -> None:
    with flawless(machine) as network, bound_to(network, 1) as one, bound_to(network, 5) as other:
        assert one.inputs == {"x": (1, 21, 3)}
        for seed in range(6):
            assert right(x(seed), constants(1), one(x(seed)))
            assert right(x(seed), constants(5), other(x(seed)))
        assert machine.gpu.calls.count("create_execution_context") == 1


def test_a_binding_can_be_bound_further(machine: Machine) -> None:
    with flawless(machine) as network:
        given = constants(3)
        first = network.bind(s=given["s"])
        second = first.bind(volume=given["volume"])
        first.close()  # what it bound stays for the other
        for seed in range(4):
            assert right(x(seed), given, second(x(seed)))
        with pytest.raises(EngineError, match="'frame' was closed"):
            first(x(0), given["volume"])
        second.close()


def test_the_order_is_that_of_the_specification() -> None:
    machine = Machine()
    other = ModelSpec(
        *("frame", SPEC.path, "", ""),
        {"s": (1, 1), "x": (1, 21, 3), "volume": (2, 4, -1)},
        {"y": (3, 7)},
    )
    network = load(machine.runtime, PLAN, other)
    bound = constants(2)
    (y,) = network(bound["s"], x(0), bound["volume"])
    assert (y == computed([x(0), bound["volume"], bound["s"]], (3, 7), "float32", 1)).all()


def test_after_two_frames_one_wait_and_no_allocation_each(machine: Machine) -> None:
    with flawless(machine) as network, bound_to(network, 1) as bound:
        bound(x(0)), bound(x(1))
        for seed in range(2, 12):
            machine.gpu.calls.clear()
            assert right(x(seed), constants(1), bound(x(seed)))
            calls = machine.gpu.calls
            assert sum(call in WAITING for call in calls) == 1
            assert not (ALLOCATING | FREEING) & set(calls)
            if not is_rtx(machine):
                assert calls == ["cuGraphLaunch", "cuEventRecord", "cuEventSynchronize"]


def test_ten_thousand_frames_take_no_more_memory_than_ten(machine: Machine) -> None:
    with flawless(machine) as network, bound_to(network, 1) as bound:

        def state() -> tuple[int, dict[str, int], int]:
            return machine.gpu.allocated, machine.gpu.live, machine.memory.claimed

        for seed in range(10):
            bound(x(seed))
        machine.gpu.calls.clear()
        machine.gpu.computes = False
        before = state()
        given = x(3)
        for _ in range(2_000 if is_rtx(machine) else 10_000):
            bound(given)
        assert state() == before
        assert not (ALLOCATING | FREEING) & set(machine.gpu.calls)


def test_graphs_are_bounded_and_never_of_another_binding() -> None:
    machine = Machine()
    with flawless(machine) as network:
        for round_ in range(2):
            for seed in range(0, 40, 2):
                with bound_to(network, seed) as bound:
                    for frame in range(3):
                        assert right(x(frame), constants(seed), bound(x(frame))), round_
                assert machine.gpu.live["executables"] <= 8


def test_without_graphs() -> None:
    machine = Machine()
    network = load(machine.runtime, PLAN, SPEC, graphs=False)
    bound = network.bind(**constants(1))
    assert all(right(x(seed), constants(1), bound(x(seed))) for seed in range(4))
    assert "cuStreamBeginCapture" not in machine.gpu.calls


@pytest.mark.parametrize(
    "call", ["cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphInstantiate"]
)
def test_where_recording_fails_frames_run_without(
    call: str, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine()
    with flawless(machine) as network, bound_to(network, 1) as bound:
        machine.gpu.fail(call, 1, CUresult.CUDA_ERROR_NOT_SUPPORTED)
        with caplog.at_level(logging.WARNING):
            assert all(right(x(seed), constants(1), bound(x(seed))) for seed in range(5))
        (told,) = caplog.messages
        assert "'frame' runs without CUDA graphs" in told
        assert f"{call} answers CUDA_ERROR_NOT_SUPPORTED" in told


def test_what_does_not_fit_is_refused_and_the_next_call_works(machine: Machine) -> None:
    with flawless(machine) as network, bound_to(network, 1) as bound:
        bound(x(0))
        bad = x(0)
        bad[0, 3, 1] = np.nan
        for given, told in (
            ((x(0)[0],), r"'x' of \(1, 21, 3\), not of \(21, 3\)"),
            ((x(0).astype(np.float64),), "'x' as float32, not as float64"),
            ((bad,), "'x' of finite numbers only"),
            ((x(0), x(0)), r"takes 1 inputs \(x\), not 2"),
            ((), r"takes 1 inputs \(x\), not 0"),
        ):
            with pytest.raises(EngineError, match=told):
                bound(*given)
            assert right(x(1), constants(1), bound(x(1)))
        for wrong, told in (
            ({"colour": x(0)}, "no input 'colour' to bind; it has: x, volume, s"),
            ({"volume": x(0)}, "takes 'volume' of"),
            ({"s": np.full((1, 1), np.inf, np.float32)}, "'s' of finite numbers only"),
        ):
            with pytest.raises(EngineError, match=told):
                network.bind(**wrong)


def test_inputs_need_not_be_contiguous(machine: Machine) -> None:
    with flawless(machine) as network, bound_to(network, 1) as bound:
        given = drawn(4, 3, 21, 1).T
        assert right(given, constants(1), bound(given))


def test_plans_that_are_no_such_network_are_refused(machine: Machine) -> None:
    shape = (1, 21, 3)
    one, other = {"x": (shape, "float32")}, {"y": (shape, "float32")}
    for content, inputs, told in (
        (b"garbage", {}, "deserialize_cuda_engine failed"),
        (plan(one, other), {"z": shape}, "has inputs .*not 'z'"),
        (plan(one, other), {"x": (1, 21)}, "has inputs .*not 'x'"),
        (plan({"x": ((1, -1, 3), "float32")}, other), {}, "name its sizes"),
        (plan(one, other, host="x"), {}, "on the host"),
    ):
        with pytest.raises(EngineError, match=told):
            load(machine.runtime, content, ModelSpec("frame", SPEC.path, "", "", inputs))
        assert machine.gpu.live == CONTEXT
        assert machine.memory.claimed == 0


# Every call of a whole life fails once.


def life(machine: Machine, errors: list[EngineError]) -> None:
    """Load, bind, seat, frames, close; what fails is noted, and then whatever can be is done."""
    try:
        network = load(machine.runtime, PLAN, SPEC)
    except EngineError as error:
        errors.append(bare(error))
        return
    with closing(network):
        try:
            bound = network.bind(**constants(1))
        except EngineError as error:
            errors.append(bare(error))
            return
        with closing(bound):
            try:
                seat = bound.seat()
            except EngineError as error:
                errors.append(bare(error))
                return
            for seed in range(4):
                try:
                    assert right(x(seed), constants(1), bound(x(seed)))
                except EngineError as error:
                    errors.append(bare(error))
            seat.close()


def bare(error: EngineError) -> EngineError:
    """Without what was at work when it was raised, which would be kept alive with it."""
    return type(error)(str(error))


@dataclass(frozen=True)
class Call:
    """One of those that a life makes."""

    rtx: bool
    name: str
    nth: int
    recorded: bool
    """It belongs to the recording of a frame: where that fails, the frame runs all the same."""

    @property
    def of_cuda(self) -> bool:
        return self.name.startswith("cu") and "_" not in self.name

    def __str__(self) -> str:
        return f"{'rtx-' if self.rtx else ''}{self.name}-{self.nth}"


def _every_call() -> list[Call]:
    found: list[Call] = []
    for rtx in (False, True):
        machine = Machine(rtx=rtx)
        machine.gpu.calls.clear()
        errors: list[EngineError] = []
        life(machine, errors)
        assert not errors
        counts: Counter[str] = Counter()
        recorded = False
        for name in machine.gpu.calls:
            counts[name] += 1
            recorded |= name == "cuStreamBeginCapture"
            found.append(Call(rtx, name, counts[name], recorded))
            recorded &= name != "cuGraphDestroy"
    return found


EVERY_CALL = _every_call()
NOT_CUDA = ("refused", "raise", "out of memory")
CUDA = (CUresult.CUDA_ERROR_INVALID_VALUE, CUresult.CUDA_ERROR_OUT_OF_MEMORY)


def test_every_call_of_a_life_is_known() -> None:
    names = {call.name for call in EVERY_CALL}
    assert {"cuMemAlloc", "cuGraphLaunch", "execute_async_v3", "deserialize_cuda_engine"} <= names
    assert {"cuda_graph_strategy", "set_device_memory", "cuMemFreeHost"} <= names


@pytest.mark.parametrize("call", EVERY_CALL, ids=str)
def test_a_failing_call_is_told_and_leaves_nothing_behind(call: Call) -> None:
    rtx, name, nth = call.rtx, call.name, call.nth
    for how in CUDA if call.of_cuda else NOT_CUDA:
        machine = Machine(rtx=rtx)
        machine.gpu.fail(name, nth, how)
        errors: list[EngineError] = []
        life(machine, errors)
        assert machine.gpu.mistakes == []
        assert machine.memory.claimed == 0
        left = machine.gpu.live
        if name in FREEING:
            left.pop("engines", None)  # what the fake's graph holds that could not be freed
            assert sum(left.values()) == sum(CONTEXT.values()) + 1
        else:
            assert left == CONTEXT
        closing_lane = name == "cuStreamSynchronize" and nth > 1
        if name in FREEING or call.recorded or closing_lane:
            assert errors == []
        else:
            (error,) = errors  # one call failed, and none after it
            assert str(error)
            full = how in (CUresult.CUDA_ERROR_OUT_OF_MEMORY, "out of memory")
            assert isinstance(error, DeviceFull) == full or name == "cuMemGetInfo"
        machine.gpu.mistakes.clear()
        again: list[EngineError] = []
        life(machine, again)
        assert again == []
        assert machine.gpu.mistakes == []


@pytest.mark.parametrize("call", [each for each in EVERY_CALL if each.of_cuda], ids=str)
def test_a_device_lost_at_any_call_is_told_at_once_and_for_good(call: Call) -> None:
    machine = Machine(rtx=call.rtx)
    machine.gpu.fail(call.name, call.nth, LOST[call.nth % len(LOST)])
    errors: list[EngineError] = []
    life(machine, errors)
    assert machine.gpu.mistakes == []
    assert machine.memory.claimed == 0
    assert machine.gpu.live == {"runtimes": 1}
    assert all(isinstance(error, DeviceLost) for error in errors)
    machine.gpu.calls.clear()
    if machine.cuda.lost:
        with pytest.raises(DeviceLost, match="the device went away"):
            load(machine.runtime, PLAN, SPEC)
        assert machine.gpu.calls == []
    else:
        assert call.name in FREEING


def test_a_frame_refused_because_the_device_is_lost_says_so(machine: Machine) -> None:
    """TensorRT only answers `False`; waiting for the stream tells why."""
    network = load(machine.runtime, PLAN, SPEC, graphs=False)
    bound = network.bind(**constants(1))
    bound(x(0))
    machine.gpu.fail("execute_async_v3", 1, "refused")
    machine.gpu.fail("cuStreamSynchronize", 1, CUresult.CUDA_ERROR_ILLEGAL_ADDRESS)
    with pytest.raises(DeviceLost, match="CUDA_ERROR_ILLEGAL_ADDRESS"):
        bound(x(1))
    machine.gpu.calls.clear()
    for again in (lambda: bound(x(1)), lambda: network.bind(**constants(2)), bound.seat):
        with pytest.raises(DeviceLost, match="started anew"):
            again()
    assert machine.gpu.calls == []
    bound.close()
    network.close()
    assert machine.gpu.live == {"runtimes": 1}


def test_a_device_that_is_not_there_is_told() -> None:
    for name in ("cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain"):
        gpu = FakeGpu()
        gpu.fail(name, 1, CUresult.CUDA_ERROR_NO_DEVICE)
        with pytest.raises(BackendUnavailable, match=f"{name} answers CUDA_ERROR_NO_DEVICE"):
            Cuda(gpu)
        assert gpu.live == {}


# Threads.


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Raises what any of them raised; fails where one hangs."""
    raised: list[BaseException] = []

    def guarded(which: int) -> None:
        try:
            work(which)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(which,)) for which in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    for error in raised:
        raise error


def test_sessions_never_get_each_others_frames(machine: Machine) -> None:
    with flawless(machine) as network:

        def session(which: int) -> None:
            with bound_to(network, which * 10) as bound, closing(bound.seat()):
                for frame in range(50):
                    given = x(1000 * which + frame)
                    assert right(given, constants(which * 10), bound(given))

        in_threads(4, session)
        assert machine.gpu.calls.count("create_execution_context") <= 4


def test_two_lanes_serve_four_sessions(machine: Machine) -> None:
    network = load(machine.runtime, PLAN, SPEC, lanes=2)
    bound = network.bind(**constants(1))
    most = 0

    def session(which: int) -> None:
        nonlocal most
        for frame in range(50):
            given = x(1000 * which + frame)
            assert right(given, constants(1), bound(given))
            most = max(most, machine.gpu.parts["contexts of engines"])

    in_threads(4, session)
    assert most <= 2
    assert machine.gpu.mistakes == []


def test_a_thread_gets_its_own_lane_again(machine: Machine) -> None:
    """So that its graph and its addresses are still set."""
    with flawless(machine) as network, ExitStack() as opened:
        turn = threading.Barrier(3, timeout=10)
        network_lanes = [opened.enter_context(closing(network.seat())) for _ in range(3)]
        assert len(network_lanes) == 3
        bindings = [opened.enter_context(bound_to(network, 10 * which)) for which in range(3)]

        def session(which: int) -> None:
            for frame in range(6):
                turn.wait()
                given = x(frame)
                assert right(given, constants(10 * which), bindings[which](given))

        in_threads(3, session)
        assert machine.gpu.calls.count("create_execution_context") == 3
        # Each binding was set once in a lane, beside what each lane's outputs need.
        sets = machine.gpu.calls.count("set_tensor_address")
        assert sets <= 3 * 2 + 9 * 3


@pytest.mark.parametrize("which", ["network", "bound"])
def test_closing_while_frames_run(machine: Machine, which: str) -> None:
    for _ in range(5):
        network = load(machine.runtime, PLAN, SPEC)
        bound = network.bind(**constants(1))
        began = threading.Barrier(4, timeout=10)

        def session(
            who: int,
            began: threading.Barrier = began,
            network: TensorRtNetwork = network,
            bound: TensorRtNetwork = bound,
        ) -> None:
            began.wait()
            if who == 3:
                (network if which == "network" else bound).close()
                return
            with pytest.raises(EngineError, match="'frame' was closed"):
                run(bound, itertools.count())

        in_threads(4, session)
        bound.close()
        network.close()
        assert machine.gpu.live == CONTEXT
        assert machine.gpu.mistakes == []
        assert machine.memory.claimed == 0


def test_the_last_of_several_frames_frees() -> None:
    freed: list[int] = []
    held = Held("it", lambda: freed.append(1))
    with held:
        with held:
            held.close()
        assert freed == []
        with pytest.raises(EngineError, match="it was closed"):
            held.__enter__()
    held.close()
    assert freed == [1]


@pytest.mark.parametrize("which", ["network", "bound"])
def test_nothing_is_freed_under_a_frame(machine: Machine, which: str) -> None:
    one = {"x": ((1, 3), "float32"), "c": ((2, 2), "float32")}
    content = plan(one, {"y": ((1, 3), "float32")}, function="closing")
    network = load(machine.runtime, content, SPEC)
    bound = network.bind(c=drawn(1, 2, 2))
    freed: list[str] = []

    def closing_meanwhile(given: Array, constant: Array) -> list[Array]:
        machine.gpu.calls.clear()
        (network if which == "network" else bound).close()
        freed.extend(FREEING & set(machine.gpu.calls))
        return [given]

    machine.gpu.functions["closing"] = closing_meanwhile
    given = drawn(2, 1, 3)
    (y,) = bound(given)
    assert (y == given).all()
    assert freed == []
    assert "cuMemFree" in machine.gpu.calls  # as soon as it had ended
    bound.close()
    network.close()
    machine.gpu.functions.clear()
    assert machine.gpu.live == CONTEXT
    assert machine.gpu.mistakes == []


def test_a_device_lost_under_several_sessions_hangs_none(machine: Machine) -> None:
    network = load(machine.runtime, PLAN, SPEC)
    bound = network.bind(**constants(1))
    machine.gpu.fail("cuEventSynchronize", 40, CUresult.CUDA_ERROR_LAUNCH_FAILED)

    def session(which: int) -> None:
        with pytest.raises(DeviceLost):
            run(bound, range(1000))

    in_threads(4, session)
    bound.close()
    network.close()
    assert machine.gpu.mistakes == []
    assert machine.gpu.live == {"runtimes": 1}


# Memory.


def tight(lanes: float, *, reserve: int = 0) -> Machine:
    """A device with room for the weights, one binding, and so many lanes."""
    room = len(PLAN) + 4 * (2 * 4 * 5 + 1) + int(lanes * lane_size())
    return Machine(FakeGpu(room + reserve), share=1.0, reserve=reserve)


def lane_size() -> int:
    machine = Machine()
    network = load(machine.runtime, PLAN, SPEC)
    bound = network.bind(**constants(1))
    before = machine.memory.claimed
    bound.seat()
    assert machine.gpu.allocated == machine.memory.claimed - len(PLAN)  # the account is exact
    return machine.memory.claimed - before


def test_a_seat_is_refused_before_anything_is_allocated() -> None:
    machine = tight(2.5)
    network = load(machine.runtime, PLAN, SPEC)
    seated: Seated = network.bind(**constants(1))
    seats = [seated.seat(), seated.seat()]
    machine.gpu.calls.clear()
    with pytest.raises(DeviceFull, match=r"no room for one more lane of 'frame': .* MB are needed"):
        seated.seat()
    assert set(machine.gpu.calls) == {"cuMemGetInfo"}
    seats[0].close()
    seats[0].close()
    seated.seat()
    with pytest.raises(DeviceFull):
        seated.seat()


def test_a_frame_without_a_seat_takes_what_lanes_there_are() -> None:
    machine = tight(1.5)
    network = load(machine.runtime, PLAN, SPEC)
    bound = network.bind(**constants(1))

    def session(which: int) -> None:
        for frame in range(30):
            assert right(x(frame + which), constants(1), bound(x(frame + which)))

    in_threads(4, session)
    assert machine.gpu.parts["contexts of engines"] == 1
    assert machine.gpu.mistakes == []


def test_a_full_device_refuses_networks_bindings_and_frames() -> None:
    machine = Machine(FakeGpu(len(PLAN) - 1), share=1.0, reserve=0)
    with pytest.raises(DeviceFull, match="no room for the weights of 'frame'"):
        load(machine.runtime, PLAN, SPEC)
    machine = Machine(FakeGpu(len(PLAN) + 8), share=1.0, reserve=0)
    network = load(machine.runtime, PLAN, SPEC)
    with pytest.raises(DeviceFull, match="no room for what is bound to 'frame'"):
        network.bind(**constants(1))
    with pytest.raises(DeviceFull, match="no room for one more lane"):
        network(x(0), *constants(1).values())
    assert machine.gpu.allocated == 0


def test_memory_that_others_took_is_not_there_either() -> None:
    machine = tight(3, reserve=1000)
    network = load(machine.runtime, PLAN, SPEC)
    bound = network.bind(**constants(1))
    with closing(bound.seat()):
        machine.gpu.taken_by_others = int(2.2 * lane_size())
        with pytest.raises(DeviceFull):
            bound.seat()


def test_seats_end_where_lanes_do() -> None:
    network = load(Machine().runtime, PLAN, SPEC, lanes=2)
    seats = [network.seat(), network.seat()]
    with pytest.raises(DeviceFull, match="serves 2 sessions at once"):
        network.seat()
    seats[1].close()
    network.seat()


def test_lanes_go_with_their_seats(machine: Machine) -> None:
    with flawless(machine) as network:
        seats = [network.seat() for _ in range(4)]
        assert machine.gpu.parts["contexts of engines"] == 4
        for seat in seats:
            seat.close()
        assert machine.gpu.parts["contexts of engines"] == 1


def test_what_nobody_holds_is_freed_without_a_collector(machine: Machine) -> None:
    """Engines take hundreds of megabytes of the device: none may wait for a garbage collection."""
    network = load(machine.runtime, PLAN, SPEC)
    bound = network.bind(**constants(1))
    bound(x(0))
    engine = weakref.ref(network._engine)
    bound.close()
    network.close()
    del bound, network
    assert engine() is None

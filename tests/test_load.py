"""Admission and degradation, by simulated machines: no call is held here and no clock is asked."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.aside import Aside, take_turns
from live.clock import SECOND
from live.load import turns as turns_module
from live.load.balance import Balance
from live.load.costs import START_MS, Costs
from live.load.effort import Effort
from live.load.governor import Governor, Pull
from live.load.machine import Meter, Use, busy_s, cores
from live.load.pace import Pace
from live.load.places import MeasuredPlaces, SetPlaces
from live.load.steps import ENOUGH_FPS, FULL, LAST_ENOUGH, STEPS, Step
from live.load.turns import Turn, Turns

CORES = 2.0


# Steps and pace.


def test_each_step_is_cheaper_than_the_one_before() -> None:
    loads = [step.load() for step in STEPS]
    assert loads == sorted(loads, reverse=True)
    assert len(set(loads)) == len(loads)
    assert STEPS[0] is FULL
    enough = [step.fps is None or step.fps >= ENOUGH_FPS for step in STEPS]
    assert enough == [number <= LAST_ENOUGH for number in range(len(STEPS))]


def drawn(
    fps: float | None, camera_fps: float, seconds: float = 10, jitter: float = 0
) -> list[int]:
    """The numbers of the camera's pictures that pass."""
    pace = Pace()
    pace.fps = fps
    period = SECOND / camera_fps
    return [
        number
        for number in range(round(seconds * camera_fps))
        if pace.passes(round((number + jitter * (-1) ** number) * period) + 10**12)
    ]


@pytest.mark.parametrize(
    ("fps", "gaps"), [(None, {1}), (25, {1, 2}), (20, {1, 2}), (15, {2}), (10, {3})]
)
@pytest.mark.parametrize("jitter", [0.0, 0.1])
def test_pictures_are_dropped_evenly(fps: float | None, gaps: set[int], jitter: float) -> None:
    passed = drawn(fps, 30, jitter=jitter)
    assert len(passed) == pytest.approx(10 * (fps or 30), abs=3)
    found = [after - before for before, after in pairwise(passed)]
    assert set(found) == gaps
    if fps == 25:  # one of six, and never two of them close to each other
        dropped = sorted(set(range(300)) - set(passed))
        apart = {after - before for before, after in pairwise(dropped)}
        assert apart <= {5, 6, 7}


@given(st.sampled_from([5.0, 15.0, 24.0, 25.0, 50.0, 60.0]), st.sampled_from(STEPS))
def test_no_camera_is_drawn_more_often_than_asked_for(camera_fps: float, step: Step) -> None:
    passed = len(drawn(step.fps, camera_fps)) / 10
    assert passed == pytest.approx(step.pictures(camera_fps), rel=0.06, abs=0.3)


def test_a_camera_that_comes_back_is_drawn_at_once() -> None:
    pace = Pace()
    pace.fps = 2
    assert pace.passes(0)
    assert not pace.passes(SECOND // 10)
    pace.fps = 25
    assert pace.passes(SECOND // 5)
    assert pace.passes(100 * SECOND)
    assert pace.passes(3 * SECOND)  # its clock has jumped back
    assert pace.at_least(SECOND // 30) == SECOND // 25


# What is seen of the machine.


def test_a_meter_tells_who_was_busy() -> None:
    counters = iter([(0.0, 0.0, 100.0), (2.0, 1.0, 104.0), (3.0, 1.0, None), (4.0, 3.0, 9.0)])
    now: list[float | None] = []

    def look() -> float:
        now[:] = next(counters)
        assert now[0] is not None
        return now[0]

    def own() -> float:
        assert now[1] is not None
        return now[1]

    meter = Meter(look, own, lambda: now[2])
    assert meter.use() == Use(own=0.5, others=1.5)
    assert meter.use() == Use(own=0.0, others=0.0)  # where the machine cannot be seen
    assert meter.use() == Use(own=2.0, others=0.0)


def test_the_machine_is_read_where_it_can_be(tmp_path: Path) -> None:
    assert busy_s(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu  100 700 100 9000 5 0 50 50 0 0\ncpu0 1 2 3\n")
    assert busy_s(tmp_path) == pytest.approx(3.0)
    (tmp_path / "proc/stat").write_text("nothing of use\n")
    assert busy_s(tmp_path) is None
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (group / "cpu.max").write_text("50000 100000\n")
    assert cores(tmp_path) == 0.5
    (group / "cpu.max").write_text("max 100000\n")
    assert cores(tmp_path) >= 1


# What a picture costs.


def test_a_picture_costs_what_was_seen_and_not_what_was_done_beside() -> None:
    costs = Costs()
    assert (costs.picture_ms, costs.measured) == (START_MS, False)
    costs.note(Use(0.001, 0.0), 0, 1.0)  # nothing is drawn, so nothing is learnt
    assert not costs.measured
    for look in range(10):
        own = 1.4 if look == 4 else 0.42  # somebody added an avatar
        costs.note(Use(own, 0.3), 30, 1.0)
    assert costs.picture_ms == pytest.approx(14)
    assert costs.own == pytest.approx(0.42)
    assert costs.others == pytest.approx(0.3)


# How many calls are taken.


def known(picture_ms: float, others: float = 0.0) -> Costs:
    costs = Costs()
    costs.note(Use(30 * picture_ms / 1000, others), 30, 1.0)
    return costs


def test_as_many_calls_are_taken_as_can_be_drawn() -> None:
    assert MeasuredPlaces(known(14), CORES).free(0) == 4
    assert MeasuredPlaces(known(22.6), CORES).free(0) == 3
    assert MeasuredPlaces(known(14), 16).free(0) == 38
    assert MeasuredPlaces(known(14, others=0.4), CORES).free(0) == 3
    assert MeasuredPlaces(known(14), CORES).free(3) == 1
    assert MeasuredPlaces(known(14), CORES).free(9) == 0


def test_whatever_it_costs_one_call_is_taken() -> None:
    places = MeasuredPlaces(known(200, others=2.0), 0.5, lambda: len(STEPS) - 1)
    assert places.free(0) == 1
    assert places.free(1) == 0


def test_others_never_take_all_of_it() -> None:
    half, whole = MeasuredPlaces(known(14, 1.0), CORES), MeasuredPlaces(known(14, 2.0), CORES)
    assert half.free(0) == whole.free(0) == 2


def test_who_draws_too_slowly_takes_nobody() -> None:
    places = MeasuredPlaces(known(14), CORES, lambda: LAST_ENOUGH + 1)
    assert places.free(2) == 0
    assert "too busy to draw its calls 25 times a second (2 now)" in places.why_full(2)
    assert MeasuredPlaces(known(14), CORES, lambda: LAST_ENOUGH).free(2) == 2


def test_a_refusal_says_why() -> None:
    why = MeasuredPlaces(known(14, others=0.4), CORES).why_full(3)
    assert "room for 3 calls (it holds 3 now)" in why
    assert "takes 14 ms" in why
    assert "others leave 1.6 of 2" in why
    assert SetPlaces(3).why_full(3) == "every place is taken"


def test_places_do_not_come_and_go_with_the_last_digit() -> None:
    costs = Costs()
    places = MeasuredPlaces(costs, CORES)
    seen = []
    for look in range(200):
        picture_ms = 13.6 + 0.24 * (-1) ** (look // 20)  # 5.0 calls fit, give or take .09
        costs.note(Use(30 * picture_ms / 1000, 0.0), 30, 1.0)
        seen.append(places.free(0))
    changes = sum(before != after for before, after in pairwise(seen))
    assert changes <= 1
    for picture_ms, expected in ((20.0, 3), (14.0, 4), (10.0, 6), (30.0, 2)):
        for _ in range(10):
            costs.note(Use(30 * picture_ms / 1000, 0.0), 30, 1.0)
        assert places.free(0) == expected


def test_one_of_several_processes_counts_its_turns_and_leaves_the_cores_to_who_knows_them() -> None:
    costs = Costs()
    costs.note(Use(1.9, 0.0, turns=0.24), 30, 1.0)  # 63 ms of a processor, 8 of them in turn
    assert MeasuredPlaces(costs, CORES).free(0) == 1
    worker = Balance(processes=2, on_cores=CORES).places
    assert worker.free(0) == 4
    assert "keeps the others waiting for 8 ms" in worker.why_full(4)
    whole = MeasuredPlaces(Costs(), 8, in_turn=False)
    assert whole.free(0) == 18  # before anything is known, too
    assert "others leave 8.0 of 8" in whole.why_full(19)
    assert [Balance(3, processes=count).places.free(0) for count in (1, 2, 3, 4)] == [3, 2, 1, 1]


@given(st.floats(0.1, 500), st.floats(0, 64), st.floats(0.1, 64), st.integers(0, 100))
def test_places_are_never_fewer_than_none(
    picture_ms: float, others: float, on_cores: float, calls: int
) -> None:
    places = MeasuredPlaces(known(picture_ms, others), on_cores)
    assert places.free(calls) >= (calls == 0)
    assert places.why_full(calls)


# How calls are drawn.


@dataclass
class Machine:
    """Cores on which calls are drawn; what does not fit is drawn late, and pictures are lost."""

    cores: float = CORES
    picture_ms: float = 14.0
    others: float = 0.0
    steps: dict[str, int] = field(default_factory=dict)
    own_ms: dict[str, float] = field(default_factory=dict)
    """Of calls whose pictures take that long by themselves, without taking a processor."""
    used: float = 0.0
    """Cores, in the last second."""
    governor: Governor = field(init=False)
    fps: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.governor = Governor(self.cores)

    def second(self, calls: Iterable[str]) -> dict[str, int]:
        """One look."""
        calls = list(calls)
        wanted = {name: STEPS[self.steps.get(name, 0)].pictures(30) for name in calls}
        demand = sum(wanted.values()) * self.picture_ms / 1000
        room = max(self.cores / 2, self.cores - self.others)
        share = min(1.0, room / max(demand, 1e-9))
        pulls = {}
        for name in calls:
            own_ms = self.own_ms.get(name, self.picture_ms)
            could = min(wanted[name] * share, 1000 / own_ms)
            waiting = (demand / room - 0.8) * 5  # for each other, as there is less and less left
            work = min(1.0, max(1.3 * wanted[name] * own_ms / 1000, waiting))
            self.fps[name] = could
            pulls[name] = Pull(30.0, work, max(0.0, 1 - could / wanted[name]))
        self.used = used = min(demand, room)
        seen = self.governor.look(pulls, Use(used, min(self.others, self.cores - used)))
        self.steps = dict(seen)
        return self.steps

    def run(self, calls: Iterable[str], seconds: int) -> list[int]:
        """The step of the first call, second by second."""
        calls = list(calls)
        return [self.second(calls)[calls[0]] for _ in range(seconds)]


def test_what_fits_is_drawn_in_full() -> None:
    machine = Machine()
    assert set(machine.run("abcd", 60)) == {0}


def test_too_many_calls_go_down_together_until_they_fit_and_stay_there() -> None:
    machine = Machine(picture_ms=14.5)
    machine.run("abcde", 30)
    assert set(machine.steps.values()) == {1}
    assert min(machine.fps.values()) == pytest.approx(25)
    later = machine.run("abcde", 600)
    assert sum(a != b for a, b in pairwise(later)) == 0
    machine.picture_ms = 22.0
    machine.run("abcde", 60)
    assert max(machine.fps.values()) * 0.9 <= min(machine.fps.values())
    assert STEPS[machine.governor.step].name == "15_fps"


def test_the_next_step_is_taken_within_three_seconds_and_given_back_when_it_is_calm() -> None:
    machine = Machine(picture_ms=18)
    down = machine.run("abcd", 10)
    assert down.index(1) <= 2
    machine.picture_ms = 9
    back = machine.run("abcd", 20)
    assert 0 in back
    assert set(back[back.index(0) :]) == {0}


@pytest.mark.parametrize(
    ("picture_ms", "step"), [(12, "full"), (18, "25_fps"), (22, "20_fps"), (30, "15_fps")]
)
def test_two_processes_with_as_many_calls_draw_them_alike(picture_ms: float, step: str) -> None:
    first, second = Machine(picture_ms=picture_ms), Machine(picture_ms=picture_ms)
    for each in (first, second):
        each.governor = Governor(CORES, 2)
    seen = []
    for _ in range(600):  # each is the other's others
        second.others = first.used
        first.second("ab")
        first.others = second.used
        second.second("cd")
        seen.append((first.governor.step, second.governor.step))
    settled = seen[60:]
    assert {STEPS[number].name for pair in settled for number in pair} == {step}


def test_when_calls_end_the_others_come_back() -> None:
    machine = Machine(picture_ms=20)
    machine.run("abcdef", 60)
    assert machine.governor.step >= 2
    machine.run("ab", 60)
    assert set(machine.steps.values()) == {0}


def test_a_return_that_is_regretted_is_tried_more_and_more_seldom() -> None:
    governor = Governor(CORES)
    steps = []
    for _ in range(600):  # nobody could know it beforehand: alone at its best step it is too slow
        step = governor.step
        pull = Pull(30, 0.95 if step == 0 else 0.5, 0.0 if step else 0.2)
        steps.append(governor.look({"a": pull}, Use(0.5, 0.0))["a"])
    changes = [at for at, (a, b) in enumerate(pairwise(steps)) if a != b]
    pauses = [after - before for before, after in pairwise(changes)]
    assert len(changes) < 30
    assert max(pauses[-6:]) >= 60


def test_a_call_that_is_slow_by_itself_goes_down_alone() -> None:
    machine = Machine(own_ms={"b": 45.0}, picture_ms=8)
    machine.run("abc", 30)
    assert machine.steps["a"] == machine.steps["c"] == 0
    assert STEPS[machine.steps["b"]].name == "20_fps"


def test_a_network_that_delivers_in_bursts_is_not_the_machines_fault() -> None:
    governor = Governor(CORES)
    for _ in range(30):
        steps = governor.look({"a": Pull(30, 0.45, 0.2)}, Use(0.45, 0.1))
    assert steps == {"a": 0}


def test_nothing_happens_for_one_bad_second() -> None:
    governor = Governor(CORES)
    for look in range(40):
        bad = look % 10 == 5
        steps = governor.look({"a": Pull(30, 1.0 if bad else 0.5, 0.3 * bad)}, Use(1.9, 0.1))
        assert steps == {"a": 0}


def test_who_comes_later_is_drawn_as_the_others_are() -> None:
    machine = Machine(picture_ms=20)
    machine.run("abcde", 40)
    before = machine.steps["a"]
    assert before
    assert machine.second("abcdef")["f"] in (before, before + 1)


def test_one_of_several_processes_leaves_others_what_is_theirs() -> None:
    def back(processes: int, others: float) -> int:
        """The step to which a call of `processes` returns from the worst."""
        governor = Governor(CORES, processes)
        for _ in range(200):  # it takes a quarter of the cores at its best step
            lacks = 0.2 if _ < 20 else 0.0
            use = Use(0.5 * STEPS[governor.step].load() / 30, others)
            governor.look({"a": Pull(30, 0.9 if lacks else 0.1, lacks)}, use)
        return governor.step

    assert back(1, others=2.0) == 0  # a half is ours
    assert back(2, others=1.2) == 0
    assert back(2, others=2.0) == 2  # a quarter


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 8), st.floats(4, 60), st.floats(0, 2)), min_size=1, max_size=4
    )
)
def test_no_call_is_starved_for_others(loads: list[tuple[int, float, float]]) -> None:
    machine = Machine()
    for calls, machine.picture_ms, machine.others in loads:
        machine.run("abcdefgh"[:calls], 40)
        numbers = machine.steps.values()
        assert max(numbers) - min(numbers) <= 1
        assert set(machine.steps) == set("abcdefgh"[:calls])
    machine.picture_ms, machine.others = 5.0, 0.0
    machine.run("abcdefgh"[: loads[-1][0]], 700)
    assert set(machine.steps.values()) == {0}


# All of it together.


class Drawing:
    """A call by its counters."""

    def __init__(self, name: str) -> None:
        self.public_id = name
        self.step = FULL
        self.counted = Effort()

    def effort(self) -> Effort:
        return self.counted

    def ease(self, step: Step) -> None:
        self.step = step

    def second(self, work: float, lost: int = 0) -> None:
        """Thirty pictures come."""
        had = self.counted
        drawn_now = round(self.step.pictures(30)) - lost
        self.counted = Effort(
            had.came + 30,
            had.drawn + drawn_now,
            had.work_ns + round(work * SECOND),
        )


def test_a_balance_tells_calls_their_step_and_knows_what_fits() -> None:
    clock = [0.0]
    used = [0.0]
    meter = Meter(lambda: clock[0], lambda: used[0], lambda: 2 * clock[0])
    balance = Balance(on_cores=CORES, meter=meter, now_s=lambda: clock[0])
    calls = [Drawing("a"), Drawing("b"), Drawing("c")]

    def second(cost_ms: float, work: float, lost: int = 0) -> None:
        clock[0] += 1
        before = sum(call.counted.drawn for call in calls)
        for call in calls:
            call.second(work, lost)
        used[0] += (sum(call.counted.drawn for call in calls) - before) * cost_ms / 1000
        balance.look(calls)

    assert balance.places.free(0) == 4
    for _ in range(3):
        second(20, 1.0, 3)
    assert {call.step.name for call in calls} == {"25_fps"}
    assert balance.at_steps()["25_fps"] == 3
    assert balance.costs.picture_ms == pytest.approx(20)
    calls.clear()
    clock[0] += 1
    balance.look(calls)
    assert sum(balance.at_steps().values()) == 0


def test_a_balance_looks_while_the_server_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.load.balance.LOOK_EVERY_S", 0.01)

    async def scene() -> None:
        thrice, looks = asyncio.Event(), []

        def calls() -> list[Drawing]:
            looks.append(1)
            if len(looks) == 3:
                thrice.set()
            return []

        keeping = Balance(2).kept(calls)
        await anext(keeping)
        async with asyncio.timeout(5):
            await thrice.wait()
        await anext(keeping, None)
        had = len(looks)
        await asyncio.sleep(0.03)
        assert len(looks) == had

    asyncio.run(scene())


# Whose turn it is to draw.


def test_one_draws_at_a_time_and_who_drew_longest_ago_goes_first() -> None:
    turns = Turns()
    drawing: list[str] = []
    drawn_by: list[str] = []
    first = Turn(turns)

    def draw(name: str, turn: Turn, times: int) -> None:
        for _ in range(times):
            with turn:
                drawing.append(name)
                assert drawing == [name]
                drawn_by.append(name)
                drawing.remove(name)

    with first:
        threads = [threading.Thread(target=draw, args=(name, Turn(turns), 50)) for name in "abc"]
        for thread in threads:
            thread.start()
        while len(turns._waiting) < 3:
            time.sleep(0.001)
    for thread in threads:
        thread.join(10)
    assert sorted(drawn_by) == sorted("abc" * 50)
    assert len(set(drawn_by[:3])) == 3  # each once before anybody twice
    assert turns.held_ns > 0


def long_work() -> Aside:
    """Such as has shown to take a while."""
    aside = Aside()
    with aside():
        time.sleep(0.002)
    return aside


def test_nobody_steps_aside_for_a_moment() -> None:
    class Watched:
        left = 0

        def leave(self) -> None:
            self.left += 1

        def resume(self) -> None:
            pass

    turn, short, long = Watched(), Aside(), long_work()
    take_turns(turn)
    for _ in range(20):
        with short():
            pass
    assert turn.left == 0
    with long():
        pass
    assert turn.left == 1
    with long():  # it was quick once, so it may be again
        pass
    assert turn.left == 1
    take_turns(None)


def test_others_draw_while_a_network_computes_and_who_has_begun_goes_on_first() -> None:
    turns = Turns()
    order: list[str] = []
    aside = long_work()
    computing, computed = threading.Event(), threading.Event()

    def with_network() -> None:
        turn = Turn(turns)
        take_turns(turn)
        with turn:
            order.append("network begins")
            with aside():
                computing.set()
                computed.wait(5)
            order.append("network's picture goes on")
        take_turns(None)
        with aside():  # nobody's turn is left where there is none
            order.append("no turn")

    def late() -> None:
        with Turn(turns):
            order.append("late")

    thread = threading.Thread(target=with_network)
    thread.start()
    assert computing.wait(5)
    with Turn(turns):
        order.append("another")
        other = threading.Thread(target=late)
        other.start()
        while not turns._waiting:
            time.sleep(0.001)
        computed.set()
        while len(turns._waiting) < 2:
            time.sleep(0.001)
    thread.join(5)
    other.join(5)
    begun = order.index("network's picture goes on")
    assert order[:3] == ["network begins", "another", "network's picture goes on"]
    assert begun < order.index("late")
    assert not turns._holder


def test_a_turn_ends_with_what_fails_in_it() -> None:
    turns = Turns()
    turn = Turn(turns)
    take_turns(turn)
    with pytest.raises(ValueError, match="no picture"), turn, long_work()():
        raise ValueError("no picture")
    take_turns(None)
    with Turn(turns):
        pass
    assert not turns._holder


def test_a_picture_that_hangs_holds_up_nobody_for_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turns_module, "_HUNG_S", 0.05)
    turns = Turns()
    hung, drawn = Turn(turns), 0

    def draw() -> None:
        nonlocal drawn
        turn = Turn(turns)
        for _ in range(20):
            with turn:
                drawn += 1

    threads = [threading.Thread(target=draw) for _ in range(2)]
    with hung:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert drawn == 40
        with Turn(turns):  # whose turn it is now is not the hung one's to end
            hung.leave()
            assert turns._holder
        hung.resume()
    assert not turns._holder
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_calls_that_wait_for_their_turn_are_too_many_whatever_the_cores_do() -> None:
    costs = Costs()
    for _ in range(3):
        costs.note(Use(0.9, 0.0, turns=0.6), 60, 1.0)
    places = MeasuredPlaces(costs, 16)
    assert places.free(0) == 3
    assert "keeps the others waiting for 10 ms" in places.why_full(3)
    governor = Governor(16)
    for _ in range(3):
        steps = governor.look({"a": Pull(30, 0.95, 0.1), "b": Pull(30, 0.5, 0)}, Use(2, 0, 0.97))
    assert set(steps.values()) == {1}

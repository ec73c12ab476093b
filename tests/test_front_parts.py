"""What a server's front counts: room on the machine, who gets a call, series of all together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from live.load.places import HIGHEST_USE
from live.load.steps import ENOUGH_FPS
from live.processes.choice import Machine, Room, preference, room
from live.processes.lines import State
from live.processes.sums import Sums

STATE = State(ready=True, trouble="", calls=0, free=4, why_full="", step=0, pictures=0.0, cpu_s=0.0)


# Who gets a call.


@given(st.integers(0, 8), st.integers(0, 8), st.integers(-3, 3))
def test_a_workers_room_counts_what_it_was_handed_since(calls: int, free: int, since: int) -> None:
    given_it = max(0, calls + since)
    found = room(replace(STATE, calls=calls, free=free), given_it)
    assert found.free == max(0, calls + free - given_it)
    assert found.calls == given_it


def test_the_next_call_goes_where_it_begins_soonest_and_room_is_left() -> None:
    loading, full = Room(False, 4, 0), Room(True, 0, 2)
    one, busier, roomier = Room(True, 2, 1), Room(True, 2, 2), Room(True, 3, 3)
    assert sorted([full, loading, busier, one, roomier], key=preference) == [
        roomier,
        one,
        busier,
        full,
        loading,
    ]


# What fits on the machine.


class Hours:
    """A clock, and CPU seconds of the front and of the whole machine."""

    def __init__(self) -> None:
        self.now_s = self.own_s = self.machine_s = 0.0

    def machine(self, places: int | None = None, cores: float = 4) -> Machine:
        return Machine(
            places,
            on_cores=cores,
            own_s=lambda: self.own_s,
            machine_s=lambda: self.machine_s,
            now_s=lambda: self.now_s,
        )

    def pass_second(self, own_s: float, machine_s: float) -> None:
        self.now_s += 1
        self.own_s += own_s
        self.machine_s += machine_s


def test_what_a_picture_costs_is_measured_over_all_workers() -> None:
    hours = Hours()
    machine = hours.machine()
    first, second = replace(STATE, cpu_s=9.0), replace(STATE, cpu_s=5.0, pictures=500.0)
    machine.look({"a": first, "b": second})
    for _ in range(10):
        hours.pass_second(own_s=0.1, machine_s=2.5)
        first = replace(first, cpu_s=first.cpu_s + 0.7, pictures=first.pictures + 60)
        second = replace(second, cpu_s=second.cpu_s + 0.4, pictures=second.pictures + 60)
        machine.look({"a": first, "b": second})
    assert machine.costs.own == pytest.approx(1.2)
    assert machine.costs.others == pytest.approx(1.3)
    assert machine.costs.picture_ms == pytest.approx(10)
    # HIGHEST_USE of what others leave of four cores, in calls of ENOUGH_FPS pictures of 10 ms
    fit = HIGHEST_USE * (4 - 1.3) / (ENOUGH_FPS * 0.010)
    assert machine.free(0) == int(fit) == 9
    assert machine.free(7) == 2
    assert machine.free(12) == 0
    assert "10 ms" in machine.why_full(12)
    assert "(it holds 12 now)" in machine.why_full(12)


def test_turns_do_not_bound_what_many_processes_draw() -> None:
    assert Hours().machine(cores=16).free(0) > 30


def test_a_worker_that_is_new_or_gone_leaves_no_hole_in_what_is_measured() -> None:
    hours = Hours()
    machine = hours.machine()
    gone = replace(STATE, cpu_s=100.0, pictures=5_000.0)
    machine.look({"gone": gone})
    hours.pass_second(own_s=0.1, machine_s=0.1)
    machine.look({"new": replace(STATE, cpu_s=3.0, pictures=0.0)})
    hours.pass_second(own_s=0.1, machine_s=0.6)
    machine.look({"new": replace(STATE, cpu_s=3.5, pictures=50.0)})
    assert 0 <= machine.costs.own < 1
    assert machine.costs.picture_ms == pytest.approx(12)


def test_the_operators_number_is_for_all_together() -> None:
    machine = Hours().machine(places=3)
    assert [machine.free(calls) for calls in (0, 2, 3, 5)] == [3, 1, 0, 0]
    assert machine.why_full(3) == "every place is taken"


# Series.


def told(counted: float, gauge: float = 0, late_s: tuple[float, ...] = ()) -> str:
    """A process's text."""
    registry = CollectorRegistry()
    Counter("visavis_ends", "Ends.", ["reason"], registry=registry).labels("client").inc(counted)
    Gauge("visavis_tasks", "Tasks.", registry=registry).set(gauge)
    Gauge("visavis_picture_turn_seconds", "Turns.", registry=registry).set(gauge / 1000)
    Gauge("visavis_sessions", "Calls.", registry=registry).set(gauge)
    late = Histogram("visavis_late_seconds", "Late.", buckets=(0.1, 1), registry=registry)
    for each in late_s:
        late.observe(each)
    return generate_latest(registry).decode()


def summed(sums: Sums, own: str) -> dict[str, float]:
    lines = sums.text(own).decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        if "_created" not in name
    }


def test_series_are_added_up_but_for_those_that_are_one_process_own() -> None:
    sums = Sums()
    sums.note("a", told(3, 7, (0.05, 0.5)))
    sums.note("b", told(4, 9, (5.0,)))
    assert summed(sums, told(1, 5)) == {
        'visavis_ends_total{reason="client"}': 8,
        "visavis_tasks": 21,
        "visavis_picture_turn_seconds": 0.009,
        "visavis_sessions": 5,
        'visavis_late_seconds_bucket{le="0.1"}': 1,
        'visavis_late_seconds_bucket{le="1.0"}': 2,
        'visavis_late_seconds_bucket{le="+Inf"}': 3,
        "visavis_late_seconds_count": 3,
        "visavis_late_seconds_sum": 5.55,
    }


def test_a_text_of_sums_can_be_read_by_who_reads_prometheus_text() -> None:
    sums, again = Sums(), Sums()
    sums.note("a", told(3, 7, (0.05, 0.5)))
    text = sums.text(told(1, 5)).decode()
    assert "# TYPE visavis_ends_total counter" in text
    assert "# TYPE visavis_late_seconds histogram" in text
    assert again.text(text).decode().count("\n") == text.count("\n") - 3  # the turn's is a worker's


def test_what_a_lost_worker_has_counted_stays_counted() -> None:
    sums = Sums()
    sums.note("a", told(3, 7, (0.05,)))
    sums.note("b", told(4, 9))
    sums.keep(["b", "c"])
    sums.note("c", told(10, 1))
    found = summed(sums, told(0))
    assert found['visavis_ends_total{reason="client"}'] == 17
    assert found["visavis_late_seconds_count"] == 1
    assert found["visavis_tasks"] == 10  # what is now is of those who are there
    sums.keep([])
    assert summed(sums, told(0))['visavis_ends_total{reason="client"}'] == 17

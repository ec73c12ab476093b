"""The numbers of a report."""

from __future__ import annotations

import threading

from live.clock import MILLISECOND, SECOND
from live.measures import Counts, Durations, Rate


def test_durations() -> None:
    durations = Durations()
    assert durations.report() is None
    assert durations.recent_ns() == 0
    for ms in range(1, 101):
        durations.add(ms * MILLISECOND)
    assert durations.report() == {"p50": 50.5, "p95": 95.05, "p99": 99.01}
    assert durations.recent_ns() == 86 * MILLISECOND  # of the last thirty


def test_durations_are_bounded() -> None:
    durations = Durations()
    for _ in range(10_000):
        durations.add(1)
    assert len(durations) == 512


def test_a_rate_is_of_now() -> None:
    rate = Rate()
    assert rate.per_second(0) == 0
    for i in range(60):
        rate.add(i * SECOND // 30)
    assert 29 < rate.per_second(2 * SECOND) <= 30
    # one second after the last event, half of the window is empty
    assert 14 < rate.per_second(3 * SECOND) < 16
    assert rate.per_second(5 * SECOND) == 0


def test_counts_from_several_threads() -> None:
    counts = Counts()

    def count() -> None:
        for _ in range(2000):
            counts.add("dropped.a")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts.add("in")
    assert counts.with_prefix("dropped.") == {"a": 8000}
    assert counts["in"] == 1
    assert counts["never"] == 0

"""The benchmark of bad lines: its arithmetic, its goals, its options."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import pytest

from benchmarks import faults, faults_figures, faulty, freezes
from benchmarks.call import Row
from benchmarks.faulty import Observed
from benchmarks.netem.cases import CASES, DELAY_MS
from benchmarks.netem.link import Counts, Passage
from benchmarks.timecode import TICK_MS
from live.errors import BadRequest


def row(at_ms: float, age_ms: float = 50.0) -> Row:
    """A picture that was seen then, so long after it was drawn."""
    return Row(round((at_ms - age_ms) / TICK_MS), at_ms, 512, 512)


def evenly(since_ms: float, until_ms: float, age_ms: float = 50.0) -> list[Row]:
    """Thirty pictures a second."""
    count = int((until_ms - since_ms) * 0.03)
    return [row(since_ms + index / 0.03, age_ms) for index in range(count)]


def observed(rows: list[Row], cut_ms: tuple[float, float] | None = None) -> Observed:
    return Observed(
        rows=rows,
        uncoded=2,
        began_ms=1000.0,
        ended_ms=11_000.0,
        cut_ms=cut_ms,
        before={"video inbound-rtp": {"nackCount": 3, "bytesReceived": 0}},
        after={
            "video inbound-rtp": {"nackCount": 10, "bytesReceived": 1_250_000},
            "video outbound-rtp": {"bytesSent": 625_000},
            "audio inbound-rtp": {
                "totalSamplesReceived": 48_000,
                "concealedSamples": 4800,
                "silentConcealedSamples": 2400,
                "bytesReceived": 12_500,
            },
        },
        passage=Passage(Counts(came=5, lost=1, passed=4), Counts(), [0.1, 0.3], 0.5),
        first_frame_ms=700.0,
        link_cpu_s=0.2,
        others_cpu_s=0.0,
        report=None,
    )


def figures(case: str, *calls: Observed) -> dict[str, Any]:
    return faults_figures.figures_of(
        faults_figures.Calls(dict, {("H264", case): {"echo": list(calls)}})
    )


def test_even_pictures_have_no_freeze() -> None:
    found = freezes.smoothness(evenly(1000, 6000), 1000, 6000)
    assert found == {"fps": 30.0, "freezes": 0, "frozen_ms": 0, "longest_ms": 33}


def test_gaps_count_within_and_at_both_ends() -> None:
    rows = [*evenly(1200, 2000), *evenly(2500, 3000)]
    found = freezes.smoothness(rows, 1000, 4000)
    within = round(rows[24].at_ms - rows[23].at_ms)
    after = round(4000 - rows[-1].at_ms)
    assert found["freezes"] == 3
    assert found["longest_ms"] == after
    assert found["frozen_ms"] == pytest.approx(200 + within + after, abs=1)


def test_who_shows_nothing_has_frozen_all_the_time() -> None:
    found = freezes.smoothness([], 1000, 4000)
    assert found == {"fps": 0.0, "freezes": 1, "frozen_ms": 3000, "longest_ms": 3000}


def test_recovery_tells_stale_pictures_from_fresh_ones() -> None:
    stale = [row(5100.0, 1700.0), row(5130.0, 1600.0)]
    rows = [*evenly(1000, 3500), *stale, *evenly(5300, 9000, 80.0)]
    found = freezes.recovery(rows, 3500, 5000)
    assert found == {"first_ms": 100, "fresh_ms": 300, "before_ms": 50.0, "after_ms": 80.0}


def test_what_never_came_back_has_no_figure() -> None:
    found = freezes.recovery(evenly(1000, 3500), 3500, 5000)
    assert [found["first_ms"], found["fresh_ms"], found["after_ms"]] == [None, None, None]


def test_a_call_without_pictures_misses_its_goals() -> None:
    found = figures("loss5", observed([]))
    assert found["cells"]["H264 loss5"]["echo"]["age_ms"] is None
    assert [goal["met"] for goal in found["goals"]] == [False, False]
    faults_figures.show(found)


def test_goals_under_loss_and_after_an_outage() -> None:
    good = figures("loss5", observed(evenly(1000, 11_000, 90.0)))
    assert [goal["met"] for goal in good["goals"]] == [True, True]
    late = figures("loss5", observed(evenly(1000, 11_000, 210.0)))
    assert [goal["met"] for goal in late["goals"]] == [False, True]
    cut = (3500.0, 5000.0)
    healed = [*evenly(1000, 3500), *evenly(5200, 11_000, 55.0)]
    outage = figures("outage", observed(healed, cut))
    assert [goal["found_ms"] for goal in outage["goals"]] == [200, 5.0]
    assert all(goal["met"] for goal in outage["goals"])


def test_several_outages_are_as_good_as_the_worst() -> None:
    cut = (3500.0, 5000.0)
    quick, slow = ([*evenly(1000, 3500), *evenly(back, 11_000)] for back in (5200, 5500))
    found = figures("outage", observed(quick, cut), observed(slow, cut))
    one = found["cells"]["H264 outage"]["echo"]
    assert one["outage"]["fresh_ms"] == 500
    assert len(one["by_call"]) == 2
    never = figures("outage", observed(quick, cut), observed(evenly(1000, 3500), cut))
    assert not never["goals"][0]["met"]


def test_counters_are_those_of_the_measured_part() -> None:
    one = figures("none", observed(evenly(1000, 11_000)))["cells"]["H264 none"]["echo"]["by_call"]
    assert one[0]["browser"]["picture"] == {"nackCount": 7, "kbits": 1000}
    assert one[0]["browser"]["camera"] == {"kbits": 500}
    assert one[0]["link"]["up"]["lost"] == 1
    assert one[0]["link"]["cpu_percent"] == 2.0
    assert one[0]["unreadable"] == 2


def test_made_up_sound_counts_where_it_is_heard() -> None:
    found = figures("none", observed(evenly(1000, 11_000)))
    one = found["cells"]["H264 none"]["echo"]
    assert one["sound"] == {"concealed_percent": 5.0}
    assert one["by_call"][0]["browser"]["sound"]["kbits"] == 10


def test_the_table_says_all_that_a_person_asks(capsys: pytest.CaptureFixture[str]) -> None:
    faults_figures.show(figures("outage", observed(evenly(1000, 11_000), (3500.0, 5000.0))))
    told = capsys.readouterr().out
    assert "longest" in told
    assert "concealed_percent 5.0" in told
    assert "fresh_ms" in told
    assert "goal met" in told


def test_the_buffer_is_told_by_the_picture() -> None:
    before = {"video inbound-rtp": {"jitterBufferEmittedCount": 10, "jitterBufferDelay": 1.0}}
    after = {
        "video inbound-rtp": {
            "jitterBufferEmittedCount": 60,
            "jitterBufferDelay": 2.0,
            "bytesReceived": 0,
        }
    }
    assert faulty.counters(before, after, 1.0) == {"picture": {"buffer_ms": 20.0, "kbits": 0}}


def test_every_case_has_the_same_delay_and_the_first_nothing_else() -> None:
    assert {case.faults.delay_ms for case in CASES.values()} == {DELAY_MS}
    assert replace(CASES["none"].faults, delay_ms=0) == type(CASES["none"].faults)()
    assert len({(case.faults, case.cut_s) for case in CASES.values()}) == len(CASES)


@pytest.mark.parametrize("option", ["--cases=loss99", "--kinds=visitor", "--codecs=AV1"])
def test_what_is_not_known_is_refused(option: str) -> None:
    parser = argparse.ArgumentParser()
    faults.add_arguments(parser)
    with pytest.raises(BadRequest, match=option.partition("=")[0]):
        faults.run(parser.parse_args([option]))

"""Records of benchmarks as a page, and what is called a difference between two."""

from __future__ import annotations

import argparse
import copy
import html.parser
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import report
from benchmarks.reporting import changes, differences, markup, plots, records
from benchmarks.reporting.axes import Axis, reaching
from benchmarks.reporting.differences import Figure
from benchmarks.reporting.page import SECTIONS, page
from benchmarks.reporting.records import Record, checked
from live.errors import BadRequest

RESULTS = sorted((Path(report.__file__).parent / "results").glob("*.json"))
MACHINE = {"cpu": "a processor", "cores": 2, "memory_gb": 8.0}
_VOID = {"meta", "br", "link", "img", "input", "hr"}


class Checker(html.parser.HTMLParser):
    """Whether every element is closed where it should be, and nothing is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        for name, value in attrs:
            assert name not in ("src", "onload", "onclick")
            assert name != "href" or (value or "").startswith("#")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(text: str) -> dict[str, int]:
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    assert "script" not in checker.seen
    assert "url(" not in text
    assert "@import" not in text
    return checker.seen


def record(name: str, figures: dict[str, Any], **values: Any) -> Record:
    whole = {
        "benchmark": name,
        "at": "2026-01-02T03:04:05+00:00",
        "machine": dict(MACHINE),
        "load": {"others_cpu_percent": 0},
        "arguments": {"rounds": 4},
        "figures": figures,
    }
    return checked({**whole, **values}, f"{name}.json")


def latency(means_ms: list[float], seed: int = 0, **values: Any) -> Record:
    """Calls with these means; pictures of one call are alike."""
    generator = np.random.default_rng(seed)
    calls, everything = [], []
    for mean in means_ms:
        ages = np.round(mean + generator.gamma(2, 1, 120), 1).tolist()
        everything += ages
        calls.append({"ages": [[index / 30, age] for index, age in enumerate(ages)]})
    p50, p95, p99 = np.percentile(everything, (50, 95, 99))
    age = {"n": len(everything), "p50": p50, "p95": p95, "p99": p99, "max": max(everything)}
    stages = [{"stage": "track", "side": "server", "ms": 6.0, "exact": True}]
    echo = {"age_ms": age, "by_call": calls, "fps": 30.0, "stages": stages}
    return record("latency", {"cells": {"H264 track": {"echo": echo}}}, **values)


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_every_committed_result_is_shown_by_its_own_part(file: Path) -> None:
    found = records.read(file)
    assert found.name in SECTIONS
    parts = SECTIONS[found.name][1](found)  # nothing is caught here
    assert parts
    check(page([found]))


def test_the_page_needs_nothing_else_and_says_everything_twice() -> None:
    found = [records.read(file) for file in RESULTS] + [latency([20.0, 21.0, 22.0])]
    text = page(found)
    seen = check(text)
    assert seen["title"] == seen["svg"] + 1 > 10  # of each plot, and of the page
    assert seen["desc"] == seen["svg"]
    assert seen["caption"] == seen["table"] > 10
    assert len(text) < 1_000_000
    for words in ("prefers-color-scheme: dark", "@media print", 'name="viewport"'):
        assert words in text


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from([*SECTIONS, "unknown"]), st.dictionaries(st.text(max_size=6), JSON))
@settings(deadline=None, max_examples=60)
def test_whatever_figures_hold_is_shown_and_escaped(name: str, figures: dict[str, Any]) -> None:
    check(page([record(name, {"<script>": "</table><script>", **figures})]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no record of a benchmark"),
        ('{"benchmark": "rooms"}', "'at' is missing"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(BadRequest, match=words):
        records.read(file)
    with pytest.raises(BadRequest, match="cannot be read"):
        records.read(tmp_path / "none.json")


def test_a_record_of_a_later_version_is_refused() -> None:
    with pytest.raises(BadRequest, match="is of schema 99"):
        record("rooms", {}, schema=99)


def test_noise_is_called_none_and_a_regression_by_its_name() -> None:
    older = latency([20.0, 21.0, 20.5, 20.2])
    same = changes.between([(older, latency([20.3, 20.9, 20.1, 21.0], seed=1))])
    assert [one.is_shown for one in same] == [False, False]
    assert changes.words(same[0]).startswith("no difference shown: ")
    worse = changes.between([(older, latency([24.0, 24.8, 24.2, 24.4], seed=2))])
    assert all(one.is_worse for one in worse)
    assert changes.words(worse[0]).startswith("worse: +4.0 ms (+")
    better = changes.between([(older, latency([16.0, 16.8, 16.2, 16.4], seed=2))])
    assert all(one.is_shown and not one.is_worse for one in better)


def test_of_one_run_nothing_is_called_a_difference() -> None:
    found = changes.between([(latency([20.0]), latency([90.0]))])
    assert not any(one.is_shown for one in found)
    assert "of unknown noise" in changes.words(found[0])


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        one, other = generator.normal(20, 1, 3), generator.normal(20, 1, 3)
        found = differences.between(
            "x", Figure("a", "ms", "lower", list(one)), Figure("a", "ms", "lower", list(other))
        )
        held += not found.is_shown
    assert held / 400 > 0.93


def test_shares_of_trials_have_an_interval_too() -> None:
    def of(right: int) -> Figure:
        return Figure("windows read", "", "higher", (), right / 200, 200)

    assert not differences.between("mark", of(190), of(194)).is_shown
    assert differences.between("mark", of(190), of(150)).is_worse


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"machine": {**MACHINE, "cores": 8}}, "different machines .cores: 2, 8"),
        ({"arguments": {"rounds": 3}}, "asked for different things .--rounds: 4, 3"),
    ],
)
def test_what_is_not_alike_is_not_compared(change: dict[str, Any], words: str) -> None:
    pair = latency([20.0] * 4), latency([20.0] * 4, **change)
    with pytest.raises(BadRequest, match=words):
        changes.between([pair])
    assert changes.between([pair], anyway=True)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, of: Record) -> Path:
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(of.values))
        return file

    return write


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    return report.run(parser.parse_args([str(word) for word in words]))


def test_a_regression_fails_where_that_is_asked_for(
    tmp_path: Path, written: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    older = written("old", latency([20.0, 21.0, 20.5, 20.2]))
    newer = written("new", latency([24.0, 24.8, 24.2, 24.4], seed=2))
    out = tmp_path / "page.html"
    assert run(newer, "-o", out, "--against", older) == 0
    assert run(newer, "-o", out, "--against", older, "--fail-on-regression") == 1
    assert run(older, "-o", out, "--against", newer, "--fail-on-regression") == 0
    assert "beyond the noise" in capsys.readouterr().err
    check(out.read_text())
    assert 'id="changes"' in out.read_text()
    with pytest.raises(BadRequest, match="needs older records"):
        run(newer, "-o", out, "--fail-on-regression")
    with pytest.raises(BadRequest, match="nothing to compare latency with"):
        run(written("other", record("rooms", {})), "-o", out, "--against", older)


def test_goals_are_stated_by_the_record_or_known(tmp_path: Path) -> None:
    stated = latency([20.0] * 3)
    figures = copy.deepcopy(dict(stated.figures))
    figures["goals"] = [{"what": "a goal", "goal_ms": 12, "found_ms": None, "met": False}]
    assert "≤ 12.0 ms" in page([record("latency", figures)])
    assert "Echo, H264 track: delay, p50" in page([stated])


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_axes_name_round_values_inside(low: float, size: float) -> None:
    axis = Axis(*reaching([low, low + size]), 40, 400)
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 12
    assert all(40 <= axis.at(tick) <= 400 for tick in ticks)


def test_many_points_are_thinned_and_keep_their_peaks() -> None:
    points = [(float(index), 1.0) for index in range(20_000)]
    points[12_345] = (12_345.0, 99.0)
    text = plots.lines("a title", {"a": points}, "x", "y")
    assert "1.00 to 99.0" in text
    assert len(text) < 20_000


def test_numbers_have_a_sign_where_they_are_less_than_nothing() -> None:
    assert [markup.number(value) for value in (-0.001, -3.14, -0.0)] == [
        "\N{MINUS SIGN}0.001",
        "\N{MINUS SIGN}3.14",
        "0.00",
    ]
    assert (markup.signed(-2.04), markup.signed(1.0)) == ("\N{MINUS SIGN}2.0", "+1.0")


def test_goals_are_told_of_by_record() -> None:
    def latency(file: str, found_ms: float) -> Record:
        goal = {"what": "echo, median", "goal_ms": 12.0, "found_ms": found_ms}
        return replace(record("latency", {"goals": [goal], "cells": {}}), file=file)

    shown = page([latency("one.json", 11.0), latency("two.json", 13.0)])
    assert "1 of 2 goals are met. Missed: Delay (two), echo, median." in shown
    assert all(f"<caption>Delay ({name})</caption>" in shown for name in ("one", "two"))

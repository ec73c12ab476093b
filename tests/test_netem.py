"""The link's faults: what each does to a row of datagrams, and that a seed decides all of it."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.netem.carrier import as_faults
from benchmarks.netem.model import HEADERS, Bursts, Direction, Faults

Fates = list[tuple[float, ...]]

shares = st.floats(0, 1)
some_faults = st.builds(
    Faults,
    delay_ms=st.floats(0, 200),
    jitter_ms=st.floats(0, 200),
    reorders=st.booleans(),
    loss=shares,
    bursts=st.none() | st.builds(Bursts, st.floats(1, 50), st.floats(1, 50), shares),
    duplicates=shares,
    rate_kbits=st.none() | st.floats(10, 10_000),
    queue_ms=st.floats(0, 500),
)


def sent(faults: Faults, number: int = 1000, seed: int = 1, gap_s: float = 0.005) -> Fates:
    """When each of a row of datagrams of 1,000 bytes leaves."""
    direction = Direction(faults, seed)
    return [direction.take(1000, index * gap_s) for index in range(number)]


def lost(fates: Fates) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([not each for each in fates])


def test_without_faults_all_leaves_as_it_came() -> None:
    assert sent(Faults(), 5) == [(index * 0.005,) for index in range(5)]


@given(faults=some_faults, seed=st.integers(0, 100))
@settings(max_examples=100, deadline=None)
def test_a_seed_decides_all_and_nothing_leaves_early(faults: Faults, seed: int) -> None:
    first = sent(faults, 60, seed)
    assert first == sent(faults, 60, seed)
    for index, times in enumerate(first):
        assert len(times) <= 2
        assert all(at >= index * 0.005 + faults.delay_ms / 1000 - 1e-9 for at in times)
    if not faults.reorders:
        left = [at for times in first for at in times]
        assert left == sorted(left)


@given(faults=some_faults)
@settings(max_examples=50, deadline=None)
def test_all_that_came_met_with_one_fate(faults: Faults) -> None:
    direction = Direction(faults)
    passed = sum(bool(direction.take(500, index * 0.001)) for index in range(200))
    fates = direction.fates
    assert fates.came == 200 == passed + fates.lost + fates.overflowed + fates.cut


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
def test_single_losses_are_as_many_as_asked_for_and_independent(share: float) -> None:
    gone = lost(sent(Faults(loss=share), 40_000))
    error = (share * (1 - share) / gone.size) ** 0.5
    assert gone.mean() == pytest.approx(share, abs=4 * error)
    after_a_loss = gone[1:][gone[:-1]]
    assert after_a_loss.mean() == pytest.approx(share, abs=4 * error / share**0.5)


def test_the_same_are_lost_whatever_else_is_switched_on() -> None:
    plain = lost(sent(Faults(loss=0.1)))
    busy = Faults(loss=0.1, delay_ms=20, jitter_ms=50, duplicates=0.2, reorders=True)
    assert (lost(sent(busy)) == plain).all()
    assert (lost(sent(Faults(loss=0.1), seed=2)) != plain).any()


def test_bursts_come_as_often_and_last_as_long_as_asked_for() -> None:
    gone = lost(sent(Faults(bursts=Bursts(every=90, length=10)), 60_000)).astype(int)
    edges = np.diff(np.r_[0, gone, 0])
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    assert lengths.mean() == pytest.approx(10, rel=0.15)
    assert gone.mean() == pytest.approx(0.1, rel=0.15)


def test_a_burst_may_lose_a_part_only() -> None:
    gone = lost(sent(Faults(loss=0.01, bursts=Bursts(every=10, length=10, loss=0.5)), 60_000))
    assert gone.mean() == pytest.approx((0.01 + 0.5) / 2, rel=0.1)


def test_jitter_is_even_and_keeps_the_order_unless_told_otherwise() -> None:
    wild = Faults(delay_ms=20, jitter_ms=50, reorders=True)
    late = np.array([each[0] - index * 0.005 for index, each in enumerate(sent(wild, 5000))])
    assert late.min() == pytest.approx(0.02, abs=1e-3)
    assert late.max() == pytest.approx(0.07, abs=1e-3)
    assert late.mean() == pytest.approx(0.045, abs=2e-3)
    times = [each[0] for each in sent(wild)]
    assert times != sorted(times)


def test_a_rate_spaces_what_comes_at_once_and_its_queue_drops_the_tail() -> None:
    limited = Faults(rate_kbits=800, queue_ms=300)
    each_s = (1000 + HEADERS) * 8 / 800_000
    fates = sent(limited, 100, gap_s=0.0)
    times = [at for (at,) in fates[: sum(map(bool, fates))]]
    assert len(times) == 1 + int(0.3 / each_s)
    assert not any(fates[len(times) :])
    assert times[0] == pytest.approx(each_s)
    assert [b - a for a, b in pairwise(times)] == pytest.approx([each_s] * (len(times) - 1))


def test_a_rate_lets_as_much_through_as_it_says() -> None:
    fates = sent(Faults(rate_kbits=400), 2000, gap_s=0.005)  # four times as much is sent
    passed = [times[0] for times in fates if times]
    bits = len(passed) * (1000 + HEADERS) * 8
    assert bits / passed[-1] == pytest.approx(400_000, rel=0.01)
    late = [times[0] - index * 0.005 for index, times in enumerate(fates) if times]
    assert 0.3 < max(late) < 0.33


def test_duplicates_are_as_many_as_asked_for() -> None:
    fates = sent(Faults(duplicates=0.1), 20_000)
    assert np.mean([len(each) == 2 for each in fates]) == pytest.approx(0.1, rel=0.1)


def test_nothing_passes_in_an_outage_and_what_is_under_way_arrives() -> None:
    direction = Direction(Faults(delay_ms=20))
    assert list(direction.take(100, 0.99)) == pytest.approx([1.01])
    direction.cut(2.5)
    assert [direction.take(100, at) for at in (1.0, 2.499)] == [(), ()]
    assert list(direction.take(100, 2.5)) == pytest.approx([2.52])
    assert direction.fates.cut == 2


def test_an_outage_loses_no_lots() -> None:
    """What is lost after an outage is what would have been lost without it."""
    cut = Direction(Faults(loss=0.2), seed=1)
    cut.cut(1.0)
    fates = [cut.take(100, index * 0.01) for index in range(400)]
    assert (lost(fates)[100:] == lost(sent(Faults(loss=0.2), 400))[100:]).all()


@pytest.mark.parametrize(
    "wrong",
    [{"loss": 1.5}, {"duplicates": -0.1}, {"delay_ms": -1}, {"queue_ms": -1}, {"rate_kbits": 0}],
)
def test_faults_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Faults(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [(0.5, 2.0, 1.0), (2.0, 0.0, 1.0), (2.0, 2.0, 1.1)])
def test_bursts_that_cannot_be_are_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="Bursts"):
        Bursts(*wrong)


@given(faults=some_faults)
def test_faults_reach_the_process_as_they_are(faults: Faults) -> None:
    assert as_faults(asdict(faults)) == faults

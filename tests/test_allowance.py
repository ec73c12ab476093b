from __future__ import annotations

import pytest

from live.allowance import Allowance, AtOnce
from live.errors import TooManyRequests


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(allowance: Allowance) -> int:
    """How many requests get leave at once."""
    count = 0
    try:
        while True:
            allowance.take()
            count += 1
    except TooManyRequests:
        return count


def test_a_minutes_worth_at_once_and_then_evenly() -> None:
    clock = Clock()
    allowance = Allowance(6, clock)
    assert taken(allowance) == 6
    clock.now += 9.9
    assert taken(allowance) == 0
    clock.now += 0.2
    assert taken(allowance) == 1
    clock.now += 30
    assert taken(allowance) == 3


def test_a_quiet_hour_saves_nothing_up() -> None:
    clock = Clock()
    allowance = Allowance(6, clock)
    clock.now += 3600
    assert taken(allowance) == 6


def test_asking_in_vain_costs_nothing() -> None:
    clock = Clock()
    allowance = Allowance(60, clock)
    taken(allowance)
    for _ in range(100):
        with pytest.raises(TooManyRequests):
            allowance.take()
    clock.now += 1.01
    allowance.take()


def test_no_more_at_once_than_may_be() -> None:
    at_once = AtOnce(2, "uploads")

    def three() -> None:
        with at_once.one(), at_once.one(), at_once.one():
            pass

    for _ in range(2):  # the places are free again
        with pytest.raises(TooManyRequests, match="uploads"):
            three()
    with pytest.raises(KeyError), at_once.one():
        raise KeyError
    with at_once.one(), at_once.one():
        pass

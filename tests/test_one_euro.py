from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.drivers.one_euro import OneEuro, smoothing_factor


def test_first_value_passes_unchanged() -> None:
    assert OneEuro(1.0, 0.0)(np.array([3.0]), 0.1) == [3.0]


def test_without_speed_term_it_is_a_first_order_low_pass() -> None:
    cutoff, dt = 2.0, 0.01
    slow = OneEuro(cutoff, 0.0)
    slow(np.zeros(1), dt)
    time_constant = 1.0 / (2.0 * np.pi * cutoff)
    steps = round(time_constant / dt)
    for _ in range(steps):
        value = slow(np.ones(1), dt)
    # After one time constant a low-pass has gone 1 - 1/e of the way.
    assert value[0] == pytest.approx(1.0 - np.exp(-1.0), abs=0.03)


def test_steps_of_any_length_reach_the_same_place() -> None:
    fine, coarse = OneEuro(1.0, 0.0), OneEuro(1.0, 0.0)
    fine(np.zeros(1), 0.01)
    coarse(np.zeros(1), 0.01)
    for _ in range(20):
        small = fine(np.ones(1), 0.01)
    for _ in range(5):
        large = coarse(np.ones(1), 0.04)
    assert small[0] == pytest.approx(large[0], abs=0.06)


def test_noise_goes_and_speed_stays() -> None:
    rng = np.random.default_rng(1)
    still, moving = OneEuro(1.5, 15.0), OneEuro(1.5, 15.0)
    noise = rng.normal(0.0, 0.002, (300, 3))
    calm = np.array([still(row, 1 / 30) for row in noise])
    assert calm[30:].std() < 0.6 * noise[30:].std()
    ramp = np.arange(60)[:, None] / 30.0  # one unit a second
    follows = np.array([moving(row, 1 / 30) for row in ramp])
    assert (ramp - follows)[-1, 0] / (1.0 / 30.0) < 0.5  # less than half a frame late


def test_components_of_one_quantity_share_a_cutoff() -> None:
    together = OneEuro(1.0, 10.0)
    together(np.zeros((1, 2)), 0.03)
    moved = together(np.array([[1.0, 0.01]]), 0.03)[0]
    assert moved[1] / 0.01 == pytest.approx(moved[0])  # the path is straight


def test_a_sample_that_is_not_later_is_not_used() -> None:
    one = OneEuro(1.0, 1.0)
    one(np.zeros(2), 0.0)
    assert (one(np.ones(2), 0.0) == 0.0).all()
    assert (one(np.ones(2), -1.0) == 0.0).all()
    assert (one(np.ones(2), 0.1) > 0.0).all()


def test_reset_forgets() -> None:
    one = OneEuro(1.0, 0.0)
    one(np.zeros(1), 0.1)
    one.reset()
    assert one(np.array([5.0]), 0.1) == [5.0]


@given(
    st.lists(
        st.tuples(st.floats(-1e3, 1e3), st.floats(-0.1, 2.0, allow_subnormal=False)),
        min_size=1,
        max_size=40,
    )
)
def test_never_leaves_the_range_of_its_input(samples: list[tuple[float, float]]) -> None:
    one = OneEuro(1.0, 0.5)
    seen = []
    for value, dt in samples:
        seen.append(value)
        out = float(one(np.array([value]), dt)[0])
        assert min(seen) - 1e-6 <= out <= max(seen) + 1e-6


def test_factor_is_the_share_of_the_newest() -> None:
    assert smoothing_factor(np.array(0.0), 0.1) == 0.0
    assert smoothing_factor(np.array(1e9), 0.1) == pytest.approx(1.0)

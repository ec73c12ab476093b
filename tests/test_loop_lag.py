"""A busy event loop is seen."""

from __future__ import annotations

import asyncio
import time

from live.loop_lag import watch
from live.measures import LIMITS_MS, Histogram
from live.metrics import Metrics
from tests.loops import in_loop


@in_loop
async def test_what_keeps_the_loop_busy_is_counted() -> None:
    lag = Histogram()
    task = asyncio.create_task(watch(lag))
    await asyncio.sleep(0.05)
    time.sleep(0.2)  # noqa: ASYNC251  (somebody's mistake)
    await asyncio.sleep(0.02)
    task.cancel()
    assert sum(lag.steps) == 1
    assert sum(lag.steps[LIMITS_MS.index(100) :]) == 1


def test_it_is_among_the_series() -> None:
    metrics = Metrics()
    metrics.loop_lag.add(3_000_000)
    text = metrics.text().decode()
    assert 'visavis_loop_lag_seconds_bucket{le="0.002"} 0.0' in text
    assert 'visavis_loop_lag_seconds_bucket{le="0.004"} 1.0' in text

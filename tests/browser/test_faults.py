"""The benchmark of bad lines with a real browser: a call passes its link, and nothing beside."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser

from benchmarks import browser, clip, faulty, freezes, targets
from benchmarks.call import CallPlan
from benchmarks.netem import Faults
from benchmarks.netem.cases import DELAY_MS, Case
from benchmarks.serving import Serving

pytestmark = pytest.mark.alone


def test_an_outage_is_seen_where_it_was_made(launch: Callable[..., Browser]) -> None:
    chromium = launch("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    camera = browser.Camera.showing(clip.read(clip.DEFAULT, 10))
    plan = CallPlan("H264", "display", warm_s=0.5, seconds=4.0)
    case = Case("an outage, and some loss", Faults(DELAY_MS, loss=0.02), cut_s=0.8)
    with Serving("echo", {"LOGS__LEVEL": "error"}) as server:
        target = targets.own(server.address, plan)
        seen = faulty.call(browser.Chromium(chromium), target, plan, camera, case, seed=1)
    chromium.close()
    assert min(row.age_ms for row in seen.rows) >= 2 * DELAY_MS
    up, down = seen.passage.up, seen.passage.down
    assert min(up.lost, up.cut, down.lost, down.cut) > 0
    assert seen.cut_ms is not None
    began_ms, back_ms = seen.cut_ms
    # What was under way arrives; in between there is no other way than the link's.
    blind = [row for row in seen.rows if began_ms + 300 < row.at_ms < back_ms]
    assert not blind
    assert freezes.recovery(seen.rows, *seen.cut_ms)["fresh_ms"] is not None
    told = faulty.counters(seen.before, seen.after, plan.seconds)
    assert told["picture"]["nackCount"] + told["camera"]["nackCount"] > 0

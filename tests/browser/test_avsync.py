"""Picture and sound arrive together, by what Chromium received; without sound, none waits."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from benchmarks import avsync, browser, clip
from benchmarks.processes import share_priority
from benchmarks.serving import Serving

pytestmark = pytest.mark.alone

_log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def beacon() -> Iterator[Serving]:
    """A server that shows and says the time."""
    settings = {"SESSIONS__PLACES": "2", "SERVER__POSTS_PER_MINUTE": "10000"}
    with Serving("beacon", settings) as serving:
        yield serving


@pytest.fixture
def page(launch: Callable[..., Browser], beacon: Serving) -> Iterator[Page]:
    chromium = launch("--autoplay-policy=no-user-gesture-required")
    page = chromium.new_page(viewport={"width": 512, "height": 512})
    avsync.serve(page, None, browser.Camera.showing(clip.read(clip.DEFAULT, 2, (512, 512))))
    page.goto(f"{beacon.address}/bench/avsync.html")
    page.wait_for_function("() => window.probe !== undefined")
    share_priority(os.getpid())
    yield page
    chromium.close()


def test_picture_and_sound_arrive_together(page: Page) -> None:
    args = argparse.Namespace(codec="H264", through=None, client="page", stall=False, drawn=False)
    seen, _ = avsync.watched(page, args, 0.15, None, 2)
    figures = avsync.figures_of(seen)
    _log.info("picture and sound: %s", figures)
    # A busy machine hands on late what this page measures by, so the bounds are wide. As they
    # came, picture and sound were 100 ms apart, and on a busy machine more.
    assert abs(figures["content"]["p50"]) < 70
    assert -15 < figures["browser"]["p50"] < 40
    assert figures["picture_buffer_ms"] > 20


def test_without_sound_pictures_wait_for_none(page: Page) -> None:
    hold = "() => probe.holds().video"
    options = {
        "codec": "H264",
        "width": 512,
        "height": 512,
        "fps": 30,
        "pictures": 2,
        "sends": False,
        "keeps": False,
        "synchrony": True,
        "target": "/sessions?avatar=mira",
    }
    page.evaluate("options => probe.begin(options)", options)
    page.wait_for_function(f"({hold})() > 0")
    page.evaluate("probe.change({ sound: false })")
    page.wait_for_function(f"({hold})() === 0")
    page.evaluate("probe.change({ sound: true })")
    page.wait_for_function(f"({hold})() > 0")
    page.evaluate("probe.end()")

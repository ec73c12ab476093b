"""The latency benchmark's page: its time code is the Python one, its calls are real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

from benchmarks import browser as probe
from benchmarks import calling, clip, firefox, targets, timecode, voice_latency
from benchmarks.call import CallFailed, CallPlan, Seen
from benchmarks.serving import Serving
from live.stages import STAGES

pytestmark = pytest.mark.alone

NUMBERS = [0, 1, 0x5A5A5A, 0xABCDEF, timecode.WRAP - 1]


@pytest.fixture(scope="module")
def chromium(launch: Callable[..., Browser]) -> Any:
    running = launch("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    yield running
    running.close()


@pytest.fixture
def page(chromium: Browser) -> Any:
    """A page that can import the time code's module."""

    def answer(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if name.endswith(".js"):
            file = Path(probe.__file__).parent / "page" / name
            route.fulfill(body=file.read_bytes(), content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    page = chromium.new_page()
    page.route("**/*", answer)
    page.goto("http://localhost/probe")
    yield page
    page.close()


@pytest.mark.parametrize("size", [(512, 512), (320, 240)])
def test_what_the_page_draws_is_read_here(page: Page, size: tuple[int, int]) -> None:
    width, height = size
    for number in NUMBERS:
        rows = page.evaluate(
            """async ([number, width, height]) => {
                const { drawCode, stripHeight } = await import("/timecode.js");
                const context = new OffscreenCanvas(width, height).getContext("2d");
                drawCode(context, width, number);
                const { data } = context.getImageData(0, 0, width, stripHeight(width));
                return Array.from(data.filter((_, index) => index % 4 === 1));
            }""",
            [number, width, height],
        )
        green = np.array(rows, np.uint8).reshape(timecode.strip_height(width), width)
        assert timecode.read(green) == number


def test_what_is_drawn_here_the_page_reads(page: Page) -> None:
    for number in NUMBERS:
        planes = np.full((96, 96), 128, np.uint8)  # I420, 96 × 64
        timecode.draw(planes[:64], number)
        assert read_by(page, planes) == number
        planes[0:3, 0:6] = 255 - planes[0:3, 0:6]  # one block's bit turned
        assert read_by(page, planes) == -1


def read_by(page: Page, planes: np.ndarray[Any, Any]) -> int:
    number: int = page.evaluate(
        """async (bytes) => {
            const { readCode } = await import("/timecode.js");
            const layout = { format: "I420", codedWidth: 96, codedHeight: 64, timestamp: 0 };
            const frame = new VideoFrame(new Uint8Array(bytes), layout);
            const number = await readCode(frame);
            frame.close();
            return number;
        }""",
        planes.ravel().tolist(),
    )
    return number


@pytest.mark.parametrize(("codec", "sink"), [("VP8", "track"), ("H264", "display")])
def test_a_call_over_a_server_that_sends_back(chromium: Browser, codec: str, sink: Any) -> None:
    camera = probe.Camera.showing(clip.read(clip.DEFAULT, 10))
    plan = CallPlan(codec, sink, warm_s=0.5, seconds=1.5, tuned=False)
    with Serving("aiortc", {}) as server:
        seen = measured(probe.Chromium(chromium), server, plan, camera)
    assert seen.fps > 5
    assert seen.size == (512, 512)
    assert 1 < min(seen.ages_ms) <= max(seen.ages_ms) < 10_000
    assert seen.uncoded == 0
    spent = {stage.stage: stage.ms for stage in seen.stages}
    assert spent["browser encode"] > 0
    assert spent["browser decode"] > 0
    assert sum(spent.values()) == pytest.approx(np.mean(seen.ages_ms), abs=0.1)


def test_what_is_displayed_of_our_server_is_accounted_for(chromium: Browser) -> None:
    """Each side measures for itself; what nobody has measured is next to nothing."""
    camera = probe.Camera.showing(clip.read(clip.DEFAULT, 10))
    plan = CallPlan("H264", "display", warm_s=1.0, seconds=1.5)
    with Serving("echo", {"LOGS__LEVEL": "error"}) as server:
        seen = measured(probe.Chromium(chromium), server, plan, camera)
    spent = {stage.stage: stage.ms for stage in seen.stages}
    mean = float(np.mean(seen.ages_ms))
    assert sum(spent.values()) == pytest.approx(mean, abs=0.2)
    assert abs(spent["rest"]) < max(5.0, 0.4 * mean)
    assert spent.keys() > {*STAGES, "capture", "browser encode", "browser buffer", "display"}
    assert [stage.exact for stage in seen.stages if stage.stage == "network down"] == [True]


def test_what_the_microphone_says_is_heard_again(chromium: Browser) -> None:
    """The worklet's chirps are those that are looked for here, after a call through our server."""
    camera = probe.Camera.showing(clip.read(clip.DEFAULT, 2))
    plan = CallPlan("VP8", "display", 0.5, 1.5, heard=True, driver="face", chirps=True)
    with Serving("echo", {"LOGS__LEVEL": "error"}) as server:
        heard = voice_latency.call(probe.Chromium(chromium), server, plan, camera)
    assert len(heard.late_ms) >= 2  # a busy machine tears many
    assert 30 < np.median(heard.late_ms) < 1000
    assert sum(stage.ms for stage in heard.stages) == pytest.approx(np.mean(heard.late_ms), abs=0.1)


def test_firefox_is_driven_without_a_driver() -> None:
    if firefox.path() is None:
        pytest.skip("no Firefox in PATH; install one, on Debian by `apt-get install firefox-esr`")
    camera = probe.Camera.showing(clip.read(clip.DEFAULT, 4))
    plan = CallPlan("VP8", "display", warm_s=0.3, seconds=1.0)
    with Serving("aiortc", {}) as server, probe.running("firefox") as browser:
        seen = measured(browser, server, plan, camera)
        with browser.tab(f"{server.address}/", (64, 64)) as tab:
            assert tab.evaluate("value => value.concat(2)", [1]) == [1, 2]
            with pytest.raises(CallFailed, match="no such thing"):
                tab.evaluate("() => { throw new Error('no such thing'); }")
    assert seen.fps > 2
    assert seen.uncoded == 0


def test_a_server_that_refuses_is_no_measurement(chromium: Browser) -> None:
    camera = probe.Camera.showing(clip.read(clip.DEFAULT, 2))
    plan = CallPlan("VP8", "track", warm_s=0.1, seconds=0.1, avatar="nobody")
    with (
        Serving("server", {"LOGS__LEVEL": "error"}) as server,
        pytest.raises(CallFailed, match="404"),
    ):
        measured(probe.Chromium(chromium), server, plan, camera)


def measured(browser: probe.Tabs, server: Serving, plan: CallPlan, camera: probe.Camera) -> Seen:
    """A call to a server of ours."""
    return calling.measured(browser, server, targets.own(server.address, plan), plan, camera)

"""A server's address goes in, what a real Chromium saw in a call with it comes out.

Needs the test group's Playwright and a Chromium (`VISAVIS_CHROMIUM`, or `chromium` in the path, or
the one that Playwright installed).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from benchmarks.call import CallFailed, CallPlan, Seen, read_received
from benchmarks.processes import busy_s, share_priority, tree_cpu_s
from benchmarks.serving import Serving
from engines.types import Rgb

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

_PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".js": "text/javascript"}
_FIRST_FRAME_LIMIT_S = 20.0
_FLAGS = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--mute-audio",
    "--no-first-run",
)


@dataclass(frozen=True, slots=True)
class Camera:
    """What the browser sends."""

    jpegs: Sequence[bytes]
    size: tuple[int, int]
    """Width and height."""

    @staticmethod
    def showing(clip: Sequence[Rgb]) -> Camera:
        """The clip's pictures, back and forth, coded nearly without loss."""
        coded = []
        for rgb in clip:
            bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
            done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])
            assert done
            coded.append(data.tobytes())
        return Camera(coded, (clip[0].shape[1], clip[0].shape[0]))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; raises `CallFailed` where there is none."""
    try:
        from playwright.sync_api import Error, sync_playwright  # noqa: PLC0415  (a test dependency)
    except ImportError as error:
        raise CallFailed(
            "a browser is driven by Playwright, which is missing: pip install playwright;"
            " or measure without one by --client aiortc"
        ) from error
    path = os.environ.get("VISAVIS_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        except Error as error:
            raise CallFailed(
                "Chromium did not start; install it (apt-get install chromium, or playwright"
                " install chromium) or measure without one by --client aiortc"
            ) from error
        try:
            yield browser
        finally:
            browser.close()


def call(browser: Browser, server: Serving, plan: CallPlan, camera: Camera) -> Seen:
    """Makes one call and measures its last part; raises `CallFailed`."""
    page = browser.new_page(viewport={"width": camera.size[0], "height": camera.size[1]})
    try:
        page.route("**/bench/**", lambda route: answer(route, camera.jpegs))
        page.goto(f"{server.address}/bench/index.html")
        page.wait_for_function("() => window.probe !== undefined")
        share_priority(os.getpid())
        return _measure(page, server, plan, camera)
    finally:
        page.close()


def _measure(page: Page, server: Serving, plan: CallPlan, camera: Camera) -> Seen:
    from playwright.sync_api import Error  # noqa: PLC0415  (see chromium)

    options = {
        "codec": plan.codec,
        "sink": plan.sink,
        "fps": plan.fps,
        "sound": plan.sound,
        "hears": plan.heard,
        "tuned": plan.tuned,
        "width": camera.size[0],
        "height": camera.size[1],
        "pictures": len(camera.jpegs),
        "target": f"/sessions?avatar={plan.avatar}",
    }
    began = time.monotonic()
    try:
        page.evaluate("options => probe.begin(options)", options)
    except Error as error:
        raise CallFailed(f"the page could not begin the call: {error.message}") from error
    _await_first(page, began)
    first_frame_ms = 1000 * (time.monotonic() - began)
    page.wait_for_timeout(1000 * plan.warm_s)
    before = page.evaluate("probe.collect()")
    server_s, tree_s, machine_s = server.usage.cpu_s, tree_cpu_s(os.getpid()), busy_s()
    started = time.monotonic()
    page.wait_for_timeout(1000 * plan.seconds)
    after = page.evaluate("probe.collect()")
    took_s = time.monotonic() - started
    server_s = server.usage.cpu_s - server_s
    tree_s = tree_cpu_s(os.getpid()) - tree_s
    machine_s = busy_s() - machine_s
    report = page.evaluate("probe.report()")
    page.evaluate("probe.end()")
    if after["errors"]:
        raise CallFailed(f"the page had {len(after['errors'])} errors: {after['errors'][0]}")
    if not after["received"]:
        raise CallFailed(f"no picture came back; the connection was {after['state']}")
    return Seen(
        **read_received(after["received"]),
        sent=after["sent"],
        seconds=took_s,
        first_frame_ms=first_frame_ms,
        server_cpu_s=server_s,
        caller_cpu_s=tree_s - server_s,
        others_cpu_s=max(0.0, machine_s - tree_s),
        caller_ms=_means(before["counters"], after["counters"]),
        report=report,
    )


def _await_first(page: Page, began: float) -> None:
    pictures = 0
    while time.monotonic() < began + _FIRST_FRAME_LIMIT_S:
        seen = page.evaluate("probe.collect()")
        pictures += len(seen["received"])
        if any(number >= 0 for number, *_ in seen["received"]):
            return
        page.wait_for_timeout(10)
    raise CallFailed(
        f"no picture with a time code came back in {_FIRST_FRAME_LIMIT_S:.0f} s; the connection"
        f" was {seen['state']}, {pictures} pictures without one came"
    )


def _means(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float | None]:
    """Milliseconds for each picture between two readings of getStats."""

    def mean(side: str, total: str, count: str) -> float | None:
        old, new = before.get(side, {}), after.get(side, {})
        pictures = new.get(count, 0) - old.get(count, 0)
        if pictures <= 0 or total not in new:
            return None
        spent_s = float(new[total]) - float(old.get(total, 0))
        return round(1000 * spent_s / float(pictures), 2)

    return {
        "encode": mean("outbound-rtp", "totalEncodeTime", "framesEncoded"),
        "receive_buffer": mean("inbound-rtp", "jitterBufferDelay", "jitterBufferEmittedCount"),
        "decode": mean("inbound-rtp", "totalDecodeTime", "framesDecoded"),
    }


def answer(route: Route, pictures: Sequence[bytes]) -> None:
    """Serves a probe page and its clip beside the server's own."""
    name = route.request.url.rpartition("/bench/")[2]
    if name.startswith("picture/"):
        index = int(name.removeprefix("picture/").removesuffix(".jpg"))
        route.fulfill(body=pictures[index], content_type="image/jpeg")
    else:
        file = _PAGE / name
        route.fulfill(body=file.read_bytes(), content_type=_TYPES[file.suffix])

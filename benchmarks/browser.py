"""A real browser's page, that does what it is told: Chromium by Playwright, or Firefox.

Chromium: `VISAVIS_CHROMIUM`, or `chromium` in the path, or the one that Playwright (of the test
group) installed. Firefox: see `benchmarks.firefox`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import cv2

from benchmarks import firefox, host
from benchmarks.call import CallFailed
from benchmarks.processes import share_priority
from engines.types import Rgb

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

Name = Literal["chromium", "firefox"]

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


class Tab(Protocol):
    """A page that is open."""

    def evaluate(self, function: str, argument: Any = None) -> Any:
        """Calls a JavaScript function with a plain value and gives what its promise brings.

        Raises `CallFailed` with the page's error.
        """


class Tabs(Protocol):
    """A browser that runs."""

    def tab(self, address: str, size: tuple[int, int]) -> AbstractContextManager[Tab]:
        """Opens a page in a window with room for a picture of that width and height."""


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


def running(name: Name, *, visible: bool = False) -> AbstractContextManager[Tabs]:
    """Starts a browser; raises `CallFailed` where there is none. `visible`: in a window."""
    return firefox.firefox(visible=visible) if name == "firefox" else _playwright(visible)


@contextmanager
def _playwright(visible: bool) -> Iterator[Chromium]:
    with chromium(visible=visible) as browser:
        yield Chromium(browser)


class Chromium:
    """A Chromium that Playwright drives."""

    def __init__(self, browser: Browser) -> None:
        """`browser`: as Playwright started it, with a camera that needs no permission."""
        self._browser = browser

    @contextmanager
    def tab(self, address: str, size: tuple[int, int]) -> Iterator[ChromiumTab]:
        """As `Tabs`."""
        page = self._browser.new_page(viewport={"width": size[0], "height": size[1]})
        try:
            page.goto(address)
            share_priority(os.getpid())
            yield ChromiumTab(page)
        finally:
            page.close()


class ChromiumTab:
    """A page that Playwright drives."""

    def __init__(self, page: Page) -> None:
        """Of a page that has loaded."""
        self._page = page

    def evaluate(self, function: str, argument: Any = None) -> Any:
        """As `Tab`."""
        from playwright.sync_api import Error  # noqa: PLC0415  (a test dependency)

        try:
            return self._page.evaluate(function, argument)
        except Error as error:
            raise CallFailed(f"the page: {error.message}") from error


@contextmanager
def chromium(*, visible: bool = False) -> Iterator[Browser]:
    """A Chromium; raises `CallFailed` where there is none."""
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
            browser = playwright.chromium.launch(
                executable_path=path, args=list(_FLAGS), headless=not visible
            )
        except Error as error:
            raise CallFailed(
                "Chromium did not start; install it (apt-get install chromium, or playwright"
                " install chromium) or measure without one by --client aiortc"
                + ("; --visible needs a display" if visible else "")
            ) from error
        try:
            yield browser
        finally:
            browser.close()


def answer(route: Route, pictures: Sequence[bytes]) -> None:
    """Serves a probe page and its clip beside the server's own, where Playwright asks."""
    found = host.file(route.request.url.rpartition("/bench/")[2], pictures)
    assert found is not None
    route.fulfill(body=found[0], content_type=found[1])

"""A server, a camera that shows a known face, and browsers that look through it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

CLIP = Path(__file__).parents[1] / "data" / "talk.mp4"
REST_FROM = 150
"""From this frame of the clip on the head rests for three seconds, then turns, nods and talks."""
INSECURE_HOST = "visavis.test"
"""A name for this machine that browsers do not hold for secure without HTTPS."""
ELSEWHERE = "https://meet.example.org"
"""Another site, whose pages may call the server that asks for tokens."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--mute-audio",
    "--disable-background-networking",
    f"--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1",
)
START_LIMIT_S = 60.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs Chromium."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `visavis serve` with a single place, so that a place not freed is noticed."""
    with _serving(tmp_path_factory.mktemp("server")) as (address, _):
        yield address


@dataclass(frozen=True)
class Guarded:
    """A server that asks for tokens."""

    address: str
    environment: dict[str, str]

    def token(self, *scopes: str, expires: str = "1h") -> str:
        """A new one, as its operator makes it."""
        words = [word for scope in scopes for word in ("--scope", scope)]
        return self._visavis("grant", *words, "--expires", expires)

    def revoke(self, token: str) -> None:
        """Makes it good no more."""
        self._visavis("revoke", token)

    def _visavis(self, *words: str) -> str:
        command = [sys.executable, "-m", "live", "token", *words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Another one, which lets in only who has a token."""
    folder = tmp_path_factory.mktemp("guarded")
    more = {
        "VISAVIS_ACCESS__REQUIRED": "true",
        "VISAVIS_ACCESS__ORIGINS": f'["{ELSEWHERE}"]',
        "XDG_DATA_HOME": str(folder),
    }
    with _serving(folder, **more) as (address, environment):
        yield Guarded(address, environment)


@pytest.fixture
def enroller(tmp_path: Path) -> Iterator[str]:
    """The address of one that asks less of who is enrolled."""
    more = {"VISAVIS_CONSENT__OPERATOR": "Example Ltd"}
    with _serving(tmp_path, "tests.browser.short_enrolment", **more) as (address, _):
        yield address


@dataclass(frozen=True)
class Recorder:
    """A server that records its calls."""

    address: str
    folder: Path
    environment: dict[str, str]


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    """One that ends with the test."""
    more = {
        "VISAVIS_RECORDING__ENABLED": "true",
        "VISAVIS_LABEL__TEXT": "KI-Avatar",
        "VISAVIS_LABEL__LANGUAGE": "de",
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    with _serving(tmp_path, **more) as (address, environment):
        yield Recorder(address, tmp_path / "data" / "visavis" / "recordings", environment)


@contextmanager
def _serving(
    folder: Path, module: str = "live", **more: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """A server's address, and the environment in which it and its commands run."""
    environment = os.environ | {
        "VISAVIS_SERVER__POSTS_PER_MINUTE": "600",
        "VISAVIS_SESSIONS__PLACES": "1",
        "VISAVIS_AVATARS__FOLDER": str(folder / "avatars"),
        "XDG_DATA_HOME": str(folder / "data"),
        **more,
    }
    log = folder / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "serve", "--port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    try:
        announced = process.stdout.readline().split()
        address = next((word for word in announced if word.startswith("http")), "")
        assert address, log.read_text()
        _wait_until_ready(address, log)
        yield address.rstrip("/"), environment
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def _wait_until_ready(address: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and " ERROR " not in log.read_text():
        try:
            with urllib.request.urlopen(f"{address}readyz"):
                return
        except urllib.error.HTTPError as answer:
            answer.close()
        time.sleep(0.2)
    pytest.fail(f"the server is not ready for calls:\n{log.read_text()}")


@pytest.fixture(scope="session")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the clip as a camera gives it: 640 × 480, raw, played in a loop by Chromium."""
    path = tmp_path_factory.mktemp("camera") / "talk.y4m"
    with av.open(str(CLIP)) as clip, av.open(str(path), "w", format="yuv4mpegpipe") as out:
        stream = out.add_stream("wrapped_avframe", 30)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for frame in islice(clip.decode(video=0), REST_FROM, None):
            picture = np.full((480, 640, 3), 110, np.uint8)
            picture[:, 80:560] = frame.reformat(480, 480, "rgb24").to_ndarray()
            shown = av.VideoFrame.from_ndarray(picture, format="rgb24")
            out.mux(stream.encode(shown.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Playwright, for the whole run."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def launch(playwright: Playwright) -> Callable[..., Browser]:
    """Starts a Chromium with more arguments."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip("no Chromium in PATH; install one, on Debian by `apt-get install chromium`")

    def start(*arguments: str) -> Browser:
        return playwright.chromium.launch(executable_path=executable, args=[*ARGUMENTS, *arguments])

    return start


@pytest.fixture(scope="session")
def browser(launch: Callable[..., Browser], camera: Path) -> Iterator[Browser]:
    """A Chromium with a camera that shows the clip, and a microphone that beeps."""
    running = launch(
        "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}"
    )
    yield running
    running.close()


class Visit:
    """A page and what went wrong in it."""

    def __init__(self, context: BrowserContext, server: str) -> None:
        self.context = context
        self.server = server
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        context.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))"
        )
        self.page: Page = context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._requested)

    def open(self, query: str = "") -> Page:
        """Loads the page and waits for the avatars."""
        self.page.goto(f"{self.server}/{query}")
        self.page.wait_for_selector("#gallery[aria-busy=false]")
        return self.page

    def start(self, query: str = "") -> Page:
        """Loads the page and begins a call."""
        page = self.open(query)
        page.click("#primary")
        wait_for_phase(page, "live")
        return page

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _requested(self, request: Any) -> None:
        if not request.url.startswith((self.server + "/", "blob:", "data:")):
            self.foreign.append(request.url)


Visiting = Callable[..., Visit]
"""What the fixture `visit` gives."""


def wait_for_phase(page: Page, phase: str) -> None:
    """Waits until the page says that it is in this phase."""
    try:
        page.wait_for_selector(f"body[data-phase={phase}]", timeout=20_000)
    except PlaywrightTimeout:
        shown = page.locator("#notice").inner_text()
        pytest.fail(f"the page is not {phase!r} after 20 s; it says {shown!r}")


@pytest.fixture
def visit(browser: Browser, server: str) -> Iterator[Visiting]:
    """Makes visits with the camera allowed; options are those of Playwright's contexts."""
    contexts: list[BrowserContext] = []

    def make(within: Browser = browser, address: str = server, **options: Any) -> Visit:
        context = within.new_context(**({"permissions": ["camera", "microphone"]} | options))
        context.set_default_timeout(15_000)
        contexts.append(context)
        return Visit(context, address)

    yield make
    for context in contexts:
        context.close()

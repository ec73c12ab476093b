"""A Firefox that does what it is told, over WebDriver BiDi; nothing but Firefox itself is needed.

`VISAVIS_FIREFOX`, or `firefox` or `firefox-esr` in the path. It has no way to give pictures to a
track or to take them off one except by a canvas and a video element, so only what is displayed can
be measured, with the wait for a refresh on both sides; and without a download it has no H.264.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType

from benchmarks.call import CallFailed
from benchmarks.processes import share_priority

NAMES = ("firefox", "firefox-esr")

_START_LIMIT_S = 60.0
_ANSWER_LIMIT_S = 60.0
_STOP_LIMIT_S = 10.0
_PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "privacy.reduceTimerPrecision": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
}
_CALL = """async (text) => {
    const value = await (%s)(JSON.parse(text));
    return JSON.stringify(value === undefined ? null : value);
}"""

T = TypeVar("T")


def path() -> str | None:
    """Where Firefox is; `None`: nowhere."""
    found = os.environ.get("VISAVIS_FIREFOX")
    return found or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def firefox(*, visible: bool = False) -> Iterator[Firefox]:
    """A Firefox with a profile of its own; raises `CallFailed` where there is none."""
    program = path()
    if program is None:
        raise CallFailed(
            "there is no Firefox in PATH; install one (on Debian apt-get install firefox-esr), or"
            " measure by --browser chromium"
        )
    with tempfile.TemporaryDirectory(prefix="visavis-firefox-") as folder:
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in _PREFERENCES.items()]
        Path(folder, "user.js").write_text("\n".join(lines))
        log = Path(folder, "log")
        words = [program, "--no-remote", "--profile", folder, "--remote-debugging-port", "0"]
        with log.open("w") as errors:
            process = subprocess.Popen(
                words if visible else [*words, "--headless"],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=subprocess.STDOUT,
            )
        try:
            with _driven(_announced(process, log)) as driver:
                yield Firefox(driver)
        finally:
            _stop(process)


def _announced(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address at which Firefox takes commands."""
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise CallFailed(
        f"Firefox did not start; it said:\n{log.read_text()[-1000:]}\n(--visible needs a display)"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _driven(address: str) -> Iterator[Driver]:
    """A session with the browser, on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="firefox", daemon=True)
    thread.start()
    driver = Driver(address, loop)
    try:
        driver.begin()
        yield driver
    finally:
        driver.end()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Driver:
    """Commands in, their results out, one after the other."""

    def __init__(self, address: str, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` runs on another thread."""
        self._address = address
        self._loop = loop
        self._http: ClientSession | None = None
        self._socket: ClientWebSocketResponse | None = None
        self._number = 0

    def begin(self) -> None:
        """Connects; raises `CallFailed`."""
        self._wait(self._connect())
        self.command("session.new", {"capabilities": {}})

    def end(self) -> None:
        """Disconnects."""
        self._wait(self._disconnect())

    def command(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """One command's result; raises `CallFailed` with the browser's own words."""
        return self._wait(self._command(method, parameters))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_LIMIT_S)
        except (ClientError, OSError, TimeoutError) as error:
            raise CallFailed(f"Firefox does not answer: {type(error).__name__}") from error

    async def _connect(self) -> None:
        self._http = ClientSession()
        self._socket = await self._http.ws_connect(f"{self._address}/session", max_msg_size=0)

    async def _disconnect(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._http is not None:
            await self._http.close()

    async def _command(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        assert self._socket is not None
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive()
            if message.type is not WSMsgType.TEXT:
                raise CallFailed("Firefox has ended")
            answer = json.loads(message.data)
            if answer.get("id") != self._number:
                continue
            if answer["type"] != "success":
                raise CallFailed(f"Firefox refused {method}: {answer.get('message')}")
            result: dict[str, Any] = answer["result"]
            return result


class Firefox:
    """A Firefox that runs."""

    def __init__(self, driver: Driver) -> None:
        """Of a session that has begun."""
        self._driver = driver

    @contextmanager
    def tab(self, address: str, size: tuple[int, int]) -> Iterator[FirefoxTab]:
        """As `benchmarks.browser.Tabs`."""
        context = self._driver.command("browsingContext.create", {"type": "tab"})["context"]
        view = {"width": size[0], "height": size[1]}
        try:
            self._driver.command(
                "browsingContext.setViewport", {"context": context, "viewport": view}
            )
            self._driver.command(
                "browsingContext.navigate",
                {"context": context, "url": address, "wait": "complete"},
            )
            share_priority(os.getpid())
            yield FirefoxTab(self._driver, context)
        finally:
            self._driver.command("browsingContext.close", {"context": context})


class FirefoxTab:
    """A page that is open."""

    def __init__(self, driver: Driver, context: str) -> None:
        """`context`: the page's name."""
        self._driver = driver
        self._context = context

    def evaluate(self, function: str, argument: Any = None) -> Any:
        """As `benchmarks.browser.Tab`."""
        result = self._driver.command(
            "script.callFunction",
            {
                "functionDeclaration": _CALL % function,
                "arguments": [{"type": "string", "value": json.dumps(argument)}],
                "target": {"context": self._context},
                "awaitPromise": True,
                "userActivation": True,
            },
        )
        if result["type"] != "success":
            raise CallFailed(f"the page: {result['exceptionDetails'].get('text')}")
        return json.loads(result["result"]["value"])

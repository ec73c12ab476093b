"""A kind of server goes in; it runs in a process of its own until the block that asked for it ends.

* `server`: `visavis serve` as it is.
* `avatar`, `echo`: the same with the parts of `benchmarks.parts`.
* `beacon`: the same, and every call shows and says the time (`benchmarks.beacon`).
* `syllables`: the same with a voice whose sounds are known (`benchmarks.syllables`).
* `aiortc`: aiortc as installed, sending back the track that came in; the same two routes.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, get_args

from aiohttp import web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from benchmarks.beacon import beacon
from benchmarks.parts import CodedRenderer, CodedTracker, Passage, StillDriver, coded_canvas
from benchmarks.processes import Usage, tree_usage
from benchmarks.stamps import Stamps, stamping
from benchmarks.syllables import syllable_voice
from engines import registry
from engines.types import Driver, Renderer, Tracker, Weights
from live.canvas import Canvas
from live.errors import VisavisError

Kind = Literal["server", "avatar", "echo", "beacon", "syllables", "aiortc"]

_START_LIMIT_S = 120.0
_STOP_LIMIT_S = 10.0
_WORKER = "worker"


class ServerFailed(VisavisError):
    """The server that was to be measured did not start, or did not last."""


@dataclass
class Serving:
    """A server process."""

    kind: Kind
    settings: Mapping[str, str]
    """Environment names without their prefix, `SESSIONS__PLACES` and so on."""
    address: str = ""
    started_s: float = 0.0
    """Seconds from the start of the process until it answered."""
    ready_s: float = 0.0
    """Seconds until it was ready for calls."""
    ready_cpu_s: float = 0.0
    """CPU seconds used until then."""
    started_cpu_s: float = 0.0
    """CPU seconds used until then."""
    stopped_cpu_s: float = 0.0
    """CPU seconds used until it was stopped."""

    def __enter__(self) -> Self:
        """Starts it; raises `ServerFailed`."""
        self._folder = tempfile.TemporaryDirectory(prefix="visavis-bench-")
        self._log = Path(self._folder.name) / "log"
        environment = dict(os.environ)
        environment |= {f"VISAVIS_{name}": value for name, value in self.settings.items()}
        self.temporary.mkdir()
        environment["TMPDIR"] = str(self.temporary)
        began = time.monotonic()
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                _command(self.kind),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self._folder.name,  # no visavis.toml of the user's is read
            )
        try:
            self.address = self._announced(began + _START_LIMIT_S)
            self.started_s = time.monotonic() - began
            self.started_cpu_s = self.usage.cpu_s
            if self.kind != "aiortc":  # which is always ready
                self._wait_until_ready(began + _START_LIMIT_S)
        except BaseException:
            self._stop()
            raise
        self.ready_s = time.monotonic() - began
        self.ready_cpu_s = self.usage.cpu_s
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops it; raises `ServerFailed` where it had gone by itself."""
        gone = self.process.poll()
        self._stop()
        if gone is not None and error is None:
            raise ServerFailed(f"the server under test ended by itself with exit code {gone}")

    @property
    def folder(self) -> Path:
        """Where the process runs and may leave files; gone when it ends."""
        return Path(self._folder.name)

    @property
    def usage(self) -> Usage:
        """What the server holds and has used, in however many processes."""
        return tree_usage(self.process.pid)

    @property
    def temporary(self) -> Path:
        """Where it puts temporary files; nobody else does."""
        return Path(self._folder.name) / "tmp"

    def said(self) -> str:
        """What it has written to its log so far."""
        return self._log.read_text()

    def _announced(self, deadline_s: float) -> str:
        while time.monotonic() < deadline_s:
            found = re.search(r"https?://\S+?(?=/?\s)", self._log.read_text())
            if found:
                return found[0]
            if self.process.poll() is not None:
                break
            time.sleep(0.005)
        raise self._failed("did not come up")

    def _wait_until_ready(self, deadline_s: float) -> None:
        while time.monotonic() < deadline_s:
            try:
                with urllib.request.urlopen(f"{self.address}/readyz", timeout=5):  # noqa: S310
                    return
            except OSError:  # an HTTPError is one: 503
                time.sleep(0.02)
        raise self._failed("was never ready for calls")

    def _failed(self, how: str) -> ServerFailed:
        return ServerFailed(f"the {self.kind} server {how}; it said:\n{self.said()[-2000:]}")

    def _stop(self) -> None:
        if self.process.poll() is None:
            self.stopped_cpu_s = self.usage.cpu_s
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._folder.cleanup()


def _command(kind: Kind) -> list[str]:
    if kind == "server":
        return [sys.executable, "-m", "live", "serve", "--port", "0"]
    return [sys.executable, "-m", "benchmarks.serving", kind]


def _command_of_worker(kind: str) -> list[str]:
    return [sys.executable, "-P", "-m", "benchmarks.serving", kind, _WORKER]


@contextmanager
def coded_parts(stamps: Stamps, *, echo: bool) -> Iterator[None]:
    """Lets the registry hand out the parts of `benchmarks.parts` around its own."""
    passage = Passage()
    tracker, driver, renderer = registry.tracker, registry.driver, registry.renderer

    def coded_tracker(name: str, weights: Weights) -> Tracker:
        return CodedTracker(tracker(name, weights), passage, stamps.came, echo=echo)

    def coded_renderer(name: str, source: object | None = None) -> Renderer:
        return CodedRenderer(renderer(name, source), passage)

    def still_driver(name: str, source: object | None = None) -> Driver:
        return StillDriver(driver(name, source).space)

    registry.tracker, registry.renderer = coded_tracker, coded_renderer
    if echo:
        registry.driver = still_driver
    planes = Canvas.planes
    setattr(Canvas, "planes", coded_canvas(planes, passage))  # noqa: B010  (mypy)
    try:
        yield
    finally:
        registry.tracker, registry.driver, registry.renderer = tracker, driver, renderer
        setattr(Canvas, "planes", planes)  # noqa: B010


async def _serve_stock() -> None:
    """What aiortc costs without us: an echo by its own relaying of a track."""
    peers: set[RTCPeerConnection] = set()

    async def open_call(request: web.Request) -> web.Response:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peers.add(peer)
        peer.on("track", peer.addTrack)
        await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        sdp = peer.localDescription.sdp
        return web.Response(status=201, text=sdp, content_type="application/sdp")

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="", content_type="text/html")

    application = web.Application()
    application.add_routes([web.post("/sessions", open_call), web.get("/", page)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    told_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_stop.set)
    print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await told_to_stop.wait()
    await asyncio.gather(*(peer.close() for peer in peers))
    await runner.cleanup()


@contextmanager
def _measured_parts(*, echo: bool) -> Iterator[None]:
    with stamping(Path.cwd()) as stamps, coded_parts(stamps, echo=echo):
        yield


def _changed(kind: str) -> AbstractContextManager[None]:
    if kind == "beacon":
        return beacon()
    return syllable_voice() if kind == "syllables" else _measured_parts(echo=kind == "echo")


def main(kind: str, role: str = "") -> int:
    """Runs a server of the kind in this process; `role`: or one of the processes of one."""
    if kind not in get_args(Kind):
        raise ServerFailed(f"no server is called {kind!r}; known are {get_args(Kind)}")
    if kind == "aiortc":
        asyncio.run(_serve_stock())
        return 0
    from live.__main__ import main as visavis  # noqa: PLC0415  (a cost of these kinds only)
    from live.processes import child, process  # noqa: PLC0415

    process.COMMAND = _command_of_worker(kind)
    with _changed(kind):
        if role == _WORKER:
            return child.main()
        return visavis(["serve", "--port", "0"])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

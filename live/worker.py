"""Camera frames in, stamped pictures out, on the one thread that a session has for its rooms."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future

from live.clock import now_ns
from live.disclosure import Stamped
from live.ingest import CameraFrame, Mailbox
from live.measures import Counts
from live.pipeline import Pipeline

logger = logging.getLogger(__name__)

_CAMERA_PATIENCE_S = 0.5
"""Cameras of 5 pictures a second exist; past this the avatar goes on without one."""
_ALONE_S = 1 / 15
_MOST_FAILURES = 30
"""In a row; then the call has no sense any more."""


class Worker:
    """Builds a pipeline and runs it, picture by picture, until it is stopped."""

    def __init__(
        self,
        build: Callable[[], Pipeline],
        frames: Mailbox[CameraFrame],
        show: Callable[[Stamped], None],
        counts: Counts,
        on_failure: Callable[[], None],
    ) -> None:
        """`build`, `show` and `on_failure` are called on the worker's thread.

        Counts under `dropped.failed` the pictures that a room could not deal with.
        """
        self.ready: Future[Pipeline] = Future()
        """The pipeline, once built, or the error that it could not be built with."""
        self.live = threading.Event()
        """Set when the peer is connected: from then on it is shown something in any case."""
        self._build = build
        self._frames = frames
        self._show = show
        self._counts = counts
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._run, name="session-worker", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Lets the thread end after the picture at hand; returns at once."""
        self._frames.close()

    def join(self, timeout_s: float) -> bool:
        """Waits for the thread's end; says whether it came."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self.ready.set_running_or_notify_cancel()  # whoever stops waiting does not stop the work
        try:
            pipeline = self._build()
        except BaseException as error:  # it belongs to whoever waits for `ready`
            self.ready.set_exception(error)
            return
        self.ready.set_result(pipeline)
        try:
            self._work(pipeline)
        finally:
            pipeline.close()

    def _work(self, pipeline: Pipeline) -> None:
        patience_s = _CAMERA_PATIENCE_S
        failures = 0
        while not self._frames.closed:
            frame = self._frames.take(patience_s)
            if frame is None and (self._frames.closed or not self.live.is_set()):
                continue
            patience_s = _ALONE_S if frame is None else _CAMERA_PATIENCE_S
            try:
                self._show(
                    pipeline.without_camera(now_ns())
                    if frame is None
                    else pipeline(frame.picture())
                )
                failures = 0
            except Exception as error:  # one picture's trouble must not end the call
                failures += 1
                self._counts.add("dropped.failed")
                if failures == 1:
                    logger.warning("a picture failed in a room: %s", type(error).__name__)
                if failures == _MOST_FAILURES:
                    self._on_failure()
                    return

"""Camera frames and sound in, stamped pictures out, on the session's one thread for its rooms."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future

from engines.aside import take_turns
from live.clock import MILLISECOND, SECOND, now_ns
from live.disclosure import Stamped
from live.ears import Ears
from live.ingest import CameraFrame, Mailbox
from live.load.pace import Pace
from live.load.turns import Turn, Turns
from live.measures import Counts, Durations
from live.pipeline import Pipeline

logger = logging.getLogger(__name__)

_SPOKEN_PATIENCE_NS = 50 * MILLISECOND
"""While somebody speaks: a mouth needs more pictures than that."""
_SPOKEN_NS = SECOND // 30
"""From picture to picture without a camera, while somebody speaks."""
_IDLE_NS = SECOND // 25
"""And while nobody does: blinks of 100 ms are still seen, for a sixth less."""
_LAG_STEP_NS = 2 * MILLISECOND
"""By how much the time between sound and picture changes from one picture to the next; as the
voice's own delay does, so that neither is seen to jump."""
_MOST_FAILURES = 30
"""In a row; then the call has no sense any more."""


class Worker:
    """Builds a pipeline and runs it, picture by picture, until it is stopped."""

    def __init__(
        self,
        build: Callable[[], Pipeline],
        frames: Mailbox[CameraFrame],
        ears: Ears,
        show: Callable[[Stamped], None],
        counts: Counts,
        on_failure: Callable[[], None],
        *,
        turn: Turn | None = None,
        camera_patience_s: float = 0.5,
    ) -> None:
        """`build`, `show` and `on_failure` are called on the worker's thread.

        `turn`: held while a picture is drawn; `None`: nobody else draws. `camera_patience_s`: past
        this the avatar goes on without a picture of the camera.

        Counts under `dropped.failed` the pictures that a room could not deal with, and under
        `dropped.paced` those that were not to be drawn.
        """
        self.ready: Future[Pipeline] = Future()
        """The pipeline, once built, or the error that it could not be built with."""
        self.live = threading.Event()
        """Set when the peer is connected: from then on it is shown something in any case."""
        self.times = {"wait": Durations(), "convert": Durations()}
        """Of `live.stages`."""
        self.pace = Pace()
        """Which pictures are drawn."""
        self.drawn = self.work_ns = 0
        """Pictures so far, and the time spent on them, with waiting for a processor."""
        self._build = build
        self._frames = frames
        self._ears = ears
        self._camera_patience_ns = round(camera_patience_s * SECOND)
        self._turn = turn or Turn(Turns())
        self._lag_ns = 0
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
        take_turns(self._turn)
        try:
            self._work(pipeline)
        finally:
            take_turns(None)
            pipeline.close()

    def _work(self, pipeline: Pipeline) -> None:
        seen_ns = due_ns = now_ns()
        failures = 0
        while not self._frames.closed:
            sounding = self._ears.sounding
            patience_ns = _SPOKEN_PATIENCE_NS if sounding else self._camera_patience_ns
            period_ns = self.pace.at_least(_SPOKEN_NS if sounding else _IDLE_NS)
            due_ns = max(due_ns + period_ns, now_ns())
            frame = self._frames.take((due_ns - now_ns()) / SECOND)
            now = now_ns()
            if frame is not None:
                seen_ns = due_ns = now
                if not self.pace.passes(frame.pts_ns):
                    self._counts.add("dropped.paced")
                    continue
            elif self._frames.closed or not self.live.is_set() or now - seen_ns < patience_ns:
                continue
            try:
                with self._turn:
                    self._show(self._drawn(pipeline, self._newest(frame)))
                failures = 0
            except Exception as error:  # one picture's trouble must not end the call
                failures += 1
                self._counts.add("dropped.failed")
                if failures == 1:
                    logger.warning("a picture failed in a room: %s", type(error).__name__)
                if failures >= _MOST_FAILURES and not pipeline.easel.reserve_comes:
                    self._on_failure()
                    return
            self.drawn += 1
            self.work_ns += now_ns() - now

    def _newest(self, frame: CameraFrame | None) -> CameraFrame | None:
        """What has come while this one waited for its turn, if anything has."""
        newer = None if frame is None else self._frames.take(0)
        if newer is None:
            return frame
        self._counts.add("dropped.superseded")
        return newer

    def _drawn(self, pipeline: Pipeline, frame: CameraFrame | None) -> Stamped:
        """The next picture: of a frame, or without one."""
        taken_ns = now_ns()
        self._ears.listening = pipeline.listens
        # Nothing shown depends on the peer's voice then: the driver only wants to know of it.
        patient = frame is not None and not pipeline.look_ahead_ns
        sounds = self._ears.take(patient=patient)
        lag_ns = self._lag(pipeline)
        if frame is None:
            return pipeline.without_camera(now_ns() - lag_ns, sounds)
        picture = frame.picture()
        self.times["wait"].add(taken_ns - frame.decoded_ns)
        self.times["convert"].add(now_ns() - taken_ns)
        return pipeline(picture.at(picture.pts_ns - lag_ns), sounds)

    def _lag(self, pipeline: Pipeline) -> int:
        """How much older than now the sound is that a picture belongs to.

        A driver that listens to the microphone looks a little ahead of what it draws. So its
        picture is one of a moment ago, and egress holds the sound back for as long.
        """
        wanted_ns = pipeline.look_ahead_ns if self._ears.hears_peer else 0
        if wanted_ns:
            wanted_ns += self._ears.behind_ns
        step_ns = min(max(wanted_ns - self._lag_ns, -_LAG_STEP_NS), _LAG_STEP_NS)
        self._lag_ns += step_ns
        return self._lag_ns

"""What happens goes in, Prometheus text comes out (`GET /metrics`).

No label ever carries an id, an address or anything else that a client chose: label values are names
from our own code, so the number of series is fixed.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

_ROOM_BUCKETS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.033, 0.066, 0.133, 0.5)
_LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.2, 0.5, 1.0)


class Metrics:
    """The series of one server; safe to feed from any thread."""

    CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        """With a registry of its own, so that tests do not share counts."""
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._sessions = Gauge("visavis_sessions", "Calls held now.", registry=registry)
        self._places = Gauge("visavis_places", "Calls that can be held.", registry=registry)
        self._opened = Counter(
            "visavis_sessions_opened", "Calls that were opened.", registry=registry
        )
        self._ended = Counter(
            "visavis_sessions_ended", "Calls that ended.", ["reason"], registry=registry
        )
        self._refusals = Counter(
            "visavis_refusals", "Requests that were refused.", ["problem"], registry=registry
        )
        self._requests = Counter(
            "visavis_http_requests",
            "Requests that were answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._frames = Counter(
            "visavis_frames", "Video frames that came in or went out.", ["way"], registry=registry
        )
        self._dropped = Counter(
            "visavis_frames_dropped", "Video frames let go.", ["reason"], registry=registry
        )
        self._rooms = Histogram(
            "visavis_room_seconds",
            "Time that one frame spends in a room.",
            ["room"],
            buckets=_ROOM_BUCKETS,
            registry=registry,
        )
        self._latency = Histogram(
            "visavis_latency_seconds",
            "From a frame's first packet to the avatar's picture being sent.",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )

    def watch_sessions(self, held: Callable[[], int], places: int) -> None:
        """Says where the number of calls is read when someone asks."""
        self._sessions.set_function(held)
        self._places.set(places)

    def session_opened(self) -> None:
        """A call was opened."""
        self._opened.inc()

    def session_ended(self, reason: str) -> None:
        """A call ended; `reason` is one of the session's own words."""
        self._ended.labels(reason).inc()

    def refused(self, problem: str) -> None:
        """A request was refused; `problem` is the error's name."""
        self._refusals.labels(problem).inc()

    def answered(self, method: str, route: str, status: int) -> None:
        """A request was answered; `route` is the pattern, not the path."""
        self._requests.labels(method, route, str(status)).inc()

    def frame(self, way: str) -> None:
        """A video frame came `in` or went `out`."""
        self._frames.labels(way).inc()

    def dropped(self, reason: str, count: int = 1) -> None:
        """Video frames were let go."""
        self._dropped.labels(reason).inc(count)

    def room(self, room: str, seconds: float) -> None:
        """One frame spent this long in a room."""
        self._rooms.labels(room).observe(seconds)

    def latency(self, seconds: float) -> None:
        """One frame took this long from its first packet to being sent."""
        self._latency.observe(seconds)

    def text(self) -> bytes:
        """The exposition, in `CONTENT_TYPE`."""
        return generate_latest(self._registry)

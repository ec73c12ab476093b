"""What happens goes in, Prometheus text comes out (`GET /metrics`).

No label ever carries an id, an address or anything else that a client chose: label values are names
from our own code, so the number of series is fixed.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Metric,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from live import clock, measures
from live.easel import Fall
from live.measures import Tally
from live.pipeline import ROOMS
from live.stages import STAGES
from live.utterance import Reason

# A second series for each counter that says when it began: nothing here is reset.
disable_created_metrics()  # type: ignore[no-untyped-call]


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
        Gauge(
            "visavis_tasks", "Tasks of the event loop that answers this.", registry=registry
        ).set_function(_tasks)
        self._ended_tally = Totals()
        self._running: Callable[[], Iterable[Tally]] = tuple
        registry.register(_Frames(self._totals))
        registry.register(_Speech(self._totals))
        self.loop_lag = measures.Histogram()
        """How late the event loop is (`live.loop_lag`)."""
        registry.register(_LoopLag(self.loop_lag))

    def watch_sessions(
        self, running: Callable[[], Iterable[Tally]], places: Callable[[], int]
    ) -> None:
        """Says where the running calls' tallies and their places are read when someone asks."""
        self._running = running
        self.watch_places(lambda: len(list(running())), places)

    def watch_places(self, held: Callable[[], int], places: Callable[[], int]) -> None:
        """Says where the numbers of calls that are held, and can be, are read."""
        self._sessions.set_function(held)
        self._places.set_function(places)

    def register(self, collector: Collector) -> None:
        """Takes series that somebody else makes when someone asks."""
        self._registry.register(collector)

    def session_opened(self) -> None:
        """A call was opened."""
        self._opened.inc()

    def session_ended(self, reason: str, tally: Tally) -> None:
        """A call ended; `reason` is one of the session's own words."""
        self._ended.labels(reason).inc()
        self._ended_tally.add(tally)

    def refused(self, problem: str) -> None:
        """A request was refused; `problem` is the error's name."""
        self._refusals.labels(problem).inc()

    def answered(self, method: str, route: str, status: int) -> None:
        """A request was answered; `route` is the pattern, not the path."""
        self._requests.labels(method, route, str(status)).inc()

    def text(self) -> bytes:
        """The exposition, in `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def _totals(self) -> Totals:
        """Of ended and running calls together."""
        totals = Totals()
        totals.add(self._ended_tally)
        for tally in self._running():
            totals.add(tally)
        return totals


class Totals:
    """Tallies added up."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.counts: collections.Counter[str] = collections.Counter()
        self.times: dict[str, measures.Histogram] = {}

    def add(self, tally: Tally | Totals) -> None:
        """Adds one."""
        self.counts.update(tally.counts)
        for name, histogram in tally.times.items():
            self.times.setdefault(name, measures.Histogram()).merge(histogram)


class _Frames(Collector):
    """The series of video frames, made when someone asks."""

    def __init__(self, totals: Callable[[], Totals]) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        """Counts and times since the server's start."""
        totals = self._totals()
        frames = CounterMetricFamily(
            "visavis_frames", "Video frames that came in or went out.", labels=["way"]
        )
        for way in ("in", "out"):
            frames.add_metric([way], totals.counts[way])
        yield frames
        dropped = CounterMetricFamily(
            "visavis_frames_dropped", "Video frames let go.", labels=["reason"]
        )
        for name, count in sorted(totals.counts.items()):
            if name.startswith("dropped."):
                dropped.add_metric([name.removeprefix("dropped.")], count)
        yield dropped
        falls = CounterMetricFamily(
            "visavis_fallbacks",
            "Calls whose renderer was lost for a simpler one.",
            labels=["reason"],
        )
        for reason in Fall:
            falls.add_metric([reason], totals.counts[f"fallbacks.{reason}"])
        yield falls
        rooms = HistogramMetricFamily(
            "visavis_room_seconds", "Time that one frame spends in a room.", labels=["room"]
        )
        latency = HistogramMetricFamily(
            "visavis_latency_seconds",
            "From a frame's first packet to the last of the avatar's picture.",
        )
        stages = HistogramMetricFamily(
            "visavis_stage_seconds",
            "Time that one frame spends in a stage of its way from packet to packet.",
            labels=["stage"],
        )
        for name, histogram in sorted(totals.times.items()):
            if name == "latency":
                latency.add_metric([], *_steps(histogram))
            if name in ROOMS:
                rooms.add_metric([name], *_steps(histogram))
            if name in STAGES:
                stages.add_metric([name], *_steps(histogram))
        yield from (rooms, stages, latency)


class _Speech(Collector):
    """The series of what avatars say, made when someone asks."""

    def __init__(self, totals: Callable[[], Totals]) -> None:
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        """Counts and times since the server's start."""
        totals = self._totals()
        utterances = CounterMetricFamily(
            "visavis_utterances", "Utterances that came to their end.", labels=["reason"]
        )
        for reason in Reason:
            utterances.add_metric([reason], totals.counts[f"utterances.{reason}"])
        yield utterances
        spoken = CounterMetricFamily("visavis_spoken_seconds", "Sound that avatars have said.")
        spoken.add_metric([], totals.counts["spoken_ms"] / 1000)
        yield spoken
        interrupts = CounterMetricFamily("visavis_interrupts", "Interruptions of an avatar.")
        interrupts.add_metric([], totals.counts["interrupts"])
        yield interrupts
        first = HistogramMetricFamily(
            "visavis_first_sound_seconds", "From a request to its utterance's first sound."
        )
        first.add_metric([], *_steps(totals.times.get("first_sound", measures.Histogram())))
        yield first


class _LoopLag(Collector):
    """How late the event loop is, made when someone asks."""

    def __init__(self, lag: measures.Histogram) -> None:
        self._lag = lag

    def collect(self) -> Iterator[Metric]:
        """Since the server's start."""
        family = HistogramMetricFamily(
            "visavis_loop_lag_seconds", "By how much the event loop comes late to what is due."
        )
        family.add_metric([], *_steps(self._lag))
        yield family


def _tasks() -> float:
    try:
        return float(len(asyncio.all_tasks()))
    except RuntimeError:  # asked for outside of a loop
        return 0.0


def _steps(histogram: measures.Histogram) -> tuple[list[tuple[str, float]], float]:
    """Prometheus' cumulative steps, and the sum in seconds."""
    limits = [*(str(limit / 1000) for limit in measures.LIMITS_MS), "+Inf"]
    counts = itertools.accumulate(histogram.steps)
    return list(zip(limits, map(float, counts), strict=True)), histogram.sum_ns / clock.SECOND

"""A server whose calls are held by workers: what it has one of is here, its calls are with them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from prometheus_client import Metric
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from live.calls import Calls
from live.processes import lines
from live.processes.crew import Crew
from live.processes.forward import ForwardRoutes
from live.processes.sums import Sums
from live.processes.supervisor import Worker
from live.rooms import Context, House

_log = logging.getLogger(__name__)

_TELL_WITHIN_S = 2.0
"""A worker that does not tell its series by then is counted with those it told last."""


@dataclass(frozen=True, slots=True)
class Front(House):
    """A house that holds no calls itself."""

    crew: Crew
    sums: Sums = field(default_factory=Sums)

    @property
    def calls(self) -> Calls:
        """Those of all workers."""
        return self.crew

    def call_routes(self) -> Sequence[web.RouteDef]:
        """What has an address below `/sessions`, to be asked of workers."""
        return ForwardRoutes(self.crew, self.gate.calls).table()

    def contexts(self) -> Sequence[Context]:
        """Who counts what fits on the machine."""
        return [self.crew.watch]

    async def open(self) -> None:
        """Starts the workers, which make themselves ready for calls."""
        await self.crew.start()

    async def warm(self) -> None:
        """Nothing: workers load their parts, and portraits theirs when somebody adds one."""

    def check_warm(self) -> None:
        """Raises `ModelUnavailable` until a worker is ready."""
        self.crew.check_warm()

    async def series(self) -> bytes:
        """Those of this process and of all workers, added up."""
        workers = tuple(self.crew.workers)  # one may go while it is asked
        self.sums.keep(workers)
        for worker, text in zip(workers, await _told(workers), strict=True):
            if text is not None:
                self.sums.note(worker, text)
        return self.sums.text(self.metrics.text().decode())

    async def end_calls(self) -> None:
        """Ends all calls, and then the workers, which finish their recordings."""
        await self.crew.close(self.settings.sessions.shutdown_grace_s)


class CrewSeries(Collector):
    """How many workers there are and were, as Prometheus series."""

    def __init__(self, crew: Crew) -> None:
        """Asks this one."""
        self._crew = crew

    def collect(self) -> Iterator[Metric]:
        """As things are now."""
        yield GaugeMetricFamily(
            "visavis_workers", "Worker processes that are ready for calls.", self._crew.ready()
        )
        yield CounterMetricFamily(
            "visavis_workers_lost", "Worker processes that have died.", self._crew.lost
        )


async def _told(workers: Sequence[Worker]) -> list[str | None]:
    return await asyncio.gather(*(_text_of(worker) for worker in workers))


async def _text_of(worker: Worker) -> str | None:
    deadline = aiohttp.ClientTimeout(total=_TELL_WITHIN_S)
    try:
        async with worker.client.get(lines.METRICS, timeout=deadline) as answer:
            answer.raise_for_status()
            return await answer.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        _log.warning("a worker has told no series", extra={"error": type(error).__name__})
        return None

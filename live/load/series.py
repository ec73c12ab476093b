"""How busy the machine is and how calls are drawn, as Prometheus series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from live.load.costs import Costs


class Load(Protocol):
    """Who knows: one server's balance, or the sum of several processes."""

    @property
    def cores(self) -> float:
        """That may be used."""

    @property
    def costs(self) -> Costs:
        """What was seen at the last looks."""

    def at_steps(self) -> Mapping[str, int]:
        """How many calls are drawn at each step, by its name."""


class LoadSeries(Collector):
    """Made when someone asks."""

    def __init__(self, load: Load) -> None:
        """Asks this one."""
        self._load = load

    def collect(self) -> Iterator[Metric]:
        """What was seen at the last looks."""
        costs = self._load.costs
        yield GaugeMetricFamily(
            "visavis_cores", "Processor cores that may be used.", self._load.cores
        )
        busy = GaugeMetricFamily("visavis_cores_busy", "Cores kept busy, by whom.", labels=["by"])
        busy.add_metric(["server"], costs.own)
        busy.add_metric(["others"], costs.others)
        yield busy
        yield GaugeMetricFamily(
            "visavis_picture_cpu_seconds",
            "Processor time of one picture in full, with all that a call needs beside it.",
            costs.picture_ms / 1000,
        )
        yield GaugeMetricFamily(
            "visavis_picture_turn_seconds",
            "Time for which one picture keeps other calls from drawing.",
            costs.turn_ms / 1000,
        )
        steps = GaugeMetricFamily(
            "visavis_sessions_at_step", "Calls drawn at each step.", labels=["step"]
        )
        for name, calls in self._load.at_steps().items():
            steps.add_metric([name], calls)
        yield steps

"""Prometheus texts of several processes go in, one text of the whole server comes out.

Counts and times of all are added up. What a worker that is gone has counted stays counted, as far
as somebody asked while it was there: a sum that falls would be taken for a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_OWN = frozenset(
    [
        "process_max_fds",
        "process_start_time_seconds",
        "python_info",
        "visavis_cores",
        "visavis_cores_busy",
        "visavis_http_requests",
        "visavis_picture_cpu_seconds",
        "visavis_places",
        "visavis_sessions",
    ]
)
"""What the server's own process tells for all: no worker's part of it says anything."""
_HIGHEST = frozenset(["visavis_picture_turn_seconds"])
"""Of which the worst worker's is told; the server's process draws nothing itself."""
_COUNTED = frozenset(["counter", "histogram"])

_Key = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and labels."""


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    documentation: str
    type: str
    values: Mapping[_Key, float] = field(default_factory=dict)

    def joined(self, values: Mapping[_Key, float], by: Callable[[float, float], float]) -> _Family:
        joined = dict(self.values)
        for key, value in values.items():
            joined[key] = by(joined[key], value) if key in joined else value
        return replace(self, values=joined)

    def metric(self) -> Metric:
        metric = Metric(self.name, self.documentation, self.type)
        for (name, labels), value in self.values.items():
            metric.add_sample(name, dict(labels), value)
        return metric


_Families = Mapping[str, _Family]


class Sums:
    """The series of a server with workers. Belongs to the event loop."""

    def __init__(self) -> None:
        """No worker has told anything yet."""
        self._told: dict[Hashable, _Families] = {}
        self._gone: _Families = {}

    def note(self, worker: Hashable, text: str) -> None:
        """What a worker tells now."""
        self._told[worker] = _read(text)

    def keep(self, workers: Collection[Hashable]) -> None:
        """Only these are there; what the others have counted is kept."""
        for worker in self._told.keys() - set(workers):
            told = self._told.pop(worker).values()
            counted = {one.name: one for one in told if one.type in _COUNTED}
            self._gone = _joined([self._gone, counted])

    def text(self, own: str) -> bytes:
        """All together, with what the server's own process tells."""
        registry = CollectorRegistry()
        others = [
            {name: family for name, family in told.items() if name not in _OWN}
            for told in (self._gone, *self._told.values())
        ]
        mine = {name: one for name, one in _read(own).items() if name not in _HIGHEST}
        registry.register(_Given(_joined([mine, *others])))
        return generate_latest(registry)


class _Given(Collector):
    """Families as they are."""

    def __init__(self, families: _Families) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        return (family.metric() for family in self._families.values())


def _read(text: str) -> _Families:
    return {
        found.name: _Family(
            found.name,
            found.documentation,
            found.type,
            {
                (sample.name, tuple(sorted(sample.labels.items()))): sample.value
                for sample in found.samples
            },
        )
        for found in text_string_to_metric_families(text)
    }


def _joined(all: Iterable[_Families]) -> _Families:
    joined: dict[str, _Family] = {}
    for families in all:
        for name, family in families.items():
            by = max if name in _HIGHEST else float.__add__
            joined[name] = joined[name].joined(family.values, by) if name in joined else family
    return joined

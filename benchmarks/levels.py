"""What was seen of so many calls at once goes in; whether they hold, and why not, comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import spread
from benchmarks.processes import Usage

LEAST_FPS = 25.0
MOST_P95_MS = 150.0
LEAST_FAIRNESS = 0.9
"""Of the fastest call's pictures a second, what the slowest has to get."""
_FULL = 0.95
"""Of a machine's cores: from there on there is nothing left to compute with."""

_TURNS_FULL = 0.8
"""Of the time: one call draws at a time, and the next one has to be woken."""


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds that went by in `took_s` seconds."""

    took_s: float
    server_s: float | None
    """`None`: a server on another machine."""
    callers_s: float
    machine_s: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of each call meanwhile."""

    pictures: Sequence[int]
    """Of each call."""
    ages_ms: Sequence[float]
    """Of the witness's pictures; empty where none has a code."""
    reports: Sequence[Mapping[str, Any]]
    """The server's own, of each call."""
    dropped: Mapping[str, int]
    """By reason, of all calls together."""
    told: Sequence[str]
    """The step that each call was last told of."""
    loop_late_ms: Mapping[str, float] | None = None
    """How late the server's event loop was, as it says itself: p50 and p95."""
    turn_ms: float | None = None
    """For how long a picture keeps other calls from drawing, as it says itself."""


def level(seen: Seen, spent: Spent, server: Usage | None, cores: int) -> dict[str, Any]:
    """The figures of one level."""
    own_s = spent.server_s or 0.0
    others_s = max(0.0, spent.machine_s - own_s - spent.callers_s)
    calls = len(seen.pictures)
    slowest, fastest = min(seen.pictures), max(seen.pictures)
    found = {
        "calls": calls,
        "seconds": round(spent.took_s, 2),
        "fps": {
            "slowest": round(slowest / spent.took_s, 1),
            "fastest": round(fastest / spent.took_s, 1),
            "fairness": round(slowest / max(fastest, 1), 3),
        },
        "age_ms": spread.summary(seen.ages_ms),
        "server_latency_ms": _worst(report.get("latency_ms") for report in seen.reports),
        "dropped": dict(seen.dropped),
        "steps": sorted(seen.told),
        "loop_late_ms": None if seen.loop_late_ms is None else dict(seen.loop_late_ms),
        "turn_ms": None if seen.turn_ms is None else round(seen.turn_ms, 2),
        "turns_percent": _percent(sum(seen.pictures) * (seen.turn_ms or 0) / 1000, spent.took_s),
        "cores": cores,
        "callers_cpu_percent": _percent(spent.callers_s, spent.took_s),
        "caller_cpu_percent_each": round(100 * spent.callers_s / spent.took_s / calls, 1),
        "others_cpu_percent": _percent(others_s, spent.took_s),
        "server_cpu_percent": None,
        "server_cpu_ms_per_picture": None,
    }
    if spent.server_s is not None and server is not None:
        found |= {
            "server_cpu_percent": _percent(own_s, spent.took_s),
            "server_cpu_ms_per_picture": round(1000 * own_s / max(1, sum(seen.pictures)), 2),
            "server_mb": round(server.resident_mb, 1),
            "server_threads": server.threads,
            "server_handles": server.handles,
        }
    return found


def why_broken(found: Mapping[str, Any]) -> str:
    """What does not hold at this level; empty where all does."""
    calls, one_more = found["calls"], 1 / found["seconds"]
    if found["fps"]["slowest"] + one_more < LEAST_FPS:  # a picture may be on its way
        words = f"with {calls} calls the slowest gets {found['fps']['slowest']} pictures a second"
    elif (late := _p95(found)) > MOST_P95_MS:
        words = f"with {calls} calls the p95 of a picture's age is {late:.0f} ms"
    else:
        return ""
    return f"{words}; {_bottleneck(found)}"


def beyond(found: Mapping[str, Any]) -> str:
    """What became of calls that are more than fit, in words."""
    fps, steps = found["fps"], set(found["steps"]) - {"full"}
    fair = fps["fairness"] >= LEAST_FAIRNESS
    share = (
        "all alike" if fair else f"unevenly: the slowest gets {fps['fairness']:.0%} of the fastest"
    )
    if steps:
        how = f"drawn at {', '.join(sorted(steps))}, as they were told,"
    elif why_broken(found):
        how = "drawn at what came of it, without having been told,"
    else:
        how = "drawn in full"
    return f"{how} {share} ({fps['slowest']} to {fps['fastest']} pictures a second)"


def cost_of_one_more(levels: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """What a further call takes, by least squares over the levels; `None` for one level only."""
    calls = [float(found["calls"]) for found in levels]
    return {
        name: _slope(calls, [found.get(key) for found in levels])
        for name, key in (
            ("server_cpu_percent", "server_cpu_percent"),
            ("server_mb", "server_mb"),
            ("server_threads", "server_threads"),
            ("callers_cpu_percent", "callers_cpu_percent"),
        )
    }


def _bottleneck(found: Mapping[str, Any]) -> str:
    own, callers = found["server_cpu_percent"], found["callers_cpu_percent"]
    others, late = found["others_cpu_percent"], found["loop_late_ms"]
    parts = [f"callers {callers} %", f"others {others} %"]
    if own is None:
        return f"the server is elsewhere ({', '.join(parts)} of a core here)"
    busy = own + callers + others
    words = f"server {own} %, {', '.join(parts)} of {found['cores']} cores"
    if found["turns_percent"] >= 100 * _TURNS_FULL:
        return f"calls wait for their turn to draw, {found['turn_ms']} ms a picture ({words})"
    if busy >= 100 * _FULL * found["cores"]:
        return f"the machine's processors are full ({words})"
    if late is not None and late["p95"] > 1000 / LEAST_FPS:
        return f"the server's event loop is {late['p95']:.0f} ms late, p95 ({words})"
    return f"though processors are free ({words}): pictures wait for each other"


def _p95(found: Mapping[str, Any]) -> float:
    """Of a picture's age as the witness saw it, or else as the server says."""
    age = found["age_ms"] or found["server_latency_ms"]
    return float("inf") if age is None else float(age["p95"])


def _worst(latencies: Iterable[Mapping[str, float] | None]) -> dict[str, float] | None:
    known = [one for one in latencies if one]
    return {key: max(one[key] for one in known) for key in ("p50", "p95")} if known else None


def _percent(cpu_s: float, took_s: float) -> int:
    return round(100 * cpu_s / took_s)


def _slope(at: Sequence[float], found: Sequence[float | None]) -> float | None:
    points = [(x, y) for x, y in zip(at, found, strict=True) if y is not None]
    if len(points) < 2:
        return None
    x_mean = sum(x for x, _ in points) / len(points)
    y_mean = sum(y for _, y in points) / len(points)
    over = sum((x - x_mean) * (y - y_mean) for x, y in points)
    return round(over / sum((x - x_mean) ** 2 for x, _ in points), 1)

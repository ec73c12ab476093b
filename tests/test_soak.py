"""What a soak calls broken; the calls themselves are real ones, and no test's."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from benchmarks.soaking.limits import Limits, Look, broken, held, series, slope_per_hour
from benchmarks.soaking.steps import Broken, Callers

VALUES = {
    "memory_mb": 400.0,
    "tasks": 3,
    "threads": 10,
    "handles": 11,
    "temp_files": 1,
    "delay_ms": 25.0,
}


def looks(*changes: dict[str, float]) -> list[Look]:
    return [
        Look(at_s=360.0 * count, step=40 * count, values={**VALUES, **change})
        for count, change in enumerate(changes)
    ]


def test_what_stays_or_shrinks_is_no_leak() -> None:
    assert broken(looks({}), Limits()) == ""
    assert broken(looks({}, {"memory_mb": 460, "threads": 13}, {"tasks": 2}), Limits()) == ""


@pytest.mark.parametrize(
    "change",
    [{"memory_mb": 465}, {"tasks": 4}, {"threads": 15}, {"handles": 16}, {"temp_files": 2}],
)
def test_what_grows_beyond_its_limit_is_named(change: dict[str, float]) -> None:
    (name, value) = next(iter(change.items()))
    said = broken(looks({}, {}, change), Limits())
    assert said.startswith(f"{name}: {VALUES[name]:g} became {value:g}")


def test_several_processes_may_hold_more_and_leave_no_more_tasks() -> None:
    both = looks({}, {"memory_mb": 500, "threads": 17, "handles": 18})
    assert broken(both, Limits())
    assert broken(both, Limits().times(2)) == ""
    assert broken(looks({}, {"tasks": 4}), Limits().times(2)).startswith("tasks")


def test_delay_counts_when_it_stays_up() -> None:
    late = {"delay_ms": 50.0}
    assert broken(looks({}, {}, {}, {}, {}, late), Limits()) == ""  # one call of one moment
    assert broken(looks({}, {}, {}, late, late, late), Limits()).startswith("delay_ms: 25.0 became")
    assert broken(looks({}, late, late), Limits()) == ""  # too few to say


def test_growth_is_told_with_its_error() -> None:
    steady = slope_per_hour(looks(*({"memory_mb": 400.0 + 2 * n} for n in range(6))), "memory_mb")
    assert steady == {"an_hour": 20.0, "standard_error": 0.0}
    assert slope_per_hour(looks({}, {}, {}), "memory_mb") is None


def test_what_a_process_holds_is_read(tmp_path: Path) -> None:
    (tmp_path / "left").mkdir()
    (tmp_path / "left/over").write_bytes(b"")
    metrics = "# HELP visavis_tasks Tasks.\nvisavis_tasks 4.0\nvisavis_tasks_created 1.0\n"
    found = held(os.getpid(), metrics, tmp_path)
    assert (found["tasks"], found["temp_files"]) == (4, 2)
    assert min(found["memory_mb"], found["threads"], found["handles"]) > 0
    with pytest.raises(ValueError, match="no series visavis_threads"):
        series(metrics, "visavis_threads")


def test_steps_are_those_of_their_seed_and_what_is_wrong_ends_them() -> None:
    async def steps(status: int, count: int) -> list[str]:
        async def refuse(_: web.Request) -> web.Response:
            return web.Response(status=status)

        application = web.Application()
        application.add_routes([web.post("/sessions", refuse)])
        async with TestServer(application) as server, ClientSession() as http:
            address = str(server.make_url("")).rstrip("/")
            callers = Callers(http, address, [b""], seed=5, most=2)
            return [await callers.step() for _ in range(count)]

    once, again = (asyncio.run(steps(503, 4)) for _ in range(2))
    assert once == again
    with pytest.raises(Broken, match="answered with 500"):
        asyncio.run(steps(500, 4))

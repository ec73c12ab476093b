"""Every network on a real card: what `visavis doctor --gpu` examines, and what only tests can.

Skipped where there is no card. Nothing here has run on one yet.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines import random_inputs
from engines.backends import onnxruntime
from engines.backends.tensorrt import TensorrtBackend
from engines.backends.tensorrt.cache import EngineCache
from engines.backends.tensorrt.examination import Subject, examine, ready
from engines.backends.tensorrt.network import TensorRtNetwork
from engines.errors import EngineError
from engines.weights import default_folder
from live.commands import gpu_report
from tests.exported_sets import ExportedSets

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(3600)]

SETS = ("tiny", "compact", "official")


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> TensorrtBackend:
    made = TensorrtBackend(EngineCache(tmp_path_factory.mktemp("engines")))
    found = made.examine()
    if not found.usable:
        pytest.skip(f"no card to run on: {found.trouble}")
    return made


@pytest.fixture(params=["here", *SETS])
def subjects(
    request: pytest.FixtureRequest, backend: TensorrtBackend, tmp_path: Path
) -> list[Subject]:
    """The speech network and the user's own sets, or one of random weights."""
    if request.param == "here":
        return list(gpu_report.subjects(default_folder(), []))
    exported: ExportedSets = request.getfixturevalue("exported_sets")
    (tmp_path / "set").symlink_to(exported(request.param))
    return list(gpu_report.subjects(tmp_path, []))[1:]


def test_every_check_of_the_report_passes(
    backend: TensorrtBackend, subjects: list[Subject]
) -> None:
    """Parity per precision, latency, sessions at 30 fps, memory over 10,000 frames, full device."""
    for subject in subjects:
        for check in examine(backend, subject, frames=10_000, say=lambda what: None):
            assert check.ok, (subject.spec.name, check)


@pytest.fixture
def speech(backend: TensorrtBackend) -> Iterator[tuple[TensorRtNetwork, dict[str, Any]]]:
    spec = next(gpu_report.subjects(Path("nowhere"), [])).spec
    network = backend(spec)
    assert isinstance(network, TensorRtNetwork)
    with closing(network):
        yield network, random_inputs.draw(spec.inputs, np.random.default_rng(5))


def test_the_second_load_builds_nothing(
    backend: TensorrtBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = next(gpu_report.subjects(Path("nowhere"), [])).spec
    backend(spec).close()

    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr("engines.backends.tensorrt.build.build", never)
    backend(spec).close()


def test_frames_are_replayed_as_graphs(
    speech: tuple[TensorRtNetwork, dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    network, given = speech
    with caplog.at_level(logging.WARNING), ready(network, (), given) as call:
        first = call()
        for _ in range(20):
            again = call()
    assert not [text for text in caplog.messages if "without CUDA graphs" in text]
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one, other)


def test_sessions_never_get_each_others_frames(
    speech: tuple[TensorRtNetwork, dict[str, Any]],
) -> None:
    network, given = speech
    wrong: list[int] = []

    def session(which: int) -> None:
        mine = {name: array + np.float32(which / 10) for name, array in given.items()}
        bound = tuple(mine)[1:]
        expected = reference(*mine.values())
        with ready(network, bound, mine) as call:
            for frame in range(200):
                got = call()
                if not all(
                    np.abs(one - other).max() < 1e-2
                    for one, other in zip(got, expected, strict=True)
                ):
                    wrong.append(frame)

    with closing(onnxruntime.load(next(gpu_report.subjects(Path("nowhere"), [])).reference)) as of:
        reference = of
        threads = [threading.Thread(target=session, args=(which,)) for which in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive()
    assert wrong == []


def test_what_does_not_fit_is_refused_and_the_next_call_works(
    speech: tuple[TensorRtNetwork, dict[str, Any]],
) -> None:
    network, given = speech
    expected = network(*given.values())
    bad = [array.copy() for array in given.values()]
    bad[0].flat[0] = np.nan
    with pytest.raises(EngineError, match="of finite numbers only"):
        network(*bad)
    for one, other in zip(expected, network(*given.values()), strict=True):
        assert np.array_equal(one, other)


def test_memory_comes_back_when_all_is_closed(
    speech: tuple[TensorRtNetwork, dict[str, Any]],
) -> None:
    network, given = speech
    claimed = network.memory.claimed
    with ExitStack() as opened:
        for _ in range(4):
            opened.enter_context(ready(network, tuple(given)[1:], given))()
        assert network.memory.claimed > claimed
    # One lane stays, for the next session.
    network.close()
    assert network.memory.claimed <= claimed

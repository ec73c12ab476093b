"""The order of the tests, tones first and a browser last, and fixtures that several files share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exported_sets import exported_sets

__all__ = ["exported_sets"]


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys, records and logs of the tests are made in a folder of theirs, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


_EXPORTING_S = 900
"""Whichever test asks first for a set waits until it is made."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Playwright keeps an event loop in the main thread for as long as its browser is open, and
    no other can run there meanwhile."""
    for item in items:
        exporting = "exported_sets" in getattr(item, "fixturenames", ())
        if exporting and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_EXPORTING_S))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """Tones of a call are measured first: after thousands of other tests they come out 2 % low."""
    if "browser" in item.keywords:
        return 2
    return 0 if item.path.name == "test_skinned_calls.py" else 1

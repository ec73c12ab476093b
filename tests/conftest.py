"""The order of the tests, tones first and a browser last, and fixtures that several files share."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

from tests.exported_sets import exported_sets

# How long an example takes says more about the machine than about us.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

__all__ = ["exported_sets"]


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys, records and logs of the tests are made in a folder of theirs, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("VISAVIS_SESSIONS__PROCESSES", "1")  # several are for tests about them
        yield


_EXPORTING_S = 900
"""Whichever test asks first for a set waits until it is made."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser comes last: Playwright keeps an event loop in the main thread for as long as its
    browser is open, and no other can run there meanwhile."""
    exporting = {item.path for item in items if _exports(item)}
    for item in items:
        if _exports(item) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_EXPORTING_S))
        # Files go to the processes whole; those that need the same sets, to the same one.
        group = "exported sets" if item.path in exporting else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_turn)


def _exports(item: pytest.Item) -> bool:
    return "exported_sets" in getattr(item, "fixturenames", ())


def _turn(item: pytest.Item) -> int:
    """Tones of a call are measured first: after thousands of other tests they come out 2 % low."""
    if "browser" in item.keywords:
        return 2
    return 0 if item.path.name == "test_skinned_calls.py" else 1

"""The order of the tests, those in a browser last, and fixtures that several files share."""

from __future__ import annotations

import pytest

from tests.exported_sets import exported_sets

__all__ = ["exported_sets"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Playwright keeps an event loop in the main thread for as long as its browser is open, and
    no other can run there meanwhile."""
    items.sort(key=lambda item: "browser" in item.keywords)

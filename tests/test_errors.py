from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from live import errors
from live.errors import VisavisError


def subclasses(error: type[VisavisError]) -> Iterator[type[VisavisError]]:
    for each in error.__subclasses__():
        if each.__module__ in ("live.errors", "engines.errors"):
            yield each
            yield from subclasses(each)


def drawn() -> dict[str, tuple[int, int, bool]]:
    """Each name of the drawing with its depth, status and whether it is worth a retry."""
    found = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"([│├└─ ]*)(\w+) +(\d{3})(?: +\(.*\))?( +retry)?$", line)
        if match:
            lead, name, status, retry = match.groups()
            found[name] = (len(lead) // 4, int(status), bool(retry))
    return found


def test_the_drawing_is_the_tree() -> None:
    every: list[type[VisavisError]] = [VisavisError, *subclasses(VisavisError)]
    tree = {
        each.__name__: (
            len(inspect.getmro(each)) - len(inspect.getmro(VisavisError)),
            each.status,
            each.retryable,
        )
        for each in every
    }
    assert drawn() == tree


def test_all_of_the_tree_is_exported() -> None:
    names = {"VisavisError", *(each.__name__ for each in subclasses(VisavisError))}
    assert set(errors.__all__) == names


def test_every_error_says_what_it_is_for() -> None:
    for each in subclasses(VisavisError):
        assert each.__doc__

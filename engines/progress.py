"""How far a long piece of work is, on stderr: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

_REPORT_EVERY_S = 5.0


class Progress:
    """Tells how far it is; to be used as a context, in one thread."""

    def __init__(
        self,
        what: str,
        total: float | None = None,
        *,
        unit: str = "B",
        doing: str = "fetching",
        done: str = "fetched",
    ) -> None:
        """`total`: how much there is to do, if known; `unit`: `B` for bytes, `%` for a share."""
        self._what = what
        self._doing, self._done, self._unit = doing, done, unit
        self._bar = _bar(what, total, unit) if sys.stderr.isatty() else None
        self._next_line = time.monotonic() + _REPORT_EVERY_S

    def __enter__(self) -> Progress:
        """Says that it begins."""
        if self._bar is None:
            self._line(self._doing)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Says how it ended."""
        if self._bar is not None:
            self._bar.close()
        else:
            self._line("failed" if kind else self._done)

    def reached(self, amount: float) -> None:
        """So much is done so far."""
        if self._bar is not None:
            self._bar.update(amount - self._bar.n)
        elif time.monotonic() >= self._next_line:
            self._next_line += _REPORT_EVERY_S
            told = f"{amount / 1e6:.1f} MB" if self._unit == "B" else f"{amount:.0f} {self._unit}"
            self._line(f"{told} so far")

    def _line(self, state: str) -> None:
        sys.stderr.write(f"{self._what}: {state}\n")
        sys.stderr.flush()


def _bar(what: str, total: float | None, unit: str) -> tqdm[Any]:
    # Every process of a server comes by here, and next to none shows a bar: 50 ms of its start.
    from tqdm import tqdm  # noqa: PLC0415

    return tqdm(desc=what, total=total, unit=unit, unit_scale=unit == "B", leave=False)

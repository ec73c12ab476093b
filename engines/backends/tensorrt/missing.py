"""What is missing on this machine, as an error that can be told in two parts."""

from __future__ import annotations

from engines.errors import BackendUnavailable


class Missing(BackendUnavailable):
    """A package, driver or device that is not there or not good enough."""

    def __init__(self, trouble: str, mend: str) -> None:
        """What is wrong, and what to do about it."""
        super().__init__(f"{trouble}; {mend}")
        self.trouble = trouble
        self.mend = mend

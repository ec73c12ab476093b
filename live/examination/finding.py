"""What one look at the machine found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    found: str
    mend: str = ""
    """What to do; never empty where `ok` is false. Where it is true: how to come by something that
    is not here and not needed either."""

"""Drivers' names go in, the modes that a consent has to cover come out."""

from __future__ import annotations

from live.consent.record import Mode

_MODES = {
    "face": frozenset({Mode.FACE}),
    "implicit": frozenset({Mode.FACE}),
    "speech": frozenset({Mode.SPEECH}),
}
_EITHER = frozenset({Mode.FACE, Mode.SPEECH})
"""Of `auto`, which changes between the two, and of drivers that others have installed."""

SAID = frozenset({Mode.SPEECH})
"""Of an utterance, whichever driver is at work."""


def modes_of(driver: str) -> frozenset[Mode]:
    """What being driven by it takes."""
    return _MODES.get(driver, _EITHER)

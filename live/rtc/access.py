"""The only way to aiortc's private attributes, so that each use of one can be found."""

from __future__ import annotations

from typing import Any

from aiortc import RTCRtpReceiver, RTCRtpSender


def private(thing: RTCRtpReceiver | RTCRtpSender, name: str) -> Any:
    """The value of aiortc's `self.__name`."""
    return getattr(thing, _mangled(thing, name))


def set_private(thing: RTCRtpReceiver | RTCRtpSender, name: str, value: object) -> None:
    """Sets aiortc's `self.__name`, which has to be there."""
    private(thing, name)
    setattr(thing, _mangled(thing, name), value)


def _mangled(thing: RTCRtpReceiver | RTCRtpSender, name: str) -> str:
    owner = "RTCRtpReceiver" if isinstance(thing, RTCRtpReceiver) else "RTCRtpSender"
    return f"_{owner}__{name}"

"""Messages and settings from outside in, checked values out; and messages of ours as text.

Whatever comes in, these functions return or raise an error of `live.errors`, and no error repeats
what came in.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engines.types import Backdrop, BackdropKind
from engines.voice_skins.changes import NO_SKIN, SKINS
from live.errors import BadRequest, TooLarge, Unprocessable, UnusableText

CHANNEL = "visavis.v1"
"""The data channel's label."""
LONGEST_MESSAGE = 64_000

FAREWELLS = {
    "shutdown": "the server is being shut down; call again in a moment",
    "avatar_removed": "this avatar was removed; choose another one",
    "token_revoked": "the access token of this call was revoked",
    "failed": "a part of the server has failed; call again",
}
"""Reasons for which we end a call, and what its client is told before it ends."""

_LONGEST_REF = 64
_SETTINGS = {
    "avatar",
    "driver",
    "background",
    "mirror",
    "calibrate",
    "voice",
    "liveliness",
    "skin",
    "sound",
}
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a pong with the same time in it."""

    time: float


@dataclass(frozen=True, slots=True)
class SettingsMessage:
    """Asks for a change of the running call."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SayMessage:
    """Asks for a text to be said."""

    values: Mapping[str, Any]
    ref: str | None
    """The client's own word for it, given back in the answer."""


@dataclass(frozen=True, slots=True)
class InterruptMessage:
    """Asks for silence."""


Message = Ping | SettingsMessage | SayMessage | InterruptMessage


def parse_message(data: str | bytes) -> Message | None:
    """One data-channel message; `None`: of a type that we ignore. Raises `BadRequest`."""
    if len(data) > LONGEST_MESSAGE:
        raise TooLarge(f"a message may have {LONGEST_MESSAGE} bytes at most")
    message = _object(data)
    if not isinstance(message.get("type"), str):
        raise BadRequest('a message is a JSON object with a text "type"')
    match message["type"]:
        case "ping":
            time = message.get("time")
            if isinstance(time, bool) or not isinstance(time, int | float) or not _finite(time):
                raise BadRequest('a ping carries its time as a number: {"type": "ping", "time": 1}')
            return Ping(time)
        case "settings":
            return SettingsMessage({k: v for k, v in message.items() if k != "type"})
        case "say":
            ref = message.get("ref")
            if ref is not None and (not isinstance(ref, str) or len(ref) > _LONGEST_REF):
                raise BadRequest(f"'ref' is a text of {_LONGEST_REF} characters at most")
            values = {k: v for k, v in message.items() if k not in ("type", "ref")}
            return SayMessage(values, ref)
        case "interrupt":
            return InterruptMessage()
    return None


def _object(data: str | bytes) -> dict[str, Any]:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the message is no JSON") from error
    if not isinstance(message, dict):
        raise BadRequest("a message is a JSON object")
    return message


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def to_message(type: str, **values: Any) -> str:
    """A data-channel message as text."""
    return json.dumps({"type": type, **values}, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Say:
    """What is to be said, and how; `None`: as the call's settings have it."""

    text: str
    voice: str | None = None
    language: str | None = None
    pace: float | None = None


def parse_say(values: Mapping[str, Any]) -> Say:
    """Checks what a `say` asks for; raises `Unprocessable`, `UnusableText`."""
    _check_keys(values, {"text", "voice", "language", "pace"}, "member")
    _check_texts(values, "text", "voice", "language")
    text, pace = values.get("text"), values.get("pace")
    if text is None:
        raise Unprocessable('say what: {"text": "Hello."}')
    if pace is not None and (isinstance(pace, bool) or not isinstance(pace, int | float)):
        raise Unprocessable("'pace' is a number; 1 is usual")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UnusableText("the text has halves of characters in it; send valid Unicode")
    return Say(text, values.get("voice"), values.get("language"), pace)


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """What the chunks of a speech stream are."""

    rate: int
    """Samples a second."""
    floats: bool
    """32-bit floats (`f32le`), otherwise 16-bit integers (`s16le`)."""


@dataclass(frozen=True, slots=True)
class EndOfSpeech:
    """No more chunks come to this utterance."""


def parse_speech(data: str) -> SoundFormat | EndOfSpeech | InterruptMessage:
    """One text message of a speech stream; raises `BadRequest`, `Unprocessable`."""
    message = _object(data)
    if message.get("end") is True:
        return EndOfSpeech()
    if message.get("interrupt") is True:
        return InterruptMessage()
    rate, form = message.get("rate"), message.get("format")
    if isinstance(rate, bool) or not isinstance(rate, int) or form not in ("s16le", "f32le"):
        raise Unprocessable(
            'begin with {"rate": 24000, "format": "s16le"} (or "f32le"), send chunks, then'
            ' {"end": true}; {"interrupt": true} makes silence'
        )
    return SoundFormat(rate, form == "f32le")


@dataclass(frozen=True, slots=True)
class CallChange:
    """What is to change in a running call; `None` leaves a thing as it is."""

    avatar: str | None = None
    driver: str | None = None
    backdrop: Backdrop | None = None
    mirror: bool | None = None
    calibrate: bool = False
    voice: str | None = None
    liveliness: float | None = None
    skin: str | None = None
    """Of the peer's own voice."""
    sound: bool | None = None
    """Whether the call's sound is sent to this peer."""


def parse_settings(values: Mapping[str, Any]) -> CallChange:
    """Checks a `settings` message or a `PATCH` body; raises `Unprocessable`."""
    _check_keys(values, _SETTINGS, "setting")
    _check_texts(values, "avatar", "driver", "voice")
    for key in ("mirror", "calibrate", "sound"):
        if not isinstance(values.get(key, False), bool):
            raise Unprocessable(f"{key!r} is true or false")
    liveliness = values.get("liveliness")
    if liveliness is not None and not _is_share(liveliness):
        raise Unprocessable("'liveliness' is a number of 0…1: 0 is still, 1 is lively")
    if values.get("skin", NO_SKIN) not in SKINS:
        raise Unprocessable(f"'skin' is one of {', '.join(SKINS)}")
    background = values.get("background")
    return CallChange(
        avatar=values.get("avatar"),
        driver=values.get("driver"),
        backdrop=None if background is None else _backdrop(background),
        mirror=values.get("mirror"),
        calibrate=values.get("calibrate", False),
        voice=values.get("voice"),
        liveliness=liveliness,
        skin=values.get("skin"),
        sound=values.get("sound"),
    )


def _check_keys(values: Mapping[str, Any], known: set[str], what: str) -> None:
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0)[0]
            raise Unprocessable(f"unknown {what}; the nearest known one is {near!r}")


def _check_texts(values: Mapping[str, Any], *keys: str) -> None:
    for key in keys:
        if not isinstance(values.get(key, ""), str):
            raise Unprocessable(f"{key!r} is a text")


def _is_share(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= 1  # type: ignore[operator]  # checked


def _backdrop(value: object) -> Backdrop:
    if isinstance(value, str):
        if value in ("keep", "blur", "colour", "green"):
            return Backdrop(BackdropKind(value))
        if _COLOUR.fullmatch(value):
            red, green, blue = bytes.fromhex(value[1:])
            return Backdrop(BackdropKind.COLOUR, (red, green, blue))
    raise Unprocessable("'background' is keep, blur, colour, green or a colour such as #203040")

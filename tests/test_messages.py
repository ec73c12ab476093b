"""Messages and settings are read or refused with an error of ours, never more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.types import Backdrop, BackdropKind
from live import messages
from live.errors import BadRequest, TooLarge, Unprocessable, UnusableText, VisavisError
from tests.test_wire import refused


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ({"type": "ping", "time": 12.5}, messages.Ping(12.5)),
        ({"type": "settings", "mirror": True}, messages.SettingsMessage({"mirror": True})),
        ({"type": "say", "text": "hello"}, messages.SayMessage({"text": "hello"}, None)),
        ({"type": "say", "ref": "a", "x": 1}, messages.SayMessage({"x": 1}, "a")),
        ({"type": "interrupt", "x": 1}, messages.InterruptMessage()),
        ({"type": "from the future", "x": 1}, None),
    ],
)
def test_messages(message: dict[str, object], read: object) -> None:
    assert messages.parse_message(json.dumps(message)) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        "{}",
        '{"type": 1}',
        '{"type": "ping"}',
        '{"type": "ping", "time": "1"}',
        '{"type": "ping", "time": NaN}',
        '{"type": "ping", "time": true}',
        '{"type": "ping", "time": 1' + "0" * 400 + "}",
        '{"type": "say", "ref": 1}',
        '{"type": "say", "ref": "' + "x" * 65 + '"}',
        "[" * 60_000,
    ],
)
def test_messages_that_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        messages.parse_message(text)


def test_a_message_too_long() -> None:
    with pytest.raises(TooLarge):
        messages.parse_message(" " * 70_000)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_any_bytes_as_a_message(data: bytes | str) -> None:
    assert refused(lambda: messages.parse_message(data)) in (None, 400)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = (
    st.sampled_from(
        ["avatar", "driver", "background", "mirror", "calibrate", "voice", "liveliness", "sound"]
    )
    | st.text()
)


@given(st.dictionaries(KEYS, JSON, max_size=4))
def test_any_settings(values: dict[str, object]) -> None:
    try:
        change = messages.parse_settings(values)
    except Unprocessable:
        return
    assert change.avatar is None or isinstance(change.avatar, str)
    assert isinstance(change.calibrate, bool)
    assert change.liveliness is None or 0 <= change.liveliness <= 1


def test_settings() -> None:
    assert messages.parse_settings({}) == messages.CallChange()
    assert messages.parse_settings(
        {"avatar": "leo", "driver": "face", "background": "#102030", "mirror": False}
    ) == messages.CallChange("leo", "face", Backdrop(BackdropKind.COLOUR, (16, 32, 48)), False)
    for name in ("keep", "blur", "colour", "green"):
        backdrop = messages.parse_settings({"background": name}).backdrop
        assert backdrop is not None
        assert backdrop.kind == name


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(Unprocessable, match="'background'"):
        messages.parse_settings({"backgroud": "blur"})


def test_a_voice_and_liveliness() -> None:
    change = messages.parse_settings({"voice": "hibari", "liveliness": 0.25})
    assert (change.voice, change.liveliness) == ("hibari", 0.25)
    for values in ({"voice": 1}, {"liveliness": 1.1}, {"liveliness": True}, {"liveliness": "x"}):
        with pytest.raises(Unprocessable):
            messages.parse_settings(values)


def test_what_is_to_be_said() -> None:
    assert messages.parse_say({"text": "hello"}) == messages.Say("hello")
    values = {"text": "Grüße", "voice": "espeak", "language": "de", "pace": 1.5}
    assert messages.parse_say(values) == messages.Say("Grüße", "espeak", "de", 1.5)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({}, Unprocessable),
        ({"text": 1}, Unprocessable),
        ({"text": None}, Unprocessable),
        ({"text": "hello", "voice": 1}, Unprocessable),
        ({"text": "hello", "language": []}, Unprocessable),
        ({"text": "hello", "pace": "quick"}, Unprocessable),
        ({"text": "hello", "pace": True}, Unprocessable),
        ({"text": "hello", "txet": ""}, Unprocessable),
        ({"text": "half \ud800 one"}, UnusableText),
    ],
)
def test_what_cannot_be_said(values: dict[str, Any], error: type[VisavisError]) -> None:
    with pytest.raises(error):
        messages.parse_say(values)


@given(st.dictionaries(st.sampled_from(["text", "voice", "language", "pace"]), JSON))
def test_anything_to_be_said(values: dict[str, Any]) -> None:
    if refused(lambda: messages.parse_say(values)) is None:
        say = messages.parse_say(values)
        say.text.encode()
        assert say.pace is None or isinstance(say.pace, int | float)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('{"rate": 24000, "format": "s16le"}', messages.SoundFormat(24_000, False)),
        ('{"rate": 8000, "format": "f32le"}', messages.SoundFormat(8_000, True)),
        ('{"end": true}', messages.EndOfSpeech()),
        ('{"interrupt": true}', messages.InterruptMessage()),
    ],
)
def test_a_speech_streams_messages(text: str, read: object) -> None:
    assert messages.parse_speech(text) == read


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"rate": 8000}', '{"rate": true, "format": "s16le"}', '{"end": 1}'],
)
def test_a_speech_streams_messages_that_are_refused(text: str) -> None:
    assert refused(lambda: messages.parse_speech(text)) in (400, 422)


@given(st.text(max_size=200) | st.recursive(JSON, st.lists).map(json.dumps))
def test_any_text_in_a_speech_stream(text: str) -> None:
    assert refused(lambda: messages.parse_speech(text)) in (None, 400, 422)


def test_no_error_repeats_what_came_in() -> None:
    secret = "Zaphod Beeblebrox"
    for read in (
        lambda: messages.parse_message(secret),
        lambda: messages.parse_settings({secret: 1}),
        lambda: messages.parse_settings({"background": secret}),
        lambda: messages.parse_say({secret: 1}),
        lambda: messages.parse_say({"text": secret + "\ud800"}),
        lambda: messages.parse_speech(secret),
    ):
        with pytest.raises(VisavisError) as raised:
            read()
        assert "Zaphod" not in str(raised.value)


def test_messages_out_are_plain_json() -> None:
    assert json.loads(messages.to_message("pong", time=1.5)) == {"type": "pong", "time": 1.5}
    with pytest.raises(ValueError, match="JSON"):
        messages.to_message("stats", fps=float("nan"))

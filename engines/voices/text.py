"""What a client wants said goes in, what a voice can be given comes out, or a refusal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from engines.errors import UnusableText
from engines.types import Voice

LONGEST = 10_000
"""Characters of one text."""
_NAMED = 12
SLOWEST, FASTEST = 0.5, 2.0
ANY_LANGUAGE = "mul"
"""The tag of a voice that is not particular (ISO 639-2: "multiple languages")."""
_MARKUP = re.compile(
    r"<\?xml|</?(?:speak|audio|break|desc|emphasis|lang|mark|p|phoneme|prosody|s|say-as|sub|token|voice|w)"
    r"(?:\s[^<>]{0,500})?/?>",
    re.IGNORECASE,
)
_STRAY_JOINERS = re.compile(r"(?:^|(?<=\s))[\u200c\u200d]+")
"""Left over from emoji; within words they shape letters in Persian and in the scripts of India."""


def check(text: str, *, language: str, pace: float, voice: Voice) -> str:
    """The one of the voice's languages to say it in; raises `UnusableText` where that cannot be."""
    if not any(map(str.isalnum, text)):
        raise UnusableText(
            "there is nothing to say: the text has no letter and no digit; send some"
        )
    if len(text) > LONGEST:
        raise UnusableText(f"the text has {len(text)} characters; send at most {LONGEST} at once")
    if _MARKUP.search(text):
        raise UnusableText(
            "the text has SSML in it, which is not read; send plain text: full stops, commas and"
            " line breaks make the pauses"
        )
    if not SLOWEST <= pace <= FASTEST:
        raise UnusableText(f"the pace must be between {SLOWEST} and {FASTEST:g}; 1 is usual")
    found = nearest_language(language, voice.languages) if language else voice.languages[0]
    if found is None:
        more = ", …" if len(voice.languages) > _NAMED else ""
        raise UnusableText(
            f"the voice {voice.name} does not speak {language[:35]!r}; choose another voice or"
            f" one of its languages: {', '.join(voice.languages[:_NAMED])}{more}"
        )
    return found


def nearest_language(wanted: str, languages: Sequence[str]) -> str | None:
    """The language that is meant: the tag itself, a more special or a more general one.

    That is RFC 4647's lookup, whose every step also takes a tag that begins so: `en` finds `en-US`,
    `de-AT` finds `de`, `en-NZ` finds the first of the kinds of English.
    """
    if ANY_LANGUAGE in languages:
        return wanted
    tags = {tag.casefold(): tag for tag in reversed(languages)}
    parts = wanted.casefold().replace("_", "-").split("-")
    for length in range(len(parts), 0, -1):
        prefix = "-".join(parts[:length])
        if prefix in tags:
            return tags[prefix]
        for tag in languages:
            if tag.casefold().startswith(f"{prefix}-"):
                return tag
    return None


def plain(text: str) -> str:
    """Without what cannot be said: control characters, emoji, other pictures."""
    kept = "".join(map(_plain, unicodedata.normalize("NFC", text)))
    return _STRAY_JOINERS.sub("", kept)


def _plain(character: str) -> str:
    if character in "\n\u200c\u200d" or (character.isascii() and character.isprintable()):
        return character
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp", "Zs"):
        return " "
    return "" if category[0] == "C" or _is_picture(character) else character


def _is_picture(character: str) -> bool:
    """Emoji, dingbats, arrows, drawn boxes and the selectors that colour them."""
    return (
        "\u2190" <= character <= "\u21ff"
        or "\u2300" <= character <= "\u27bf"
        or "\u2b00" <= character <= "\u2bff"
        or "\ufe00" <= character <= "\ufe0f"
        or "\U0001f000" <= character <= "\U0001faff"
    )

"""English as it is written goes in, English as it is said comes out.

Times, dates, units, abbreviations, Roman numerals and symbols are read by hibari-tts
(`hibari.g2p.normalize`); here stands what that leaves alone or reads otherwise than people do.
"""

from __future__ import annotations

import re

from hibari.g2p.normalize import normalize

_NUMBER = r"\d{1,3}(?:,\d{3}){1,4}|\d{1,15}"
_LARGE = r"(?!\s?(?:hundred|thousand|million|billion|trillion|[kKmMbB]\b))"
_LINK = re.compile(r"\[([^\[\]]{1,200})\]\([^()\s]{0,500}\)")
_MARKDOWN = re.compile(r"(?m)^[ \t]{0,3}(?:#{1,6}|[-*•>])[ \t]+|\*\*|__|`+")
_EMAIL = re.compile(r"(?<![\w.+-])([\w.+-]{1,64})@([\w-]{1,63}(?:\.[\w-]{1,63}){1,5})")
_ADDRESS = re.compile(
    r"(?<![\w@.-])(?:https?://(?:www\.)?|www\.)?"
    r"((?:[\w-]{1,63}\.){1,5}[a-z]{2,24})(?::\d{1,5})?((?:/[^\s/?#\"”<>]{0,100}){0,9})"
    r"(?:[?#][^\s\"”<>]{0,500})?"
)
_DOMAINS = frozenset(
    ("com", "org", "net", "edu", "gov", "io", "dev", "app", "ai", "eu", "uk", "de", "fr", "us")
)
_PHONE = re.compile(
    r"(?<![\w.,-])(?:\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}"
    r"|\d{3}-\d{4}|0\d{2,4}[ -]\d{3,4}(?:[ -]?\d{3,4})?)(?![\w-]|[.,]\d)"
)
_MONEY = re.compile(rf"(?<![\w.])(?:US)?([$£€])\s?({_NUMBER})(?:\.(\d\d))?(?![.,]?\d){_LARGE}")
_MONEY_AFTER = re.compile(rf"(?<![\w.,$£€])({_NUMBER})(?:\.(\d\d))?\s?([$£€])(?!\w)")
_COINS = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
}
_HALVES = {"½": "a half", "¼": "a quarter", "¾": "three quarters"}
_MIXED = re.compile(r"(\d?)\s?([½¼¾])")
_LONG_NUMBER = re.compile(r"\d[\d,]{15,}")
_LONG_WORD = re.compile(r"\S{31,}")
_RUNS = re.compile(r"[^\W\d_]+|\d+|[^\w\s]+")
"""What a word of many signs falls apart into; dictionaries take minutes over it as a whole."""
_ROUND_THE_CLOCK = re.compile(r"\b24/7\b")


def in_words(text: str) -> str:
    """The text with nothing in it that has to be read otherwise than it is spelt, as far as known.

    Plain numbers, initialisms and percent signs stay: every English voice reads them.
    """
    text = _MARKDOWN.sub("", _LINK.sub(r"\1", text))
    text = _EMAIL.sub(lambda found: f"{_spelt(found[1])} at {_spelt(found[2])}", text)
    text = _ADDRESS.sub(_address, text)
    text = _PHONE.sub(_digits, text)
    text = _MONEY.sub(lambda found: _money(found[1], found[2], found[3]), text)
    text = _MONEY_AFTER.sub(lambda found: _money(found[3], found[1], found[2]), text)
    text = _ROUND_THE_CLOCK.sub("twenty-four seven", text)
    text = _MIXED.sub(_mixed, text)
    text = _LONG_NUMBER.sub(lambda found: " ".join(re.findall(r"\d", found[0])), text)
    said: str = normalize(text)
    return _LONG_WORD.sub(lambda found: " ".join(_RUNS.findall(found[0])), said)


def _spelt(name: str) -> str:
    """A host's or a mailbox's name: dots and dashes by name, short endings by letter."""
    *front, last = name.split(".")
    last = " ".join(last.upper()) if len(last) == 2 and front else last
    words = " dot ".join((*front, last))
    return words.replace("-", " dash ").replace("_", " underscore ").replace("+", " plus ")


def _address(found: re.Match[str]) -> str:
    host, path = found[1], found[2]
    with_scheme = found[0].startswith(("http", "www."))
    if not with_scheme and host.rpartition(".")[2] not in _DOMAINS:
        return found[0]  # "e.g", "end.Next"
    stop = "." if found[0].endswith(".") else ""
    steps = [step for step in path.rstrip(".").split("/") if step]
    return " slash ".join((_spelt(host), *map(_spelt, steps))) + stop


def _digits(found: re.Match[str]) -> str:
    """A telephone number digit by digit, its groups apart."""
    plus = "plus " if found[0].startswith("+") else ""
    groups = re.findall(r"\d+", found[0])
    return plus + ", ".join(" ".join(group) for group in groups)


def _money(sign: str, whole: str, hundredths: str | None) -> str:
    one, many, cent, cents = _COINS[sign]
    words = [f"{whole} {one if whole == '1' else many}"] if whole != "0" or not hundredths else []
    if hundredths and int(hundredths):
        words.append(f"{int(hundredths)} {cent if int(hundredths) == 1 else cents}")
    return " and ".join(words)


def _mixed(found: re.Match[str]) -> str:
    return f"{found[1]} and {_HALVES[found[2]]}" if found[1] else f" {_HALVES[found[2]]}"

"""A text goes in, stretches to be said one after the other come out; they join to the text.

A stretch is a sentence, or where that is long a clause or so of it, at most `LONGEST` characters.
The first is kept short where the text lets it, so that something is heard soon.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

LONGEST = 200
"""Characters of a stretch, about 13 s of speech."""
_FIRST = 90
_SHORTEST = 20
"""A clause that is shorter is not said on its own."""
_CLOSING = "\"'”’»)\\]」』）"
# Possessive, so that no text makes the search slow.
_SENTENCE_END = re.compile(
    rf"(?<![.!?…])[.!?…]++[{_CLOSING}]*+\s++|[。！？]++[{_CLOSING}]*+\s*+|\n\s*+"
)
_CLAUSE_END = re.compile(rf"[,;:][{_CLOSING}]*+\s|\s[–—-]\s|—|[，；：、،؛]")
_IN_A_NUMBER = re.compile(r"\d[\s.,:]?$")
_LAST_WORD = re.compile(r"([^\s\"'“‘«(\[]{1,20})$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]$|[A-ZÀ-ÖØ-ÞА-Я]$")
_NEVER_LAST = frozenset(
    (
        *("dr", "mr", "mrs", "ms", "mx", "prof", "st", "mt", "gen", "col", "sgt", "capt", "lt"),
        *("rev", "hon", "sen", "rep", "gov", "no", "nos", "vs", "e.g", "i.e", "cf", "approx"),
        *("fig", "figs", "vol", "eq", "sec", "ch", "p", "pp", "dept", "bzw", "ca", "evtl", "ggf"),
        *("z.b", "u.a", "d.h", "nr", "hr", "fr", "str", "mme", "mlle", "ing", "sr", "sra", "dott"),
        *(
            "sig",
            "jan",
            "feb",
            "mar",
            "apr",
            "jun",
            "jul",
            "aug",
            "sep",
            "sept",
            "oct",
            "nov",
            "dec",
        ),
    )
)
"""Abbreviations that something follows, without their last full stop, in small letters."""


def stretches(text: str) -> Iterator[str]:
    """The parts of the text, in order."""
    limit = _FIRST
    for sentence in _sentences(text):
        rest = sentence
        while len(rest) > limit:
            end = _clause_end(rest, limit)
            if end is None and limit == _FIRST:
                limit = LONGEST
                continue
            end = end or _word_end(rest, limit)
            yield rest[:end]
            rest = rest[end:]
            limit = LONGEST
        if rest:
            yield rest
            limit = LONGEST


def ends_sentence(stretch: str) -> bool:
    """Whether a speaker would lower the voice and breathe after it."""
    return stretch.rstrip().rstrip("\"'”’»)]」』）").endswith(
        (".", "!", "?", "…", "。", "！", "？")
    ) or (stretch.endswith("\n"))


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if _is_end(text, match):
            yield text[start : match.end()]
            start = match.end()
    if start < len(text):
        yield text[start:]


def _is_end(text: str, match: re.Match[str]) -> bool:
    following = text[match.end() : match.end() + 1]
    if "\n" in match[0] or not following:
        return True
    if following.islower():
        return False
    if not match[0].startswith(".") or match[0].startswith(".."):
        return True
    word = _LAST_WORD.search(text, max(match.start() - 20, 0), match.start())
    if word is None:
        return True
    last = word[1]
    initial = _INITIALS.match(last) is not None and last != "I"
    ordinal = last.isdecimal() and len(last) <= 2  # "am 3. März", "1. Open the door."
    return not (initial or ordinal or last.casefold() in _NEVER_LAST)


def _clause_end(sentence: str, limit: int) -> int | None:
    ends = [match.end() for match in _CLAUSE_END.finditer(sentence, 0, limit)]
    fitting = [end for end in ends if end >= _SHORTEST and len(sentence) - end >= _SHORTEST]
    return fitting[-1] if fitting else None


def _word_end(sentence: str, limit: int) -> int:
    """After the last space within the limit, or, without spaces, where no number is cut in two."""
    ends = range(limit, _SHORTEST, -1)
    spaces = (end for end in ends if sentence[end - 1].isspace())
    anywhere = (end for end in ends if not unicodedata.combining(sentence[end]))
    for end in (*spaces, *anywhere):
        if not (sentence[end].isdecimal() and _IN_A_NUMBER.search(sentence, end - 2, end)):
            return end
    return limit

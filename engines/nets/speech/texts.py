"""Things to say, without end and rich in sounds: what teachers are given to speak."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pocketsphinx

_OPENINGS = (
    *("Well,", "Yes,", "No, not", "Please", "Could you", "I think", "We often", "They never"),
    *("When", "Before", "Maybe", "Both", "Every", "My", "Our", "A few", "Thank you for", "Look,"),
)
_LINKS = (
    "and",
    "of the",
    "but",
    "with",
    "by my",
    "for a",
    "or",
    "from",
    "beneath",
    "who would",
    "to",
)
_ENDINGS = (".", ".", ".", "?", "!", "")
_COMMON = ("the", "a", "to", "of", "and", "in", "it", "is", "you", "that", "we", "be", "for", "my")


def sentences(seed: int, recorded: Sequence[str] = ()) -> Iterator[str]:
    """Word salads, numbers and names between common words and, if given, `recorded` sentences.

    Words are drawn so that rare sounds are as frequent as common ones: each word is the best of
    a few for the sounds that were said least so far.
    """
    rng = np.random.default_rng(seed)
    words = _dictionary()
    said: dict[str, int] = {}
    while True:
        if recorded and rng.random() < 0.4:
            yield _excerpt(recorded[int(rng.integers(len(recorded)))], rng)
            continue
        chosen = [_OPENINGS[int(rng.integers(len(_OPENINGS)))]] if rng.random() < 0.6 else []
        for _ in range(int(rng.integers(2, 9))):
            chosen.append(_needed(words, said, rng))
            if rng.random() < 0.5:
                links = _LINKS if rng.random() < 0.6 else _COMMON
                chosen.append(links[int(rng.integers(len(links)))])
            elif rng.random() < 0.12:
                chosen[-1] += ","
            if rng.random() < 0.05:
                chosen.append(str(int(rng.integers(1, 10 ** int(rng.integers(1, 5))))))
        chosen.append(_needed(words, said, rng))
        yield " ".join(chosen).capitalize() + _ENDINGS[int(rng.integers(len(_ENDINGS)))]


def _needed(
    words: list[tuple[str, list[str]]], said: dict[str, int], rng: np.random.Generator
) -> str:
    offered = [words[int(number)] for number in rng.integers(len(words), size=4)]
    word, phones = min(offered, key=lambda entry: np.mean([said.get(p, 0) for p in entry[1]]))
    for phone in phones:
        said[phone] = said.get(phone, 0) + 1
    return word


def _excerpt(text: str, rng: np.random.Generator) -> str:
    """Up to 16 words in a row."""
    words = text.split()
    start = int(rng.integers(max(1, len(words) - 15)))
    return " ".join(words[start : start + int(rng.integers(5, 17))])


def _dictionary() -> list[tuple[str, list[str]]]:
    """English words and their phones: the CMU dictionary in pocketsphinx's wheel (BSD)."""
    path = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
    entries = (line.split() for line in path.read_text("utf-8").splitlines())
    return [(word, phones) for word, *phones in entries if word.isalpha() and 2 < len(word) < 12]

"""What an avatar is to be used for goes in; the sentence that the person agrees to comes out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from typing import Final

from live.consent.record import Mode, Purpose

_PURPOSES: Final = {
    Purpose.CALL: "shown in calls",
    Purpose.RENDER: "shown in videos that are made with it",
    Purpose.RECORDING: "recorded in calls",
    Purpose.TRAINING: "used to train avatars of me",
}
_MODES: Final = {
    Mode.FACE: "the face of whoever uses it",
    Mode.SPEECH: "speech",
    Mode.VOICE: "a likeness of my voice",
}


def agreement(
    operator: str, purposes: frozenset[Purpose], modes: frozenset[Mode], until: date
) -> str:
    """One paragraph, in the first person; at most 500 characters."""
    who = operator or "whoever runs this server"
    used = _listed([words for purpose, words in _PURPOSES.items() if purpose in purposes])
    moved = _listed([words for mode, words in _MODES.items() if mode in modes])
    return (
        f"I agree that {who} makes an avatar of my face. Until {until.isoformat()} it may be"
        f" {used}, moved by {moved}. What is made with it is marked as synthetic. I can take this"
        " back at any time, with the code that I am given."
    )


def fingerprint(text: str) -> str:
    """Names the text that was agreed to."""
    return sha256(text.encode()).hexdigest()


def _listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)

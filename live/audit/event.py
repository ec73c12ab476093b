"""Names of events and their facts in, checked ones out: nothing that tells who somebody is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

Fact: TypeAlias = str | int | bool

MOST_FACTS = 16
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_VALUE = re.compile(r"[A-Za-z0-9_,-]{0,64}")
"""Ids, hashes, words of ours. Without blanks, dots, colons and at signs, so that no sentence, no
address of a person or a machine, no path and no file name passes for one."""
_LARGEST = 2**53
"""Beyond, not every reader of JSON has the same number."""


class Event(StrEnum):
    """What is written down."""

    LOG_OPENED = "log_opened"
    LOG_REPAIRED = "log_repaired"
    """A line before this one was written in part only; this one has its hash."""
    CONSENT_GRANTED = "consent_granted"
    CONSENT_REVOKED = "consent_revoked"
    ENROLMENT_PASSED = "enrolment_passed"
    ENROLMENT_FAILED = "enrolment_failed"
    AVATAR_ADDED = "avatar_added"
    AVATAR_LOADED = "avatar_loaded"
    AVATAR_REMOVED = "avatar_removed"
    SESSION_OPENED = "session_opened"
    AVATAR_SHOWN = "avatar_shown"
    """Another one, in a call that goes on."""
    SESSION_CLOSED = "session_closed"
    LABEL_OFF = "label_off"
    RECORDING_STARTED = "recording_started"
    RECORDING_FAILED = "recording_failed"
    RECORDING_MADE = "recording_made"
    RENDERED = "rendered"
    TOKEN_GRANTED = "token_granted"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105


def check_facts(facts: Mapping[str, Fact], reserved: frozenset[str]) -> None:
    """Raises `ValueError`, which does not repeat the value, for a fact that may not be told."""
    if len(facts) > MOST_FACTS:
        raise ValueError(f"an event has at most {MOST_FACTS} facts")
    for name, value in facts.items():
        if not _NAME.fullmatch(name) or name in reserved:
            raise ValueError("a fact's name is a short lower-case word that is not taken")
        if isinstance(value, bool):
            continue
        if isinstance(value, int):
            if abs(value) >= _LARGEST:
                raise ValueError(f"the audit log takes no such number as {name!r}")
        elif not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise ValueError(
                f"the audit log takes no such text as {name!r}: ids and hashes only, of at most 64"
                " letters, digits, commas, hyphens and underscores"
            )

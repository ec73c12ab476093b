"""Consent for tests: granted with a throwaway key, by the way that everybody has to go."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engines.types import Avatar, Rgb
from live.audit import AuditLog
from live.consent.authority import Consents
from live.consent.fingerprint import fingerprint
from live.consent.granting import Granted, Wish
from live.consent.permitted import Permitted
from live.consent.record import Basis, Mode, Purpose
from live.keys import MARK_BYTES, OperatorKeys

EVERY_PURPOSE = frozenset(Purpose)
EVERY_MODE = frozenset(Mode)


@cache
def keys() -> OperatorKeys:
    """Of an operator whom nobody knows."""
    return OperatorKeys(Ed25519PrivateKey.generate(), bytes(MARK_BYTES))


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="visavis-consents-")


@cache
def authority() -> Consents:
    """One for all tests that do not ask what becomes of its records."""
    folder = Path(_folder().name)
    return Consents(folder, keys(), AuditLog(folder / "audit.jsonl", keys()))


def granted(
    portrait: Rgb,
    purposes: frozenset[Purpose] = EVERY_PURPOSE,
    modes: frozenset[Mode] = EVERY_MODE,
    by: Consents | None = None,
) -> Granted:
    """A consent for this portrait."""
    wish = Wish("Made for a test; nobody's face.", purposes=purposes, modes=modes)
    return (by or authority()).grant(portrait, wish, Basis.SYNTHETIC, {})


def permitted(
    avatar: Avatar,
    purposes: frozenset[Purpose] = EVERY_PURPOSE,
    modes: frozenset[Mode] = EVERY_MODE,
    by: Consents | None = None,
) -> Permitted:
    """The avatar, made under a consent of its own, with the permit to show it."""
    by = by or authority()
    portrait = avatar.portrait.rgb
    grant = granted(portrait, purposes, modes, by)
    permit = by.permit(avatar.id, grant.document, fingerprint(portrait))
    return Permitted(replace(avatar, consent=grant.record.id), permit)

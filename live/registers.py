"""Settings go in; who is believed, who agreed to what, and which avatars there are come out."""

from __future__ import annotations

from dataclasses import dataclass

from live import keys
from live.audit import AuditLog
from live.avatars import AvatarStore
from live.consent.authority import Consents
from live.keys import OperatorKeys
from live.settings import Settings


@dataclass(frozen=True, slots=True)
class Registers:
    """What the server and every command that shows or adds an avatar stand on."""

    keys: OperatorKeys
    audit: AuditLog
    consents: Consents
    avatars: AvatarStore


def open_registers(settings: Settings) -> Registers:
    """Keys that are missing are made; nothing else is written. Raises `SettingsError`."""
    operator = keys.load(settings.keys)
    audit = AuditLog(settings.audit.file, operator)
    consent = settings.consent
    consents = Consents(
        consent.folder, operator, audit, operator=consent.operator, days=consent.days
    )
    return Registers(
        operator, audit, consents, AvatarStore(settings.avatars.folder, consents, operator, audit)
    )

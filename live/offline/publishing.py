"""A rendered film in; signed, and written down in the audit log, out: before that it has no name.

What cannot be signed or written down does not appear.
"""

from __future__ import annotations

from hashlib import file_digest
from pathlib import Path

import av

from live.audit import AuditLog, Event
from live.consent.authority import Permit
from live.consent.record import Purpose
from live.provenance.credentials import Credentials
from live.provenance.facts import Facts


def publish(
    film: Path, facts: Facts, permit: Permit, credentials: Credentials, audit: AuditLog
) -> None:
    """Gives a finished film its credentials. Raises `NoConsent`, `Unprocessable`, `NotLogged`."""
    permit.check(Purpose.RENDER)  # once more: rendering may have taken hours
    credentials.sign(film, facts)
    with film.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    audit.write(
        Event.RENDERED,
        render=facts.public_id,
        avatar=permit.avatar,
        consent=permit.record.id,
        portrait=permit.portrait.sha256,
        driven_by=facts.driven_by,
        film=digest,
        test_certificate=credentials.certificate.is_test,
    )


def duration_ms(film: Path) -> int:
    """How long a finished film is."""
    with av.open(str(film)) as container:
        return round((container.duration or 0) * 1000 / av.time_base)

"""A finished film of a call in, the same film with credentials and a line in the audit log out."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import file_digest
from pathlib import Path

from live import public_id
from live.audit import AuditLog, Event
from live.clock import MILLISECOND, SECOND
from live.consent.authority import Permit, Reason
from live.consent.record import Mode, Purpose
from live.consent.uses import modes_of
from live.errors import NoConsent, NotLogged
from live.label import Label
from live.provenance.credentials import Credentials
from live.provenance.facts import AvatarFacts, DrivenBy, Facts, LabelFacts, MarkFacts

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Take:
    """What is recorded: which call, and who was seen in it."""

    session: str
    """The call's public id."""
    label: Label
    started_at: datetime
    permits: dict[str, Permit] = field(default_factory=dict)
    """Of all avatars that were shown, by their record's id."""
    modes: set[Mode] = field(default_factory=set)
    """In which they were driven."""

    def note(self, permit: Permit, driver: str) -> None:
        """The avatar that is shown from now on."""
        self.permits[permit.record.id] = permit
        self.modes |= modes_of(driver)

    @property
    def driven_by(self) -> DrivenBy:
        """What moved the avatars."""
        if self.modes >= {Mode.FACE, Mode.SPEECH}:
            return "both"
        return "camera" if Mode.FACE in self.modes else "voice"


@dataclass(frozen=True, slots=True)
class Publisher:
    """Whose recordings these are."""

    credentials: Credentials
    audit: AuditLog
    mark_id: str
    operator: str

    def announce(self, take: Take) -> None:
        """Before a picture is kept; raises `NoConsent`, `NotLogged`."""
        for permit in take.permits.values():
            permit.check(Purpose.RECORDING, frozenset(take.modes))
        self.audit.write(Event.RECORDING_STARTED, session=take.session)

    def publish(self, film: Path, take: Take, length_ns: int, pictures: int) -> None:
        """Signs the film and logs it; raises `NoConsent`, `NotLogged`, `Unprocessable`.

        Where a consent was revoked meanwhile, no film is to be kept. One that has run out was
        good for what was recorded.
        """
        for permit in take.permits.values():
            flaw = permit.flaw()
            if flaw is not None and flaw.reason is not Reason.EXPIRED:
                raise NoConsent(flaw.message)
        self.credentials.sign(film, self._facts(take, length_ns))
        film.chmod(0o600)
        with film.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
        self.audit.write(
            Event.RECORDING_MADE,
            session=take.session,
            film=digest,
            seconds=length_ns // SECOND,
            pictures=pictures,
            test_certificate=self.credentials.certificate.is_test,
        )

    def give_up(self, session: str, reason: str) -> None:
        """Says that there will be no film of this call, as far as it can be said."""
        try:
            self.audit.write(Event.RECORDING_FAILED, session=session, reason=reason)
        except NotLogged as error:
            logger.error("a failed recording could not be logged: %s", error)

    def _facts(self, take: Take, length_ns: int) -> Facts:
        return Facts(
            kind="recording",
            avatars=tuple(AvatarFacts.of(permit) for permit in take.permits.values()),
            mark=MarkFacts(key=self.mark_id, payload=public_id.to_payload(take.session).hex()),
            label=LabelFacts.of(take.label),
            driven_by=take.driven_by,
            started_at=take.started_at,
            duration_ms=length_ns // MILLISECOND,
            operator=self.operator,
        )

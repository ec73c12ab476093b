"""Signed records go in, permits to show a face come out; expired and revoked ones give none.

`Permit` is the proof that somebody agreed: nothing but `Consents` can make one, and it goes on
asking whether that still holds for as long as it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

from engines.types import Rgb
from live.audit import AuditLog, Event
from live.consent import built_in
from live.consent.fingerprint import Fingerprint, fingerprint, same_portrait
from live.consent.granting import Granted, Granter, Wish
from live.consent.record import (
    TYP,
    Basis,
    Evidence,
    Mode,
    Purpose,
    Record,
    parse,
    time_text,
)
from live.consent.revocations import Revocations
from live.consent.shelf import Shelf
from live.errors import BadSignature, NoConsent
from live.keys import OperatorKeys
from live.one_thread import OneThread
from live.signed import opened


class Reason(StrEnum):
    """Why a consent does not hold, in the words of the data channel's `state` message."""

    REVOKED = "consent_revoked"
    EXPIRED = "consent_expired"
    NOT_YET = "consent_not_yet_valid"
    UNKNOWN = "consent_unknown"
    """It cannot be known whether it was revoked."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a consent does not hold now."""

    reason: Reason
    message: str
    """For people."""


@dataclass(frozen=True, slots=True)
class _Key:
    """Known to this module alone."""


_KEY = _Key()


@dataclass(frozen=True, slots=True, eq=False)
class Permit:
    """What one portrait may be shown for, as one avatar; made by `Consents`, never by hand."""

    avatar: str
    """The avatar's id."""
    record: Record
    portrait: Fingerprint
    """Of the pixels that may be shown: those of the record, or a copy that was found to fit."""
    _authority: Consents = field(repr=False)
    key: InitVar[object]

    def __post_init__(self, key: object) -> None:
        """Raises `TypeError` for whoever is not the authority."""
        if key is not _KEY:
            raise TypeError("only live.consent.authority.Consents can make a Permit")

    def flaw(self) -> Flaw | None:
        """Why the consent does not hold now; `None`: it does. Blocks for as long as a file does."""
        return self._authority.flaw(self.record)

    def flaw_soon(self) -> Future[Flaw | None]:
        """The same, found on a thread of the authority that nothing else can keep waiting."""
        return self._authority.flaw_soon(self.record)

    def check(self, purpose: Purpose | None = None, modes: Collection[Mode] = frozenset()) -> None:
        """Raises `NoConsent` unless it holds now, for this purpose and all these modes."""
        flaw = self.flaw()
        if flaw is not None:
            raise NoConsent(flaw.message)
        self.check_covers(purpose, modes)

    def check_covers(
        self, purpose: Purpose | None = None, modes: Collection[Mode] = frozenset()
    ) -> None:
        """As `check`, but asks only what was granted, not whether it still holds."""
        if purpose is not None and purpose not in self.record.purposes:
            raise NoConsent(
                f"the consent for the avatar {self.avatar!r} does not cover the purpose"
                f" {purpose.value!r}; it covers {', '.join(sorted(self.record.purposes))}"
            )
        missing = sorted(set(modes) - self.record.modes)
        if missing:
            raise NoConsent(
                f"the consent for the avatar {self.avatar!r} does not cover being driven by"
                f" {' and '.join(missing)}; it covers {', '.join(sorted(self.record.modes))}"
            )

    def __reduce__(self) -> NoReturn:
        """A copy or a pickle would be a second way to make one."""
        raise TypeError("a Permit cannot be copied or pickled")


def utc_now() -> datetime:
    """The time that records are held against."""
    return datetime.now(UTC)


class Consents:
    """The authority of one operator; any thread may ask. All but `flaw_soon` blocks."""

    def __init__(
        self,
        folder: Path,
        keys: OperatorKeys,
        log: AuditLog,
        *,
        operator: str = "",
        days: int = 365,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`folder`: of records and revocations, made when the first is written.

        `operator`: as records name it; `days`: that they are valid for unless they say else.
        """
        self._keys = keys
        self._log = log
        self._granter = Granter(keys, operator, days)
        self._shelf = Shelf(folder)
        self._revocations = Revocations(folder, keys)
        self._now = now
        self._thread = OneThread("consents")

    def grant(self, portrait: Rgb, wish: Wish, basis: Basis, evidence: Evidence) -> Granted:
        """A record on any basis but live enrolment; raises `NoConsent`, `Conflict`, `NotLogged`."""
        if basis is Basis.LIVE_ENROLMENT:
            raise NoConsent(
                "a consent by live enrolment is granted by the person themselves before the camera,"
                " in the page or with `visavis avatar enrol`; nothing else grants one"
            )
        return self._grant(portrait, wish, basis, evidence)

    def grant_enrolled(self, portrait: Rgb, wish: Wish, evidence: Evidence) -> Granted:
        """A record for who has just passed the live enrolment; called by nothing else.

        `portrait`: `(h, w, 3)` pixels as `engines.portraits.decode` gives them; `evidence`: hashes
        and outcomes of the challenge. Raises as `grant`.
        """
        return self._grant(portrait, wish, Basis.LIVE_ENROLMENT, evidence)

    def granted(self, id: str) -> Granted:
        """A record that was granted here; raises `NotFound`, `BadSignature`."""
        document = self.document(id)
        return Granted(document, self.record(document))

    def ids(self) -> list[str]:
        """Of every record that was granted here."""
        return self._shelf.ids()

    def document(self, id: str) -> str:
        """A record that was granted here, believed or not; raises `NotFound`."""
        return self._shelf.document(id)

    def record(self, document: str) -> Record:
        """What a document says, if somebody who is believed has signed it.

        Raises `BadSignature`, or `NoConsent` where it is signed and still no consent record.
        """
        return parse(opened(document, self._keys.believed, TYP))

    def flaw(self, record: Record) -> Flaw | None:
        """Why a record does not hold now; `None`: it does."""
        try:
            revoked = self._revocations.current().revoked.get(record.id)
        except NoConsent as error:
            return Flaw(Reason.UNKNOWN, str(error))
        if revoked is not None:
            return Flaw(Reason.REVOKED, f"this consent was revoked on {revoked.at}")
        now = self._now()
        if now >= record.not_after:
            return Flaw(Reason.EXPIRED, f"this consent expired on {time_text(record.not_after)}")
        if now < record.not_before:
            since = time_text(record.not_before)
            return Flaw(Reason.NOT_YET, f"this consent is not valid before {since}")
        return None

    def flaw_soon(self, record: Record) -> Future[Flaw | None]:
        """As `flaw`, without waiting for it; one after another."""
        return self._thread.submit(lambda: self.flaw(record))

    def close(self) -> None:
        """Lets the thread end."""
        self._thread.close()

    def holding(self, document: str) -> Record:
        """What a document grants now, to whatever portrait; raises `NoConsent`."""
        try:
            record = self.record(document)
        except BadSignature as error:
            raise NoConsent(f"this is no consent that is believed here: {error}") from error
        self._check_holds(record)
        return record

    def permit(
        self, avatar: str, document: str, portrait: Fingerprint, *, copies: bool = False
    ) -> Permit:
        """For an avatar of this very portrait; raises `NoConsent`.

        `copies`: or of one that looks like it. That is for operators, and for what one of them has
        taken before: a picture of somebody else can be made to look so to a hash.
        """
        record = self.holding(document)
        if record.portrait.sha256 == portrait.sha256:
            return Permit(avatar, record, portrait, self, _KEY)
        looks_like_it = same_portrait(record.portrait, portrait)
        if looks_like_it and not copies:
            raise NoConsent(
                "this picture is not the one that the consent was granted for; it looks like a copy"
                " of it, and only an operator (scope admin, or `visavis avatar add`) may take it"
                " for one: send the very picture, or have the copy added"
            )
        if not looks_like_it:
            raise NoConsent(
                "this consent is for another portrait; grant one for this picture, or give the"
                " picture that it was granted for"
            )
        return Permit(avatar, record, portrait, self, _KEY)

    def permit_built_in(self, avatar: str) -> Permit:
        """For an avatar that came with the program; raises `ChangedAvatar`.

        And `NoConsent` where the list of revocations cannot be believed: nothing is opened then.
        """
        record = built_in.consent(avatar)
        self._check_holds(record)
        return Permit(avatar, record, record.portrait, self, _KEY)

    def revoke(self, id: str, reason: str = "") -> None:
        """Takes a record that was granted here back, for good: what runs by it ends in seconds.

        It is revoked even where that cannot be logged: raises `NotLogged` then, and whoever does it
        again has it logged. Raises `NotFound`, `NoConsent` where the list of revocations cannot be
        believed, `Conflict` where it is full.
        """
        self._shelf.document(id)
        self._revoke(id, reason)

    def revoke_foreign(self, document: str, reason: str = "") -> str:
        """Takes another operator's record back as far as this one goes; gives its id.

        Raises as `revoke` and `record`.
        """
        record = self.record(document)
        self._revoke(record.id, reason)
        return record.id

    def _check_holds(self, record: Record) -> None:
        flaw = self.flaw(record)
        if flaw is not None:
            raise NoConsent(flaw.message)

    def _revoke(self, id: str, reason: str) -> None:
        self._revocations.add(id, reason, self._now())
        self._log.write(Event.CONSENT_REVOKED, consent=id)

    def _grant(self, portrait: Rgb, wish: Wish, basis: Basis, evidence: Evidence) -> Granted:
        granted = self._granter.grant(fingerprint(portrait), wish, basis, evidence, self._now())
        record = granted.record
        self._shelf.check_room()
        # Logged first: what cannot be logged is not done.
        self._log.write(
            Event.CONSENT_GRANTED,
            consent=record.id,
            portrait=record.portrait.sha256,
            basis=record.basis.value,
            document=sha256(granted.document.encode()).hexdigest(),
        )
        self._shelf.put(record.id, granted.document)
        return granted

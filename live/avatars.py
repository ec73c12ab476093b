"""Portraits with a signed consent go in; a catalogue of avatars comes out.

Built-in avatars come with the program (`engines.avatars`), their hashes with the code. Added ones
are folders of the store, `<folder>/<id>/`, whose files are sealed (`live.avatar_files`). A folder
is written under another name and then renamed, so an avatar is there as a whole or not at all. All
methods block: the server calls them on threads.
"""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np

from engines import avatars as built_in
from engines.avatars import pins
from engines.types import Portrait, Rgb
from live import avatar_files
from live.audit import AuditLog, Event
from live.avatar_files import Contents
from live.consent import built_in as nobodys
from live.consent.authority import Consents, Permit
from live.consent.fingerprint import Fingerprint, fingerprint
from live.consent.record import Record
from live.errors import BadRequest, ChangedAvatar, Conflict, NoConsent, NotFound, VisavisError
from live.keys import OperatorKeys

ID_PATTERN = r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?"
NAME_LIMIT = 60
CAPACITY = 500
"""Added avatars that a store holds at most."""

_FINGERPRINTS = 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One avatar of the catalogue."""

    id: str
    name: str
    description: str
    built_in: bool
    consent: Record
    """What it may be used for."""


@dataclass(frozen=True, slots=True)
class Opened:
    """One avatar whose files and whose consent were found to be sound a moment ago."""

    entry: Entry
    contents: Contents
    permit: Permit


class AvatarStore:
    """The catalogue: built-in avatars first, then those in `folder`, each by id."""

    def __init__(self, folder: Path, consents: Consents, keys: OperatorKeys, log: AuditLog) -> None:
        """`folder` is made when the first avatar is added."""
        self._folder = folder
        self._consents = consents
        self._keys = keys
        self._log = log
        # Of files by their hash: decoding a portrait takes longer than everything else of opening.
        self._fingerprints: OrderedDict[str, Fingerprint] = OrderedDict()
        self._lock = threading.Lock()

    def entries(self) -> list[Entry]:
        """All avatars whose consent holds now; their files are looked at when they are opened."""
        found = []
        for each in self.ids():
            try:
                found.append(self.entry(each))
            except (NoConsent, NotFound, ChangedAvatar):
                continue
        return found

    def ids(self) -> list[str]:
        """Of all avatars, those that cannot be opened as well."""
        return [*built_in.ids(), *added_ids(self._folder)]

    def has(self, id: str) -> bool:
        """Whether there is such an avatar, whatever is to be said of it."""
        return id in built_in.ids() or (is_id(id) and (self._folder / id).is_dir())

    def entry(self, id: str) -> Entry:
        """One avatar whose consent holds now; raises `NotFound`, `NoConsent`, `ChangedAvatar`."""
        if id in built_in.ids():
            return _built_in_entry(id)
        small = avatar_files.read_small(self._added(id), id)
        return _added_entry(id, small.name, self._consents.holding(small.document))

    def opened(self, id: str) -> Opened:
        """One avatar with its files, every byte of them checked; raises as `entry`."""
        if id in built_in.ids():
            entry, files = _built_in_entry(id), built_in.contents(id)
            contents = Contents(entry.name, files.portrait, files.matte, "", pins.RECORDS[id])
            return Opened(entry, contents, self._consents.permit_built_in(id))
        contents = avatar_files.read(self._added(id), id, self._keys)
        permit = self._consents.permit(
            id, contents.document, self._fingerprint(contents), copies=True
        )
        return Opened(_added_entry(id, contents.name, permit.record), contents, permit)

    def note_loaded(self, found: Opened) -> None:
        """Tells the audit log, before it is shown; raises `NotLogged`."""
        self._note(Event.AVATAR_LOADED, found.permit)

    def add(
        self,
        portrait: Portrait,
        document: str,
        *,
        id: str = "",
        name: str = "",
        copies: bool = False,
    ) -> Entry:
        """Keeps a portrait that has been found usable, with the consent for it.

        `copies`: an operator takes a picture that looks like the consent's for a copy of it.
        Raises `NoConsent`, `Conflict` where the id is taken, `BadRequest`, `NotLogged`.
        """
        name = check_name(name)
        chosen = check_id(id) if id else free_id(name)
        self.check_free(chosen)
        permit = self._consents.permit(chosen, document, fingerprint(portrait.rgb), copies=copies)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = Path(tempfile.mkdtemp(prefix=".adding-", dir=self._folder))
        try:
            avatar_files.write(fresh, chosen, portrait, name or chosen, document, self._keys)
            self._note(Event.AVATAR_ADDED, permit)
            try:
                fresh.rename(self._folder / chosen)
            except OSError as error:  # someone took the id in the meantime
                raise _taken(chosen) from error
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        return self.entry(chosen)

    def remove(self, id: str) -> None:
        """Deletes an added avatar with all that is kept of it; the consent record stays."""
        if id in built_in.ids():
            raise Conflict(f"{id!r} is built in and cannot be removed")
        folder = self._added(id)
        self._log.write(Event.AVATAR_REMOVED, avatar=id)
        # Renamed first: a half-deleted avatar must not be found any more.
        gone = self._folder / f".removing-{secrets.token_hex(8)}"
        folder.rename(gone)
        shutil.rmtree(gone)

    def of_consent(self, consent: str) -> list[str]:
        """The ids of the added avatars that rest on a record, whether it still holds or not."""
        found = []
        for each in added_ids(self._folder):
            try:
                small = avatar_files.read_small(self._added(each), each)
                record = self._consents.record(small.document)
            except VisavisError:  # what cannot be read rests on nothing
                continue
            if record.id == consent:
                found.append(each)
        return found

    def pixels(self, id: str) -> Rgb:
        """Of an added avatar's portrait, whatever its consent, for granting it another.

        Raises `NotFound`, `Conflict` for a built-in one, and `NoConsent` where its files are not as
        they were sealed.
        """
        if id in built_in.ids():
            raise Conflict(f"{id!r} is built in and shows nobody; it needs no consent")
        return avatar_files.decoded(avatar_files.portrait(self._added(id), id, self._keys))

    def renew(self, id: str, document: str) -> Entry:
        """Gives an added avatar another consent for the same portrait; raises as `pixels`."""
        rgb = self.pixels(id)
        permit = self._consents.permit(id, document, fingerprint(rgb))
        self._note(Event.AVATAR_ADDED, permit)
        avatar_files.renew(self._added(id), id, document, self._keys)
        return self.entry(id)

    def check_free(self, id: str) -> None:
        """Raises `Conflict` where no avatar of this id can be added."""
        if id in built_in.ids() or (self._folder / id).exists():
            raise _taken(id)
        if len(added_ids(self._folder)) >= CAPACITY:
            raise Conflict(f"the store holds {CAPACITY} avatars already; remove one first")

    def check_document(self, document: str) -> None:
        """Raises `NoConsent` unless a document grants something now, for whatever portrait."""
        self._consents.holding(document)

    def _note(self, event: Event, permit: Permit) -> None:
        self._log.write(
            event,
            avatar=permit.avatar,
            consent=permit.record.id,
            portrait=permit.portrait.sha256,
            exact=permit.portrait == permit.record.portrait,
        )

    def _added(self, id: str) -> Path:
        if not self.has(id):
            raise NotFound(
                "there is no such avatar; `visavis avatar list` and GET /avatars show what there is"
            )
        return self._folder / id

    def _fingerprint(self, contents: Contents) -> Fingerprint:
        key = sha256(contents.portrait).hexdigest()
        with self._lock:
            known = self._fingerprints.get(key)
        if known is None:
            known = fingerprint(contents.rgb())
            with self._lock:
                self._fingerprints[key] = known
                while len(self._fingerprints) > _FINGERPRINTS:
                    self._fingerprints.popitem(last=False)
        return known


def added_ids(folder: Path) -> list[str]:
    """Of the avatars that a folder holds, whatever is to be said of them."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if is_id(path.name))


def free_id(name: str) -> str:
    """An id made of a name, with something random to keep it apart from others."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24].strip("-") or "avatar"
    return f"{plain}-{secrets.token_hex(3)}"


def is_id(text: str) -> bool:
    """Whether a text may be an avatar's id."""
    return re.fullmatch(ID_PATTERN, text) is not None


def check_id(text: str) -> str:
    """The id, or `BadRequest`."""
    if not is_id(text):
        raise BadRequest("an id has 1 to 40 lower-case letters, digits and inner hyphens")
    return text


def check_name(text: str) -> str:
    """The name with its white space put right, or `BadRequest`."""
    name = " ".join(text.split())
    if len(name) > NAME_LIMIT or not name.isprintable():
        raise BadRequest(f"a name has at most {NAME_LIMIT} printable characters")
    return name


def portrait_png(contents: Contents, limit: int = 512) -> bytes:
    """The avatar's portrait as PNG, at most `limit` pixels wide and high."""
    rgb = contents.rgb()
    height, width = rgb.shape[:2]
    scale = limit / max(height, width)
    if scale < 1:
        size = (max(1, round(scale * width)), max(1, round(scale * height)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    return avatar_files.png(rgb[..., ::-1])


def _taken(id: str) -> Conflict:
    return Conflict(f"an avatar is called {id!r} already; choose another id")


def _built_in_entry(id: str) -> Entry:
    record = built_in.record(id)
    return Entry(id, record.name, record.description, True, nobodys.consent(id))


def _added_entry(id: str, name: str, consent: Record) -> Entry:
    return Entry(id, name, f"An added avatar called {name}.", False, consent)

"""Portraits with a statement of whose face it is go in; a catalogue of avatars comes out.

Built-in avatars come with the program (`engines.avatars`). Added ones are folders of the store:

    <folder>/<id>/portrait.png   the picture, decoded and written anew: no metadata survives
    <folder>/<id>/matte.png      where the person is, if known
    <folder>/<id>/record.json    the name
    <folder>/<id>/consent.json   the statement

A folder is written under another name and then renamed, so an avatar is there as a whole or not at
all. All methods block: the server calls them on the executor of `live.prepared`.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engines import avatars as built_in
from engines.types import Portrait, Rgb
from live.consent import Statement, Whose
from live.errors import BadRequest, Conflict, NoConsent, NotFound

ID_PATTERN = r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?"
NAME_LIMIT = 60
CAPACITY = 500
"""Added avatars that a store holds at most."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One avatar of the catalogue."""

    id: str
    name: str
    description: str
    built_in: bool
    statement: Statement
    portrait: Path
    matte: Path | None


class AvatarStore:
    """The catalogue: built-in avatars first, then those in `folder`, each by id."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made when the first avatar is added."""
        self._folder = folder
        self._built_in = {each: _built_in_entry(each) for each in built_in.ids()}

    def entries(self) -> list[Entry]:
        """All avatars; a folder whose statement is missing or broken is left out."""
        added = []
        for each in self._added_ids():
            try:
                added.append(self._added_entry(each))
            except (NoConsent, NotFound):
                continue
        return [*self._built_in.values(), *added]

    def entry(self, id: str) -> Entry:
        """One avatar; raises `NotFound`, or `NoConsent` where its statement is gone."""
        return self._built_in.get(id) or self._added_entry(id)

    def add(
        self, portrait: Portrait, statement: Statement, *, id: str = "", name: str = ""
    ) -> Entry:
        """Keeps a portrait that has been found usable; raises `Conflict` where the id is taken."""
        name = check_name(name)
        chosen = check_id(id) if id else self.free_id(name)
        self.check_free(chosen)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = Path(tempfile.mkdtemp(prefix=".adding-", dir=self._folder))
        try:
            _write_png(fresh / "portrait.png", portrait.rgb[..., ::-1])
            if portrait.matte is not None:
                _write_png(fresh / "matte.png", portrait.matte)
            record = json.dumps({"name": name or chosen}, ensure_ascii=False)
            (fresh / "record.json").write_text(record + "\n", encoding="utf-8")
            (fresh / "consent.json").write_text(statement.to_json(), encoding="utf-8")
            try:
                fresh.rename(self._folder / chosen)
            except OSError as error:  # someone took the id in the meantime
                raise _taken(chosen) from error
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        return self._added_entry(chosen)

    def remove(self, id: str) -> None:
        """Deletes an added avatar with all that is kept of it."""
        if id in self._built_in:
            raise Conflict(f"{id!r} is built in and cannot be removed")
        self._added_entry_folder(id)
        # Renamed first: a half-deleted avatar must not be found any more.
        gone = self._folder / f".removing-{secrets.token_hex(8)}"
        (self._folder / id).rename(gone)
        shutil.rmtree(gone)

    def check_free(self, id: str) -> None:
        """Raises `Conflict` where no avatar of this id can be added."""
        if id in self._built_in or (self._folder / id).exists():
            raise _taken(id)
        if len(self._added_ids()) >= CAPACITY:
            raise Conflict(f"the store holds {CAPACITY} avatars already; remove one first")

    def free_id(self, name: str) -> str:
        """An id made of a name, with something random to keep it apart from others."""
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24].strip("-") or "avatar"
        return f"{plain}-{secrets.token_hex(3)}"

    def _added_ids(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return sorted(path.name for path in self._folder.iterdir() if is_id(path.name))

    def _added_entry_folder(self, id: str) -> Path:
        folder = self._folder / id
        if not is_id(id) or not folder.is_dir():
            raise NotFound(
                "there is no such avatar; `visavis avatar list` and GET /avatars show what there is"
            )
        return folder

    def _added_entry(self, id: str) -> Entry:
        folder = self._added_entry_folder(id)
        try:
            statement = Statement.from_json((folder / "consent.json").read_text("utf-8"))
            name = json.loads((folder / "record.json").read_text("utf-8"))["name"]
        except FileNotFoundError as error:
            raise NoConsent("the statement of whose face this is has gone; add it anew") from error
        matte = folder / "matte.png"
        return Entry(
            id,
            str(name),
            f"An added avatar called {name}.",
            False,
            statement,
            folder / "portrait.png",
            matte if matte.is_file() else None,
        )


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


def portrait_version(entry: Entry) -> str:
    """Changes when the portrait does."""
    try:
        status = entry.portrait.stat()
    except OSError:
        raise _gone() from None
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


def portrait_png(entry: Entry, limit: int = 512) -> bytes:
    """The avatar's portrait as PNG, at most `limit` pixels wide and high."""
    rgb = read_picture(entry.portrait)
    height, width = rgb.shape[:2]
    scale = limit / max(height, width)
    if scale < 1:
        size = (max(1, round(scale * width)), max(1, round(scale * height)))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    return _png(rgb[..., ::-1])


def read_picture(path: Path) -> Rgb:
    """A picture of the store as `(h, w, 3)` RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise _gone()
    return np.ascontiguousarray(picture, np.uint8)


def read_matte(path: Path) -> NDArray[np.uint8] | None:
    """A matte of the store as `(h, w)`; `None` where it cannot be read."""
    matte = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    return None if matte is None else np.ascontiguousarray(matte, np.uint8)


def _gone() -> NotFound:
    return NotFound("the portrait of this avatar has gone; remove the avatar and add it anew")


def _taken(id: str) -> Conflict:
    return Conflict(f"an avatar is called {id!r} already; choose another id")


def _built_in_entry(id: str) -> Entry:
    record = built_in.record(id)
    folder = built_in.folder(id)
    statement = Statement(f"built-in/{id}", Whose(record.kind), record.consent, "")
    return Entry(
        id,
        record.name,
        record.description,
        True,
        statement,
        folder / "portrait.jpg",
        folder / "matte.png",
    )


def _png(picture: NDArray[np.uint8]) -> bytes:
    """PNG of a grey or BGR picture, which is OpenCV's order."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(picture))
    assert done
    return data.tobytes()


def _write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    path.write_bytes(_png(picture))

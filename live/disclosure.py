"""Picture in, its planes marked as synthetic out: the only door to what leaves the server.

`Stamped` is the proof that a picture has been through a `Disclosure`: the operator's label on it,
if that is to be seen, and in any case the mark, last, so that it lies in the label, too. Nothing
but this module can make one, a `Pipeline` cannot be built without a stamp, and whatever writes or
sends pictures takes nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from engines.mark import Mark
from engines.types import Picture
from live.audit import AuditLog, Event
from live.errors import SettingsError
from live.label import Label, draw, is_short
from live.planes import Planes
from live.sections import Label as LabelSettings

__all__ = ["Disclosure", "Label", "Stamp", "Stamped", "chosen_label", "label_of", "leaving"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Key:
    """Known to this module alone."""


_KEY = _Key()


class Stamped:
    """A picture that is marked as synthetic; made by a stamp, never by hand."""

    __slots__ = ("_planes",)

    def __init__(self, planes: Planes, key: object = None) -> None:
        """Raises `TypeError` for whoever is not a stamp."""
        if key is not _KEY:
            raise TypeError("only a stamp of live.disclosure can make a Stamped picture")
        planes.i420.flags.writeable = False  # several exits read it, on threads of their own
        self._planes = planes

    @property
    def planes(self) -> Planes:
        """The marked picture, which nobody can change any more."""
        return self._planes

    def __init_subclass__(cls) -> NoReturn:
        """Something else that goes by the name would be a third."""
        raise TypeError("there is one kind of Stamped picture")

    def __reduce__(self) -> NoReturn:
        """A copy or a pickle would be a second way to make one."""
        raise TypeError("a Stamped picture cannot be copied or pickled")


Stamp = Callable[[Picture | Planes], Stamped]


def leaving(stamped: Stamped) -> Planes:
    """The picture for an exit to send or to write; raises `TypeError` for what is not stamped.

    Every exit asks here: what merely has a picture, as a stamped one does, is refused, too.
    """
    if not isinstance(stamped, Stamped):
        raise TypeError("only pictures that live.disclosure has stamped may leave")
    return stamped.planes


class Disclosure:
    """The stamp of one call or rendering; for one thread, as its mark is."""

    def __init__(self, label: Label, mark: Mark) -> None:
        """There is none without a mark; raises `TypeError` for what is none."""
        if not isinstance(mark, Mark):
            raise TypeError("a disclosure needs a mark: engines.mark.Mark")
        self.label = label
        self._mark = mark

    def __call__(self, picture: Picture | Planes) -> Stamped:
        """The picture with label and mark.

        In an array of its own; but planes are taken over: nobody else may have theirs.
        """
        planes = Planes.of(picture) if isinstance(picture, Picture) else picture
        if self.label.visible:
            draw(planes, self.label.text)
        self._mark.apply(planes.luma)
        return Stamped(planes, _KEY)


def label_of(settings: LabelSettings) -> Label:
    """The label that the operator has chosen; raises `SettingsError` for what cannot be drawn."""
    try:
        return Label(settings.text, settings.language, settings.visible)
    except ValueError as error:
        raise SettingsError(f"label.text: {error}") from error


def chosen_label(settings: LabelSettings, audit: AuditLog) -> Label:
    """The same, once for a server or a film: that it is not to be seen is written down.

    Raises as `label_of`, and `NotLogged`.
    """
    label = label_of(settings)
    if label.visible and not is_short(label.text):
        logger.warning("the disclosure label is too long to be read in a small picture; shorten it")
    if not label.visible:
        logger.warning("the visible disclosure label is off by the operator's setting")
        audit.write(Event.LABEL_OFF)
    return label

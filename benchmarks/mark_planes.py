"""Pictures in RGB in, the same labelled and marked out, as the server does it: in their planes."""

from __future__ import annotations

from typing import Protocol

from engines.types import Picture, Rgb
from live import label
from live.planes import Plane, Planes


class Applies(Protocol):
    """Marks pictures, one after the other."""

    def apply(self, luma: Plane) -> None:
        """In place."""


def planes_of(rgb: Rgb, *, labelled: bool = False) -> Planes:
    """The picture on its way out, with the label that the server draws unless told otherwise."""
    planes = Planes.of(Picture(rgb))
    if labelled:
        label.draw(planes, label.DEFAULT_TEXT)
    return planes


def marked(rgb: Rgb, mark: Applies, *, labelled: bool = False) -> Rgb:
    """A copy with the mark."""
    planes = planes_of(rgb, labelled=labelled)
    mark.apply(planes.luma)
    return planes.rgb

"""Synthetic people as files: a seed goes in, pictures of one person with their truth come out.

The camera stands where the renderer's crop would be cut (`engines/renderers/portrait/canvas.py`),
so a picture is a whole crop and none of it has to be found, cut or scaled.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from engines.nets.heads import acts
from engines.nets.heads import people as heads
from engines.nets.portrait.training.truth import Measured, Truth
from engines.studio.sitter import Sitter
from engines.studio.talking_head import TalkingHead
from engines.types import Rgb

HELD_OUT_EACH = 8
"""Of so many seeds the last is never learnt from."""
_HALF, _ABOVE = 17.4, 5.3
"""cm: half of the crop's side, and its middle over the origin of heads, by the tracker's landmarks
of frontal heads; `upright_crop` cuts 2.3 × the face, raised by an eighth."""
_FACE_DEPTH = 8.0
"""cm: so much nearer than the origin of heads is the face."""
_QUALITY = 95


@dataclass(frozen=True, slots=True)
class Person:
    """Pictures of one person; the first is a portrait."""

    pictures: NDArray[np.uint8]
    """JPEG files one after the other."""
    ends: NDArray[np.int64]
    """`(n,)` where in `pictures` each ends."""
    truth: Truth

    def picture(self, number: int) -> Rgb:
        """One of them, decoded."""
        start = int(self.ends[number - 1]) if number else 0
        decoded = cv2.imdecode(self.pictures[start : self.ends[number]], cv2.IMREAD_COLOR)
        assert decoded is not None
        return np.ascontiguousarray(decoded[..., ::-1], np.uint8)

    def save(self, path: Path) -> None:
        """Writes an `.npz` file at once or not at all."""
        stored = {field.name: getattr(self.truth, field.name) for field in fields(Truth)}
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, pictures=self.pictures, ends=self.ends, **stored)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Person:
        """Reads `save`'s file; raises `ValueError`, which names it, over any other."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                truth = Truth(**{field.name: stored[field.name] for field in fields(Truth)})
                return cls(stored["pictures"], stored["ends"], truth)
        except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path.name} holds no person of this training; remove it and run `data` again"
            ) from error


def make(seed: int, count: int, size: int, assets: Path | None) -> Person:
    """A portrait and `count` acts of a seed's person, `size` pixels a side.

    `assets`: as in `heads.people.sitter`.
    """
    rng = np.random.default_rng([seed, 31])
    sitter = _framed(heads.sitter(seed, assets), rng)
    head = TalkingHead(size, sitter)
    still = acts.neutral(rng)
    shown = [still, *(acts.act(rng, still.coefficients) for _ in range(count))]
    truth = Measured(head, sitter.lens, sitter.field_of_view).truth(shown, rng)
    files = [_jpeg(head.draw(act.coefficients, act.euler_deg)) for act in shown]
    return Person(np.concatenate(files), np.cumsum([len(file) for file in files]), truth)


def make_all(
    folder: Path,
    *,
    first: int,
    count: int,
    step: int,
    pictures: int,
    size: int,
    assets: Path | None,
) -> None:
    """Makes people of the seeds `first`, `first + step`, …; who is there is kept.

    Several processes share the work with different `first` and the same `step`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for seed in tqdm(range(first, first + step * count, step), desc="people", unit="person"):
        path = folder / f"person-{seed:06}.npz"
        if not path.exists():
            make(seed, pictures, size, assets).save(path)


def files(folder: Path, *, held_out: bool) -> list[Path]:
    """The people to learn from, or those held out; `FileNotFoundError` where there are none."""
    found = [
        path
        for path in _all(folder)
        if (_seed(path) % HELD_OUT_EACH == HELD_OUT_EACH - 1) == held_out
    ]
    if not found:
        kind = "held-out people" if held_out else "people to learn from"
        raise FileNotFoundError(
            f"no {kind} in {folder}: `python -m engines.nets.portrait data` makes them"
            f" (one in {HELD_OUT_EACH} is held out)"
        )
    return found


def _all(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob("person-*.npz"))


def _seed(path: Path) -> int:
    return int(path.stem.removeprefix("person-"))


def _framed(sitter: Sitter, rng: np.random.Generator) -> Sitter:
    """The same person before a camera that sees the renderer's crop, not quite exactly."""
    across, up = rng.normal(0.0, 0.5, 2).clip(-1.0, 1.0)
    half = _HALF * rng.uniform(0.93, 1.07)
    distance = sitter.lens[2]
    return replace(
        sitter,
        lens=(float(across), _ABOVE + float(up), distance),
        field_of_view=2 * math.atan(float(half) / (distance - _FACE_DEPTH)),
    )


def _jpeg(picture: Rgb) -> NDArray[np.uint8]:
    _, file = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return np.asarray(file, np.uint8).ravel()

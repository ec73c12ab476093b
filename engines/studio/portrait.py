"""Files of a built-in avatar: an RGBA picture and facts go in; portrait, matte, record come out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.avatars import Record

_QUALITY = 92


def write_avatar(
    folder: Path,
    rgba: NDArray[np.uint8],
    *,
    backdrop: tuple[str, str],
    name: str,
    description: str,
    style: str,
    origin: str,
    skin_origin: str,
) -> Record:
    """Writes `portrait.jpg`, `matte.png` and `record.json` into `folder`, named after the id.

    `rgba`: `(h, h, 4)` with straight alpha; `backdrop`: hexadecimal colours in the middle and at
    the rim of a soft gradient.
    """
    folder.mkdir(parents=True, exist_ok=True)
    alpha = rgba[..., 3:].astype(np.float64) / 255.0
    picture = rgba[..., :3] * alpha + gradient(rgba.shape[0], *backdrop) * (1.0 - alpha)
    bgr = np.clip(picture + 0.5, 0, 255).astype(np.uint8)[..., ::-1]
    portrait, matte = folder / "portrait.jpg", folder / "matte.png"
    cv2.imwrite(str(portrait), bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    cv2.imwrite(str(matte), rgba[..., 3], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    record = Record(
        id=folder.name,
        name=name,
        description=description,
        kind="synthetic",
        style=style,
        origin=origin,
        skin_origin=skin_origin,
        licence="CC0-1.0",
        consent="Synthetic: shows no real person.",
        portrait_sha256=hashlib.sha256(portrait.read_bytes()).hexdigest(),
        matte_sha256=hashlib.sha256(matte.read_bytes()).hexdigest(),
    )
    text = json.dumps(asdict(record), indent=2, ensure_ascii=False) + "\n"
    (folder / "record.json").write_text(text, encoding="utf-8")
    return record


def gradient(side: int, middle: str, rim: str) -> NDArray[np.float64]:
    """`(side, side, 3)` RGB 0…255 with a trace of noise against banding."""
    row, column = np.mgrid[0:side, 0:side] / side
    away = np.clip(np.hypot(column - 0.5, row - 0.42) / 0.75, 0.0, 1.0)[..., None]
    away = away * away * (3.0 - 2.0 * away)
    inner, outer = (np.array(list(bytes.fromhex(colour))) for colour in (middle, rim))
    noise = np.random.default_rng(0).normal(size=(side, side, 3)) * 0.8
    return np.asarray(inner * (1.0 - away) + outer * away + noise)


def contact_sheet(folders: list[Path], path: Path, *, side: int = 240, columns: int = 9) -> None:
    """Writes the portraits of `folders`, less some of their air, side by side into one JPEG."""
    tiles = []
    for folder in folders:
        picture = cv2.imread(str(folder / "portrait.jpg"))
        assert picture is not None
        high, margin = picture.shape[0], picture.shape[0] // 8
        shown = picture[high // 5 :, margin : margin + high - high // 5]
        tiles.append(cv2.resize(shown, (side, side), interpolation=cv2.INTER_AREA))
    while len(tiles) % columns:
        tiles.append(np.full((side, side, 3), 255, np.uint8))
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 90])

"""Measuring a refiner: held-out people and checkpoints go in, figures and sheets come out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from engines.nets.refiner.batches import Batch, Crops
from engines.nets.refiner.losses import gmsd, psnr
from engines.nets.refiner.network import PARTS, apply
from engines.nets.refiner.training import corrections, load, pieces
from engines.types import Floats, Rgb

_AT_ONCE = 32
_SHOWN = 3
"""Times a crop is enlarged in a sheet."""
_TURNS = ((0.0, 15.0), (15.0, 25.0), (25.0, 90.0))


def measure(work: Path, part_name: str) -> list[dict[str, float]]:
    """Rows for the turns of the head: pairs, PSNR of the opening and of the crop, GMSD."""
    batch = Crops(work / "people", PARTS[part_name]).held_out()
    made = corrected(work, part_name, batch)
    reach = 2 * (batch.true.shape[-1] // 24) + 1
    inside = torch.nn.functional.max_pool2d(batch.opening, reach, 1, reach // 2)
    whole = torch.ones_like(inside)
    figures = {
        "inside": (psnr(batch.warped, batch.true, inside), psnr(made, batch.true, inside)),
        "crop": (psnr(batch.warped, batch.true, whole), psnr(made, batch.true, whole)),
        "gmsd": (gmsd(batch.warped, batch.true), gmsd(made, batch.true)),
    }
    rows = []
    for low, high in _TURNS:
        kept = (batch.yaw.abs() >= low) & (batch.yaw.abs() < high)
        row = {"yaw_from": low, "yaw_to": high, "pairs": float(kept.sum())}
        for name, (warp, refined) in figures.items():
            seen = kept & (inside.flatten(1).sum(1) > 1)
            row |= {
                f"{name}_warp": warp[seen].mean().item(),
                f"{name}_refined": refined[seen].mean().item(),
            }
        rows.append(row)
    return rows


def corrected(work: Path, part_name: str, batch: Batch) -> Tensor:
    """What the trained network makes of a batch's warped crops."""
    net = load(work / f"{part_name}.pt", part_name)
    with torch.no_grad():
        return torch.cat(
            [
                apply(corrections(net, piece), piece.warped, piece.opening)
                for piece in pieces(batch, _AT_ONCE)
            ]
        )


def sheet(work: Path, part_name: str, path: Path, columns: int = 8, bands: int = 3) -> None:
    """A picture of held-out crops that move most: bands of rows at rest, true, warped, refined."""
    batch = Crops(work / "people", PARTS[part_name]).held_out()
    count = 80 if part_name == "mouth" else 32
    moved = batch.features[:, count : 2 * count].abs().mean(1)
    strong = torch.argsort(moved, descending=True)[: len(moved) // 2]
    chosen = strong[torch.linspace(0, len(strong) - 1, columns * bands).long()]
    picked = Batch(*(getattr(batch, name)[chosen] for name in Batch.__slots__))
    made = corrected(work, part_name, picked)
    rows = []
    for band in range(bands):
        own = slice(band * columns, (band + 1) * columns)
        rows += [_row(crops[own]) for crops in (picked.resting, picked.true, picked.warped, made)]
    save(path, rows)


def _row(crops: Tensor) -> Rgb:
    pictures: Floats = crops.clamp(0, 1).permute(0, 2, 3, 1).numpy()
    large = [
        cv2.resize(picture, None, fx=_SHOWN, fy=_SHOWN, interpolation=cv2.INTER_CUBIC)
        for picture in pictures
    ]
    return (np.hstack(large) * 255 + 0.5).clip(0, 255).astype(np.uint8)


def save(path: Path, rows: Sequence[Rgb]) -> None:
    """Writes rows of pictures as one picture."""
    if not cv2.imwrite(str(path), np.ascontiguousarray(np.vstack(rows)[..., ::-1])):
        raise OSError(f"the sheet {path} cannot be written")

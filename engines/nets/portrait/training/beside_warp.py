"""The trained networks beside the warp renderer: the same held-out people and drivers for both.

The networks see the driving picture, the warp renderer what the tracker finds in it; both are laid
beside the true picture of that act.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from engines.errors import UnusablePortrait
from engines.nets.portrait.config import PortraitModules
from engines.nets.portrait.keypoints import Pose
from engines.nets.portrait.training import losses, people
from engines.nets.portrait.training.batches import gather
from engines.nets.portrait.training.drawing import draw
from engines.nets.portrait.training.people import Person
from engines.nets.refiner.losses import gmsd, psnr
from engines.nets.refiner.pairs import SIZE, Stage
from engines.renderers.warp.framing import frame
from engines.trackers.litert import LitertTracker
from engines.types import Face, Picture, Portrait, Rgb, Tracker
from engines.weights import ModelStore

FIGURES = "beside_warp.json"
_EACH = 6
_STEEP = 20.0
"""Degrees of yaw from which on a turn counts as a large one."""


def run(modules: PortraitModules, work: Path, count: int, sheet: Path | None) -> None:
    """Prints means over held-out pairs and writes them to `FIGURES`; `sheet`: a PNG to write.

    Raises `FileNotFoundError` where the folder has no people.
    """
    files = people.files(work / "people", held_out=True)[:count]
    tracker = LitertTracker(ModelStore())
    rows, shown = [], []
    try:
        for path in files:
            for number, pair in enumerate(_pairs(Person.load(path), tracker)):
                made, row = _compare(modules, *pair)
                rows.append(row)
                if number < 2:
                    shown.append(made)
    finally:
        tracker.close()
    if not rows:
        raise FileNotFoundError(f"the tracker finds no face in the people of {work / 'people'}")
    figures = _means(rows)
    (work / FIGURES).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))
    if sheet is not None:
        cv2.imwrite(str(sheet), np.concatenate(shown)[..., ::-1])


def _pairs(person: Person, tracker: Tracker) -> Iterator[tuple[Person, int, Rgb]]:
    """A person, the number of a driving picture, what the warp renderer makes of the portrait."""
    portrait = person.picture(0)
    faces = tuple(tracker.find(Picture(portrait)))
    try:
        stage = Stage(Portrait(portrait, faces))
    except UnusablePortrait:
        return
    for number in range(1, min(_EACH + 1, len(person.ends))):
        found = tracker.find(Picture(person.picture(number)))
        if found:
            _, _, warped = stage.act(found[0])
            yield person, number, _put_back(warped, portrait, faces[0])


def _put_back(warped: Rgb, portrait: Rgb, face: Face) -> Rgb:
    """The warp renderer's picture where its frame lies in the portrait; around it the portrait."""
    before = face.landmarks[:468, :2].astype(np.float64)
    after = frame(Portrait(portrait, (face,)), face, SIZE).landmarks[:468, :2]
    scale = float(np.ptp(before[:, 1]) / np.ptp(after[:, 1]))
    matrix = np.column_stack([scale * np.eye(2), before[0] - scale * after[0]])
    side = portrait.shape[1::-1]
    there = cv2.warpAffine(warped, matrix, side, flags=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(np.full(warped.shape, 255, np.uint8), matrix, side) == 255
    return np.where(inside, there, portrait).astype(np.uint8)


def _compare(
    modules: PortraitModules, person: Person, number: int, warped: Rgb
) -> tuple[Rgb, dict[str, float]]:
    batch = gather([(person, 0, number)])
    source, true = batch.source.picture, batch.driving.picture
    poses = [side.pose.implicit() for side in (batch.source, batch.driving)]
    with torch.no_grad():
        told = [Pose.of(modules.motion(picture)).implicit() for picture in (source, true)]
        drawn = {"network": draw(modules, source, *told), "told": draw(modules, source, *poses)}
    drawn |= {"warp": _planes(warped), "still": source}
    weight = losses.weight(poses[1], true.shape[-1])
    row = {"yaw": float(person.truth.angles[number, 1] - person.truth.angles[0, 1])}
    for name, picture in drawn.items():
        row[f"{name}_psnr"] = psnr(picture, true, weight).item()
        row[f"{name}_gmsd"] = gmsd(picture, true).item()
    strip = [source, true, drawn["network"], drawn["told"], drawn["warp"]]
    return np.concatenate([_rgb(picture) for picture in strip], axis=1), row


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    """Over all pairs, and over those with a large turn."""
    steep = [row for row in rows if abs(row["yaw"]) >= _STEEP]
    figures: dict[str, float] = {"pairs": len(rows), "steep_pairs": len(steep)}
    for name in rows[0]:
        if name != "yaw":
            figures[name] = round(float(np.mean([row[name] for row in rows])), 4)
            if steep:
                figures[f"steep_{name}"] = round(float(np.mean([row[name] for row in steep])), 4)
    better = np.mean([row["network_psnr"] > row["warp_psnr"] for row in rows])
    return figures | {"better_than_warp": round(float(better), 4)}


def _planes(picture: Rgb) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


def _rgb(picture: Tensor) -> Rgb:
    planes = (picture[0].clamp(0, 1) * 255 + 0.5).to(torch.uint8)
    return np.ascontiguousarray(planes.permute(1, 2, 0).numpy())

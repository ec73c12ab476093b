"""Making the data: seeds go in, files of training pairs come out; what is there is kept."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from engines.nets.refiner import pairs
from engines.trackers.litert import LitertTracker
from engines.types import Weights


def make(
    folder: Path,
    weights: Weights,
    *,
    first: int,
    people: int,
    step: int = 1,
    pictures: int = 36,
    assets: Path | None = None,
) -> None:
    """Makes `people` people of the seeds `first`, `first + step`, …, of `pictures` pictures each.

    Several processes can share the work with different `first` and the same `step`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tracker = LitertTracker(weights)
    try:
        seeds = range(first, first + step * people, step)
        for seed in tqdm(seeds, desc="people", unit="person", mininterval=5.0):
            path = pairs.path_of(folder, seed)
            if path.exists():
                continue
            person = pairs.make(seed, pictures, tracker, assets)
            if person is not None:
                person.save(path)
    finally:
        tracker.close()

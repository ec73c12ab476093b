"""Mattes of built-in portraits against the exact ones that they come with."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engines import avatars
from engines.errors import ModelUnavailable
from engines.guided_filter import guided_filter
from engines.matte import matte
from engines.trackers.litert import LitertTracker
from engines.types import Face, Picture, Rgb
from engines.weights import ModelStore
from tests.scenes import portrait

NAMES = ("ada", "kofi", "sam")


class NoWeights:
    """As on a machine without a network."""

    def path(self, name: str) -> Path:
        raise ModelUnavailable(f"{name} is not here")


@pytest.fixture(scope="module")
def faces() -> dict[str, Face]:
    tracker = LitertTracker(ModelStore())
    found = {name: tracker.find(Picture(portrait(name)))[0] for name in NAMES}
    tracker.close()
    return found


def exact(name: str) -> NDArray[np.float64]:
    grey = cv2.imread(str(avatars.folder(name) / "matte.png"), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    height, width = portrait(name).shape[:2]
    return np.asarray(cv2.resize(grey, (width, height)), np.float64) / 255


def overlap(found: NDArray[np.uint8], true: NDArray[np.float64]) -> float:
    share = found / 255
    return float(np.minimum(share, true).sum() / np.maximum(share, true).sum())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "weights", [ModelStore(), NoWeights(), None], ids=["net", "no net", "none"]
)
def test_mattes_are_close_to_the_exact_ones(
    name: str, weights: ModelStore | NoWeights | None, faces: dict[str, Face]
) -> None:
    rgb = portrait(name)
    found = matte(rgb, faces[name], weights)
    assert found.shape == rgb.shape[:2]
    assert found.dtype == np.uint8
    assert overlap(found, exact(name)) > 0.97
    again = matte(rgb, faces[name], weights)
    np.testing.assert_array_equal(found, again)


def test_somebody_else_in_the_picture_is_background(faces: dict[str, Face]) -> None:
    left, right = portrait("kofi"), portrait("sam")
    both: Rgb = np.concatenate([left, right], axis=1)
    found = matte(both, faces["kofi"], ModelStore())
    width = left.shape[1]
    assert overlap(found[:, :width], exact("kofi")) > 0.95
    assert found[:, width:].mean() < 0.1 * found[:, :width].mean()


def test_the_filter_lays_a_rough_edge_where_the_picture_has_it() -> None:
    y, x = np.mgrid[:120, :160]
    true = ((x - 80) ** 2 + (y - 60) ** 2 < 40**2).astype(np.float32)
    colours = np.where(true[..., None] > 0, (180, 120, 90), (60, 90, 160)).astype(np.float64)
    noise = np.random.default_rng(0).normal(0, 4, colours.shape)
    guide = np.clip(colours + noise, 0, 255).astype(np.uint8)
    rough = np.roll(
        np.asarray(cv2.blur(true, (9, 9)), np.float32), 4, axis=1
    )  # blurred and shifted
    fine = guided_filter(guide, rough, radius=10)
    wrong_before, wrong_after = (((values > 0.5) != (true > 0.5)).sum() for values in (rough, fine))
    assert wrong_before > 400
    assert wrong_after < 0.02 * wrong_before


def test_a_flat_guide_gives_the_mean() -> None:
    values = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    flat = np.full((40, 50, 3), 128, np.uint8)
    twice = cv2.blur(cv2.blur(values, (7, 7)), (7, 7))
    np.testing.assert_allclose(guided_filter(flat, values, radius=3), twice, atol=1e-3)

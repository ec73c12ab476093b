"""Parts are found by entry points, a stranger's like our own; spaces that differ are refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engines import registry
from engines.errors import SpaceMismatch, UnknownPart
from engines.types import Motion, Portrait, Renderer, Space

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A second distribution on the path, with one renderer and one part that cannot be imported."""
    info = tmp_path / "mirror-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mirror\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[visavis.renderers]\nmirror = mirror:MirrorRenderer\n"
        "[visavis.trackers]\nbroken = no_such_package:Tracker\nmisnamed = mirror:Tracker\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(PLUGIN))
    yield
    sys.modules.pop("mirror", None)


@pytest.mark.usefixtures("stranger")
def test_a_strangers_renderer_is_a_small_package_and_nothing_else() -> None:
    assert "mirror" in registry.names("renderers")
    renderer = registry.renderer("mirror")
    assert isinstance(renderer, Renderer)
    rgb = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
    avatar = renderer.prepare(Portrait(rgb, ()), id="a", consent="c", size=4)
    picture = renderer.render(avatar, Motion.neutral(7, 8))
    assert (picture.pts_ns, picture.captured_ns) == (7, 8)
    np.testing.assert_array_equal(picture.rgb, rgb[:, ::-1])


@pytest.mark.usefixtures("stranger")
def test_a_part_whose_packages_are_missing_says_which() -> None:
    with pytest.raises(UnknownPart, match="no_such_package"):
        registry.load("trackers", "broken")


@pytest.mark.usefixtures("stranger")
def test_a_part_that_is_not_where_it_says_is_named() -> None:
    with pytest.raises(UnknownPart, match="mirror:Tracker"):
        registry.load("trackers", "misnamed")


def test_our_own_parts_are_registered() -> None:
    assert {"litert", "mediapipe"} <= set(registry.names("trackers"))
    assert "face" in registry.names("drivers")
    assert {"warp", "echo"} <= set(registry.names("renderers"))
    assert {"hibari", "espeak", "openai"} <= set(registry.names("voices"))
    assert "litert" in registry.names("backends")


def test_an_unknown_part_names_the_known_ones() -> None:
    with pytest.raises(UnknownPart, match=r"'wrap'.*warp"):
        registry.renderer("wrap")


def test_parts_of_different_spaces_do_not_meet() -> None:
    driver = SimpleNamespace(space=Space.ARKIT52)
    renderer = SimpleNamespace(space=Space.MESH478, name="warp")
    with pytest.raises(SpaceMismatch, match=r"arkit52.*mesh478"):
        registry.check_spaces(driver, renderer)

"""The neural portrait's renderer, with networks that can be followed by eye."""

from __future__ import annotations

import gc
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engines import implicit_map, implicit_map_fit
from engines.blendshapes import to_mesh
from engines.errors import DeviceFull, DeviceLost, ModelUnavailable, UnusablePortrait
from engines.implicit_keypoints import as_input, driven
from engines.network_source import NetworkSource
from engines.portrait_models import PortraitModels
from engines.portrait_networks import PortraitNetworks
from engines.renderers.portrait import PortraitRenderer
from engines.renderers.portrait.pose import change
from engines.renderers.warp import WarpRenderer
from engines.types import (
    Avatar,
    Backdrop,
    BackdropKind,
    Motion,
    Portrait,
    Renderer,
    Rgb,
    Seated,
    Space,
    Translating,
)
from tests import portrait_fakes
from tests.drawn import NOSE, WALL, centre_of, person, resembles
from tests.exported_sets import ExportedSets
from tests.portrait_fakes import POINTS, Fakes

BLUE = Backdrop(BackdropKind.COLOUR, (20, 40, 220))


def motion(*pose: float, space: Space = Space.IMPLICIT21) -> Motion:
    shape = (POINTS, 3) if space is Space.IMPLICIT21 else (478, 3)
    given = np.array([*pose, *[0.0] * (6 - len(pose))], np.float32)
    return Motion(space, np.zeros(shape, np.float32), given, Motion.neutral().eyes, 7, 5)


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def renderer(tmp_path: Path, fakes: Fakes) -> PortraitRenderer:
    return PortraitRenderer(portrait_fakes.networks(tmp_path, fakes))


def prepared(renderer: Renderer, size: int = 256, portrait: Portrait | None = None) -> Avatar:
    return renderer.prepare(portrait or person(), id="drawn", consent="test", size=size)


def nose(picture: Rgb) -> NDArray[np.float64]:
    return centre_of(resembles(picture, NOSE, within=90))


def test_what_it_says_of_itself(renderer: PortraitRenderer) -> None:
    assert isinstance(renderer, Renderer)
    assert isinstance(renderer, Translating)
    assert isinstance(renderer, Seated)
    assert (renderer.name, renderer.space, renderer.also) == (
        "portrait",
        Space.IMPLICIT21,
        (Space.MESH478,),
    )


def test_at_rest_it_shows_the_portrait_where_the_warp_renderer_shows_it(
    renderer: PortraitRenderer,
) -> None:
    ours = renderer.render(prepared(renderer), motion())
    assert (ours.pts_ns, ours.captured_ns) == (7, 5)
    warp = WarpRenderer()
    theirs = warp.render(prepared(warp), Motion.neutral()).rgb
    assert ours.rgb.shape == (256, 256, 3)
    np.testing.assert_allclose(nose(ours.rgb), nose(theirs), atol=1.5)
    apart = np.abs(ours.rgb.astype(float) - theirs).mean(axis=2)
    assert np.median(apart) < 3  # the fake's picture is enlarged, so edges are soft


@pytest.mark.parametrize("space", [Space.IMPLICIT21, Space.MESH478])
def test_it_moves_as_asked(renderer: PortraitRenderer, space: Space) -> None:
    avatar = prepared(renderer)
    rest = nose(renderer.render(avatar, motion(space=space)).rgb)
    warp = WarpRenderer()
    drawn = prepared(warp)
    for pose in ((0, 0, 0, 0.1), (0, 0, 0, 0, 0.1), (0, 0, 0, -0.1, 0.05)):
        moved = nose(renderer.render(avatar, motion(*pose, space=space)).rgb) - rest
        asked = motion(*pose, space=Space.MESH478)
        theirs = nose(warp.render(drawn, asked).rgb) - nose(
            warp.render(drawn, Motion.neutral()).rgb
        )
        np.testing.assert_allclose(moved, theirs, atol=2)


def test_a_tilted_portrait_is_pasted_back_tilted(renderer: PortraitRenderer) -> None:
    portrait = person(matte=False)
    height, width = portrait.rgb.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -20, 1)
    rgb = cv2.warpAffine(portrait.rgb, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    landmarks = portrait.faces[0].landmarks.copy()
    landmarks[:, :2] = landmarks[:, :2] @ turn[:, :2].T + turn[:, 2]
    face = replace(portrait.faces[0], landmarks=landmarks)
    tilted = Portrait(np.asarray(rgb, np.uint8), (face,))
    warp = WarpRenderer()
    theirs = warp.render(prepared(warp, portrait=tilted), Motion.neutral()).rgb
    ours = renderer.render(prepared(renderer, portrait=tilted), motion()).rgb
    np.testing.assert_allclose(nose(ours), nose(theirs), atol=1.5)


@pytest.mark.parametrize("size", [64, 130, 512, 768])
def test_sizes(renderer: PortraitRenderer, size: int) -> None:
    avatar = prepared(renderer, size)
    picture = renderer.render(avatar, motion(0, 0, 0.1)).rgb
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8
    rest = renderer.render(avatar, motion()).rgb
    assert nose(rest) / size == pytest.approx(
        nose(renderer.render(prepared(renderer, 256), motion()).rgb) / 256, abs=0.01
    )
    border = size // 64  # what is beyond the soft edge stands still
    np.testing.assert_array_equal(picture[:border, :border], rest[:border, :border])


def test_refusals(renderer: PortraitRenderer, tmp_path: Path) -> None:
    for size, reason in ((63, "too_small"), (2049, "too_large")):
        with pytest.raises(UnusablePortrait) as refused:
            prepared(renderer, size)
        assert refused.value.reason == reason
    with pytest.raises(UnusablePortrait, match="no face"):
        prepared(renderer, portrait=replace(person(), faces=()))
    with pytest.raises(ModelUnavailable, match="visavis models export portrait --checkpoint DIR"):
        PortraitRenderer.from_networks(NetworkSource(tmp_path / "nothing"))
    with pytest.raises(ModelUnavailable, match="visavis models fit portrait"):
        PortraitRenderer(portrait_fakes.networks(tmp_path / "unfitted", fitted=False))


def test_backgrounds(renderer: PortraitRenderer, fakes: Fakes) -> None:
    avatar = prepared(renderer)
    blue = renderer.with_backdrop(avatar, BLUE)
    picture = renderer.render(blue, motion()).rgb
    assert resembles(picture, BLUE.colour).mean() > 0.2
    assert resembles(picture, WALL).mean() < 0.01
    np.testing.assert_allclose(nose(picture), nose(renderer.render(avatar, motion()).rgb), atol=1)
    looked = fakes.networks["appearance"].calls
    assert renderer.with_backdrop(avatar, BLUE).features is blue.features
    assert renderer.with_backdrop(blue, BLUE) is blue
    assert renderer.with_backdrop(avatar, Backdrop()) is avatar
    assert fakes.networks["appearance"].calls == looked
    back = renderer.render(renderer.with_backdrop(blue, Backdrop()), motion()).rgb
    np.testing.assert_array_equal(back, renderer.render(avatar, motion()).rgb)
    plain = prepared(renderer, portrait=person(matte=False))
    assert renderer.with_backdrop(plain, BLUE) is plain


def test_parted_lips_are_closed_at_rest(renderer: PortraitRenderer, fakes: Fakes) -> None:
    shut = person()
    landmarks = shut.faces[0].landmarks.copy()
    landmarks[13] = landmarks[14]
    shut = replace(shut, faces=(replace(shut.faces[0], landmarks=landmarks),))
    assert not prepared(renderer, portrait=shut).features.lips.any()
    assert fakes.networks["lips"].calls == 0
    parted = prepared(renderer, portrait=person(jaw=0.4)).features.lips
    assert parted[11, 1] > 0
    assert np.count_nonzero(parted) == 1


def test_what_cannot_be_is_held(renderer: PortraitRenderer) -> None:
    avatar = prepared(renderer)
    for space in (Space.IMPLICIT21, Space.MESH478):
        broken = motion(*[np.nan] * 6, space=space)
        broken = replace(
            broken,
            expression=np.full_like(broken.expression, np.nan),
            eyes=np.full((2, 3), np.nan, np.float32),
        )
        np.testing.assert_array_equal(
            renderer.render(avatar, broken).rgb, renderer.render(avatar, motion()).rgb
        )


def test_one_call_a_picture_from_many_threads(renderer: PortraitRenderer, fakes: Fakes) -> None:
    avatar = prepared(renderer)
    expected = [renderer.render(avatar, motion(0, 0, 0, shift)).rgb for shift in (0.0, 0.1, -0.1)]
    before = {name: network.calls for name, network in fakes.networks.items()}
    wrong: list[int] = []

    def work(which: int) -> None:
        for _ in range(10):
            drawn = renderer.render(avatar, motion(0, 0, 0, (0.0, 0.1, -0.1)[which])).rgb
            if not np.array_equal(drawn, expected[which]):
                wrong.append(which)

    threads = [threading.Thread(target=work, args=(which,)) for which in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    calls = {name: network.calls - before[name] for name, network in fakes.networks.items()}
    assert calls == {"appearance": 0, "motion": 0, "frame": 30, "lips": 0, "eyes": 0}


def test_an_avatar_that_is_gone_lets_the_device_go(
    renderer: PortraitRenderer, fakes: Fakes
) -> None:
    avatars = [prepared(renderer)]
    avatars.append(renderer.with_backdrop(avatars[0], BLUE))
    assert fakes.networks["frame"].bindings == 2
    avatars.clear()
    gc.collect()
    assert fakes.networks["frame"].bindings == 0


def test_seats_and_a_lost_device(renderer: PortraitRenderer, fakes: Fakes) -> None:
    frame = fakes.networks["frame"]
    frame.seats = 1
    seat = renderer.seat()
    with pytest.raises(DeviceFull):
        renderer.seat()
    seat.close()
    seat.close()
    renderer.seat()
    avatar = prepared(renderer)
    frame.dies_after = frame.calls
    with pytest.raises(DeviceLost):
        renderer.render(avatar, motion())


def test_maps_of_other_networks_are_refused(tmp_path: Path) -> None:
    networks = portrait_fakes.networks(tmp_path)
    path = tmp_path / implicit_map.FILE
    good = path.read_bytes()
    sha256 = networks.models.spec("motion").sha256
    assert implicit_map.read(tmp_path, sha256).held_out == 0.9
    with pytest.raises(ModelUnavailable, match=r"another motion network.*models fit portrait"):
        implicit_map.read(tmp_path, "0" * 64)
    for bad in (b"", good[: len(good) // 2], b"PK\x05\x06" + bytes(18), b"x" * (1 << 20) + b"x"):
        path.write_bytes(bad)
        with pytest.raises(ModelUnavailable, match="models fit portrait"):
            implicit_map.read(tmp_path, sha256)
    wrong = portrait_fakes.some_map(sha256)
    for wrong_part in (
        {"pose": np.full((6, 6), np.nan)},
        {"pose": np.eye(5)},
        {"expression": np.zeros((3, 21, 3), np.float32)},
    ):
        implicit_map.write(replace(wrong, **wrong_part), tmp_path)
        with pytest.raises(ModelUnavailable, match="cannot be used"):
            implicit_map.read(tmp_path, sha256)


def test_real_networks_draw_what_they_are_told(exported_sets: ExportedSets, tmp_path: Path) -> None:
    """The whole way with torch's own networks as files, however little random weights can draw."""
    folder = tmp_path / "set"
    shutil.copytree(exported_sets("tiny"), folder)
    models = PortraitModels(folder, untrained=True)
    networks = PortraitNetworks(models, NetworkSource(tmp_path, "onnxruntime"))
    portraits = [person(), person(jaw=0.3)]
    sha256 = models.spec("motion").sha256
    fitted = implicit_map_fit.fit(
        networks.open("motion"), sha256, WarpRenderer(), portraits, samples=10
    )
    implicit_map.write(fitted, folder)
    renderer = PortraitRenderer(networks)
    avatar = prepared(renderer, 256, portraits[1])
    assert networks.backend("frame") == "onnxruntime"
    features = avatar.features
    assert features.lips.any()
    look = networks.open("appearance")
    picture = features.canvas.crop.cut(features.canvas.framed.rgb, look.inputs["picture"][-1])
    volume, compressed = look(as_input(picture))
    source = features.source.placed()[None].astype(np.float32)
    turned = motion(0.05, 0.2, -0.1, 0.05, 0.02, 0.03)
    keypoints = driven(features.source, change(turned, features.face_width)) + features.lips
    (expected,) = networks.open("frame")(
        keypoints[None].astype(np.float32), volume, compressed, source, np.ones((1, 1), np.float32)
    )
    drawn = renderer.render(avatar, turned).rgb
    np.testing.assert_array_equal(drawn, features.paste.over(expected[0]))
    assert not np.array_equal(drawn, renderer.render(avatar, motion()).rgb)
    spoken = replace(motion(space=Space.MESH478), expression=to_mesh(np.full(52, 0.5)))
    assert not np.array_equal(renderer.render(avatar, spoken).rgb, drawn)
    networks.close()

"""The neural portrait's networks: names, shapes and sizes of the public checkpoints, and maths."""

from __future__ import annotations

import json
from math import cos, radians, sin, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engines.nets.portrait import (  # noqa: E402
    AppearanceFeatureExtractor,
    MotionExtractor,
    SPADEDecoder,
    StitchingRetargetingNetwork,
    WarpingNetwork,
)
from engines.nets.portrait.keypoints import Pose, degrees, relative, rotation  # noqa: E402
from engines.nets.portrait.stitching import stitched  # noqa: E402

SPEC: dict[str, dict[str, list[int]]] = json.loads(
    (Path(__file__).parent / "data" / "portrait_state_dict_spec.json").read_text("utf-8")
)
STITCHING = "stitching_retargeting_module.pth:retarget_"
OFFICIAL: dict[str, Any] = {
    "appearance_feature_extractor.pth": AppearanceFeatureExtractor,
    "motion_extractor.pth": MotionExtractor,
    "warping_module.pth": WarpingNetwork,
    "spade_generator.pth": SPADEDecoder,
    STITCHING + "shoulder": StitchingRetargetingNetwork,
    STITCHING + "mouth": lambda: StitchingRetargetingNetwork(65, (128, 128, 64), 63),
    STITCHING + "eye": lambda: StitchingRetargetingNetwork(66, (256, 256, 128, 128, 64), 63),
}
MILLIONS = {
    "appearance_feature_extractor.pth": 0.84,
    "motion_extractor.pth": 28.12,
    "warping_module.pth": 45.53,
    "spade_generator.pth": 55.37,
}


@pytest.mark.parametrize("file", SPEC)
def test_every_name_and_shape_is_that_of_the_public_checkpoints(file: str) -> None:
    with torch.device("meta"):
        module = OFFICIAL[file]()
    ours = {name: list(tensor.shape) for name, tensor in module.state_dict().items()}
    assert list(ours.items()) == list(SPEC[file].items())


@pytest.mark.parametrize("file", MILLIONS)
def test_parameter_counts_are_the_published_ones(file: str) -> None:
    with torch.device("meta"):
        module = OFFICIAL[file]()
    assert round(sum(p.numel() for p in module.parameters()) / 1e6, 2) == MILLIONS[file]


def test_official_shapes_go_through() -> None:
    with torch.device("meta"):
        volume = AppearanceFeatureExtractor()(torch.empty(1, 3, 256, 256))
        motion = MotionExtractor()(torch.empty(1, 3, 256, 256))
        points = torch.empty(1, 21, 3)
        warped = WarpingNetwork()(volume, kp_driving=points, kp_source=points)
        picture = SPADEDecoder()(warped["out"])
    assert volume.shape == (1, 32, 16, 64, 64)
    assert {name: tuple(out.shape) for name, out in motion.items()} == {
        "pitch": (1, 66), "yaw": (1, 66), "roll": (1, 66), "t": (1, 3), "exp": (1, 63),
        "scale": (1, 1), "kp": (1, 63),
    }  # fmt: skip
    assert warped["occlusion_map"].shape == (1, 1, 64, 64)
    assert warped["deformation"].shape == (1, 16, 64, 64, 3)
    assert warped["out"].shape == (1, 256, 64, 64)
    assert picture.shape == (1, 3, 512, 512)


def test_unknown_backbones_and_unfoldable_volumes_are_refused() -> None:
    with pytest.raises(ValueError, match="convnextv2_base"):
        MotionExtractor(backbone="convnextv2_base")
    with pytest.raises(ValueError, match="512 features do not fold into 32 × 8"):
        AppearanceFeatureExtractor(reshape_depth=8)


def test_angles_are_the_mean_of_bins_of_three_degrees() -> None:
    logits = torch.full((3, 66), -50.0)
    logits[0, 0] = logits[1, 65] = 50.0
    logits[2] = 0.0
    assert degrees(logits).numpy() == pytest.approx(np.array([[-97.5], [97.5], [0.0]]), abs=1e-4)
    assert degrees(torch.tensor([[12.5]])).item() == 12.5


def _euler(pitch: float, yaw: float, roll: float) -> Any:
    p, y, r = map(radians, (pitch, yaw, roll))
    x = np.array([[1, 0, 0], [0, cos(p), -sin(p)], [0, sin(p), cos(p)]])
    u = np.array([[cos(y), 0, sin(y)], [0, 1, 0], [-sin(y), 0, cos(y)]])
    z = np.array([[cos(r), -sin(r), 0], [sin(r), cos(r), 0], [0, 0, 1]])
    return (z @ u @ x).T


def test_rotation_is_the_transpose_of_roll_after_yaw_after_pitch() -> None:
    angles = [(0.0, 0.0, 0.0), (10.0, 0.0, 0.0), (0.0, -25.0, 0.0), (0.0, 0.0, 33.0), (9, -40, 17)]
    ours = rotation(torch.tensor(angles, dtype=torch.float64)).numpy()
    assert ours == pytest.approx(np.stack([_euler(*each) for each in angles]), abs=1e-12)


def _pose(seed: int) -> Pose:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Any:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return Pose(
        20 * draw(1, 3), draw(1, 3), 0.1 * draw(1, 21, 3), 1 + draw(1, 1).abs(), draw(1, 21, 3)
    )


def test_keypoints_are_turned_offset_scaled_and_moved_within_the_picture() -> None:
    pose = _pose(1)
    turned = pose.keypoints[0].numpy() @ _euler(*pose.angles[0].tolist())
    expected = pose.scale.item() * (turned + pose.expression[0].numpy())
    expected[:, :2] += pose.translation[0, :2].numpy()
    assert pose.implicit()[0].numpy() == pytest.approx(expected, abs=1e-12)


def test_poses_are_read_off_the_motion_network() -> None:
    network = MotionExtractor(depths=(1, 1, 1, 1), dims=(4, 4, 8, 8)).eval()
    with torch.inference_mode():
        outputs = network(torch.rand(2, 3, 32, 32))
        pose = Pose.of(outputs)
    assert pose.keypoints.shape == pose.expression.shape == (2, 21, 3)
    assert torch.equal(pose.expression[1, 4], outputs["exp"][1, 12:15])
    assert torch.equal(pose.angles[:, 1:2], degrees(outputs["yaw"]))


def test_a_driver_who_has_not_moved_leaves_the_source_alone() -> None:
    source, first = _pose(2), _pose(3)
    assert torch.allclose(relative(source, first, first), source.implicit())
    turned = Pose(
        first.angles + torch.tensor([[0.0, 5.0, 0.0]]),
        first.translation + torch.tensor([[0.25, 0.0, 9.0]]),
        first.expression,
        2 * first.scale,
        first.keypoints,
    )
    moved = relative(source, turned, first)
    assert not torch.allclose(moved, source.implicit())
    spread = (moved - moved.mean(1, keepdim=True)).norm()
    still = (source.implicit() - source.implicit().mean(1, keepdim=True)).norm()
    assert 1.6 < spread / still < 2.4  # twice as large, apart from the expression


def test_stitching_offsets_each_keypoint_and_all_of_them_in_the_picture_only() -> None:
    def offsets(both: Any) -> Any:
        assert both.shape == (1, 126)
        assert both[0, 63].item() == 5.0  # the source comes first
        return torch.arange(65.0).reshape(1, 65)

    source, driving = torch.zeros(1, 21, 3), torch.full((1, 21, 3), 5.0)
    moved = stitched(offsets, source, driving)
    assert moved[0, 0].tolist() == [5 + 0 + 63, 5 + 1 + 64, 5 + 2]
    half = stitched(offsets, source, driving, torch.tensor([[0.5]]))
    assert torch.allclose(half - driving, (moved - driving) / 2)
    assert torch.equal(stitched(offsets, source, driving, 0.0), driving)


def test_response_norm_and_layer_norm_match_their_formulas() -> None:
    network = MotionExtractor(depths=(1, 1, 1, 1), dims=(4, 4, 4, 4)).detector.double()
    x = torch.randn(2, 3, 5, 16, dtype=torch.float64)
    norm = network.stages[0][0].grn
    with torch.no_grad():
        norm.gamma.normal_()
        norm.beta.normal_()
        energy = x.square().sum((1, 2), keepdim=True).sqrt()
        share = energy / (energy.mean(3, keepdim=True) + 1e-6)
        assert torch.allclose(norm(x), norm.gamma * x * share + norm.beta + x)
        channels = torch.randn(2, 4, 3, 5, dtype=torch.float64)
        first = network.downsample_layers[0][1]
        first.weight.normal_()
        deviation = channels - channels.mean(1, keepdim=True)
        plain = deviation / (deviation.square().mean(1, keepdim=True) + 1e-6).sqrt()
        expected = first.weight[:, None, None] * plain + first.bias[:, None, None]
        assert torch.allclose(first(channels), expected)


def test_spectral_norm_divides_by_the_stored_vectors_largest_stretch() -> None:
    torch.manual_seed(4)
    decoder = SPADEDecoder(
        max_features=8, block_expansion=2, out_channels=4, middle_blocks=1, hidden=4
    ).eval()
    decoder.double()
    conv = decoder.G_middle_0.conv_0
    x = torch.randn(1, 16, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        stretch = conv.weight_u @ conv.weight_orig.flatten(1) @ conv.weight_v
        expected = torch.nn.functional.conv2d(x, conv.weight_orig / stretch, conv.bias, padding=1)
        assert torch.allclose(conv(x), expected)
    assert stretch.item() < sqrt(conv.weight_orig.square().sum().item())

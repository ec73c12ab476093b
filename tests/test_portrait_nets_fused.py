"""What runs per frame gives what the plain networks give; each rewrite by itself, and together."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from engines.nets.portrait.artefacts import (  # noqa: E402
    ARTEFACTS,
    AppearanceArtefact,
    EyesArtefact,
    FrameArtefact,
    LipsArtefact,
    MotionArtefact,
)
from engines.nets.portrait.config import COMPACT, OFFICIAL, build  # noqa: E402
from engines.nets.portrait.folding import spectral_weight, without_batch_norms  # noqa: E402
from engines.nets.portrait.fused_decoder import FusedDecoder  # noqa: E402
from engines.nets.portrait.fused_warping import FusedWarping  # noqa: E402
from engines.nets.portrait.keypoints import Pose  # noqa: E402
from engines.nets.portrait.phases import PhasedConvolution  # noqa: E402
from engines.nets.portrait.sampling import SAMPLINGS  # noqa: E402
from engines.nets.portrait.stitching import stitched  # noqa: E402
from tests.portrait_sets import TINY, random_set  # noqa: E402


def _far(a: Any, b: Any) -> float:
    return float((a - b).abs().max())


@pytest.fixture(autouse=True)
def _no_gradients() -> Any:
    with torch.inference_mode():
        yield


def test_batch_norms_are_gone_and_the_original_is_left_alone() -> None:
    appearance = random_set().appearance.double()
    picture = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    before = appearance(picture)
    folded = without_batch_norms(appearance)
    assert _far(folded(picture), before) < 1e-12
    assert torch.equal(appearance(picture), before)
    norms = [type(part).__name__ for part in folded.modules() if "BatchNorm" in type(part).__name__]
    assert norms == ["BatchNorm3d"] * 2  # one at the head of each residual block


def test_the_spectral_weight_is_what_the_network_uses() -> None:
    conv = random_set().decoder.up_0.conv_s
    x = torch.randn(1, 16, 3, 3)
    expected = torch.nn.functional.conv2d(x, spectral_weight(conv).float())
    assert _far(conv(x), expected) < 1e-5
    largest = torch.linalg.matrix_norm(spectral_weight(conv).flatten(1), 2)
    assert largest.item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("form", SAMPLINGS)
@pytest.mark.parametrize("reach", [0.9, 1.0, 1.6])
def test_samplings_agree_also_beyond_the_volume(form: str, reach: float) -> None:
    torch.manual_seed(3)
    volume = torch.randn(2, 3, 4, 5, 7, dtype=torch.float64)
    places = (torch.rand(2, 3, 6, 5, 3, dtype=torch.float64) * 2 - 1) * reach
    places[:, 0, 0] = torch.tensor([1.0, -1.0, 1.0])
    places[:, 0, 1] = torch.tensor([0.0, 1 - 1 / 5, 1 - 1 / 4])
    places[:, 0, 2] = torch.tensor([-1 - 1 / 7, 1 + 1 / 5, 1 + 1 / 4])
    places[:, 0, 3] = 1e4
    expected = torch.nn.functional.grid_sample(volume, places, align_corners=False)
    assert _far(SAMPLINGS[form](volume, places), expected) < 1e-10
    single = SAMPLINGS[form](volume.float(), places.float())
    assert _far(single, expected) < 2e-5
    assert _far(SAMPLINGS[form](volume, places + 0.1), expected) > 0.05


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_phases_give_the_convolution_of_the_upsampled_map(factor: int) -> None:
    torch.manual_seed(factor)
    conv = torch.nn.Conv2d(5, 3, 3, padding=1).double().requires_grad_(False)
    x = torch.randn(2, 5, 4, 6, dtype=torch.float64)
    upsampled = torch.nn.functional.interpolate(x, scale_factor=factor, mode="nearest")
    assert _far(PhasedConvolution(conv, factor)(x), conv(upsampled).relu()) < 1e-12


def test_phases_of_other_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="not 3 × 3"):
        PhasedConvolution(torch.nn.Conv2d(2, 2, 5), 2)


def _volume_and_points(dtype: Any, seed: int = 5) -> tuple[Any, Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    volume = torch.randn(1, 4, 4, 16, 16, generator=generator, dtype=torch.float64)
    driving, source = (
        torch.rand(1, 21, 3, generator=generator, dtype=torch.float64) * 1.6 - 0.8 for _ in "ds"
    )
    return volume.to(dtype), driving.to(dtype), source.to(dtype)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 2e-4)])
def test_the_fused_warping_is_the_plain_one(sampling: str, dtype: Any, bound: float) -> None:
    plain = random_set().warping.to(dtype)
    volume, driving, source = _volume_and_points(dtype)
    compressed = plain.dense_motion_network.compressed(volume)
    expected = plain(volume, kp_driving=driving, kp_source=source)["out"]
    fused = FusedWarping(plain, sampling)
    assert _far(fused(volume, compressed, driving, source), expected) < bound
    assert _far(fused(volume, compressed, source, driving), expected) > 100 * bound


@pytest.mark.parametrize("occlusion", [True, False])
def test_the_occlusion_can_be_left_out(occlusion: bool) -> None:
    plain = random_set().warping.double()
    plain.flag_use_occlusion_map = occlusion
    volume, driving, source = _volume_and_points(torch.float64)
    compressed = plain.dense_motion_network.compressed(volume)
    expected = plain(volume, kp_driving=driving, kp_source=source)["out"]
    assert _far(FusedWarping(plain)(volume, compressed, driving, source), expected) < 1e-10


@pytest.mark.parametrize("phases", [True, False])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 5e-5)])
@pytest.mark.parametrize("upscale", [1, 2])
def test_the_fused_decoder_is_the_plain_one(
    phases: bool, dtype: Any, bound: float, upscale: int
) -> None:
    from dataclasses import replace  # noqa: PLC0415

    plain = random_set(replace(TINY, upscale=upscale)).decoder.to(dtype)
    feature = torch.randn(1, 8, 16, 16, dtype=dtype)
    expected = plain(feature)
    assert expected.shape == (1, 3, 64 * upscale, 64 * upscale)
    assert _far(FusedDecoder(plain, phases)(feature), expected) < bound
    assert expected.std() > 0.05


def _frame(sampling: str = "native", phases: bool = True) -> tuple[Any, Any, dict[str, Any]]:
    modules = random_set()
    frame = FrameArtefact(modules, sampling, phases)  # type: ignore[arg-type]
    portrait = AppearanceArtefact(modules)(torch.rand(1, 3, 64, 64))
    inputs = frame.example_inputs(1)
    inputs["volume"], inputs["compressed"] = portrait
    return modules, frame, inputs


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_frame_is_stitched_warped_and_decoded(strength: float, sampling: str) -> None:
    modules, frame, inputs = _frame(sampling)
    inputs["stitching"] = torch.tensor([[strength]])
    source, driving = inputs["source_keypoints"], inputs["keypoints"]
    moved = stitched(modules.stitching, source, driving, strength)
    warped = modules.warping(inputs["volume"], kp_driving=moved, kp_source=source)
    expected = (modules.decoder(warped["out"]) * 255).permute(0, 2, 3, 1)
    picture = frame(*inputs.values())
    assert picture.dtype == torch.uint8
    assert picture.shape == (1, 128, 128, 3)
    assert _far(picture.float(), expected) < 0.51


def test_half_keeps_what_would_not_bear_it() -> None:
    _, frame, inputs = _frame("atlas")
    exact = frame.picture(*inputs.values())
    half = frame.half()
    rough = half.picture(*inputs.values())
    assert {p.dtype for p in half.stitching.parameters()} == {torch.float32}
    assert {p.dtype for p in half.decoder.parameters()} == {torch.float16}
    assert rough.dtype == torch.float32
    assert 0 < _far(rough, exact) < 0.02
    assert half(*inputs.values()).dtype == torch.uint8


def test_the_other_artefacts_are_their_networks() -> None:
    modules = random_set()
    picture = torch.rand(1, 3, 64, 64)
    volume, compressed = AppearanceArtefact(modules)(picture)
    assert _far(volume, modules.appearance(picture)) < 1e-5
    expected = modules.warping.dense_motion_network.compressed(volume)
    assert _far(compressed, expected) < 1e-5
    pose = Pose.of(modules.motion(picture))
    angles, translation, expression, scale, keypoints = MotionArtefact(modules)(picture)
    assert torch.equal(angles, pose.angles)
    assert torch.equal(translation, pose.translation)
    assert torch.equal(expression, pose.expression)
    assert torch.equal(scale, pose.scale)
    assert torch.equal(keypoints, pose.keypoints)
    for artefact, network, count in (
        (LipsArtefact(modules), modules.lips, 2),
        (EyesArtefact(modules), modules.eyes, 3),
    ):
        inputs = artefact.example_inputs()
        assert inputs["ratios"].shape == (1, count)
        both = torch.cat([inputs["source_keypoints"].reshape(1, 63), inputs["ratios"]], 1)
        assert torch.equal(artefact(*inputs.values()), network(both).reshape(1, 21, 3))


def test_artefacts_of_the_official_sizes_have_the_documented_inputs_and_outputs() -> None:
    with torch.device("meta"):
        modules = build(OFFICIAL).eval()
        shapes = {}
        for name, artefact in ARTEFACTS.items():
            module = artefact(modules)
            outs = module(*(torch.empty(shape) for shape in module.shapes().values()))
            outs = outs if isinstance(outs, tuple) else (outs,)
            given = {key: tuple(out.shape) for key, out in zip(module.outputs, outs, strict=True)}
            shapes[name] = (module.shapes(), given)
    points = (1, 21, 3)
    volume, compressed = (1, 32, 16, 64, 64), (1, 4, 16, 64, 64)
    portrait = {"volume": volume, "compressed": compressed}
    assert shapes == {
        "appearance": ({"picture": (1, 3, 256, 256)}, portrait),
        "motion": (
            {"picture": (1, 3, 256, 256)},
            {
                "angles": (1, 3),
                "translation": (1, 3),
                "expression": points,
                "scale": (1, 1),
                "keypoints": points,
            },
        ),
        "frame": (
            {"keypoints": points, **portrait, "source_keypoints": points, "stitching": (1, 1)},
            {"picture": (1, 512, 512, 3)},
        ),
        "lips": ({"source_keypoints": points, "ratios": (1, 2)}, {"offsets": points}),
        "eyes": ({"source_keypoints": points, "ratios": (1, 3)}, {"offsets": points}),
    }


def test_networks_in_training_are_refused() -> None:
    with pytest.raises(ValueError, match="eval"):
        FrameArtefact(build(TINY))


def _gflops(artefact: Any) -> float:
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415

    with FlopCounterMode(display=False) as counter:
        artefact(*(torch.empty(shape) for shape in artefact.shapes().values()))
    return float(counter.get_total_flops()) / 1e9


def test_the_compact_set_is_within_its_budget_and_phases_save_work() -> None:
    with torch.device("meta"):
        modules = build(COMPACT).eval()
        frame = _gflops(FrameArtefact(modules))
        assert frame < 12
        assert frame < 0.95 * _gflops(FrameArtefact(modules, phases=False))
        assert _gflops(AppearanceArtefact(modules)) < 8
        assert _gflops(MotionArtefact(modules)) < 2
    assert COMPACT.size == 256

"""A torch module becomes an ONNX file that agrees with it, or no file at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines import parity, random_inputs
from engines.errors import EngineError, UnusableCheckpoint
from engines.parity import Trial

torch = pytest.importorskip("torch")
Module: Any = torch.nn.Module
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from engines import export  # noqa: E402  (needs torch)
from engines.export import Exportable  # noqa: E402

SHAPES = {"picture": (1, 3, 16, 16), "keypoints": (1, 5, 3)}
OUTPUTS = ("picture_out", "moved")


class Small(Module):  # type: ignore[misc]  # the same findings where torch is not installed
    """A convolution, a volume sampled where keypoints say, and a picture in bytes."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.last = torch.nn.Conv2d(4, 3, 1)
        self.precise = False

    def forward(self, picture: Any, keypoints: Any) -> tuple[Any, Any]:
        features = self.conv(picture.to(self.conv.weight.dtype))
        volume = features.reshape(1, 2, 4, 16, 16)
        where = torch.tanh(keypoints.float().mean(1)).reshape(1, 1, 1, 1, 3)
        lines = torch.linspace(-0.5, 0.5, 16)
        y, x = torch.meshgrid(lines, lines, indexing="ij")
        grid = where + torch.stack([x, y, 0 * x], -1)[None, None]
        moved = torch.nn.functional.grid_sample(volume.float(), grid, align_corners=False)
        flat = moved.reshape(1, 2, 16, 16).repeat(1, 2, 1, 1).to(self.last.weight.dtype)
        shown = torch.sigmoid(4 * self.last(flat).float()) * 255
        return shown.round().to(torch.uint8).permute(0, 2, 3, 1), moved


def trials(module: Any, count: int = 3) -> list[Trial]:
    generator = np.random.default_rng(1)
    drawn = [random_inputs.draw(SHAPES, generator) for _ in range(count)]
    return parity.trials(export.runner(module), [tuple(each.values()) for each in drawn])


def small(precision: Any = "fp32", module: Any = None) -> Exportable:
    return Exportable("frame", precision, module or Small(), SHAPES, OUTPUTS)


def test_a_module_becomes_a_file_that_does_the_same(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = export.export(small(), tmp_path, trials(Small()))
    path = tmp_path / "frame.fp32.onnx"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert file.file == path.name
    assert file.bytes == path.stat().st_size
    assert file.inputs == SHAPES
    assert list(file.inputs) == list(SHAPES)
    assert file.outputs == {"picture_out": (1, 16, 16, 3), "moved": (1, 2, 1, 16, 16)}
    assert file.error.mean <= 1e-4 * file.error.spread
    assert file.error.against == f"torch {torch.__version__}"
    model = onnx.load(path)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", export.OPSET)]
    assert capfd.readouterr() == ("", "")


def test_the_file_tells_nothing_of_the_machine_and_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        export.export(small(), tmp_path / name, trials(Small(), 2))
    one, two = ((tmp_path / name / "frame.fp32.onnx").read_bytes() for name in ("one", "two"))
    assert one == two
    for told in (os.fspath(Path(__file__).parent), "site-packages", ".py", "def forward"):
        assert told.encode() not in one


def test_half_precision_is_half_the_size_and_a_little_off(tmp_path: Path) -> None:
    half = Small()
    half.conv.half()
    half.last.half()
    file = export.export(small("fp16", half), tmp_path, trials(Small()))
    assert 1e-6 * file.error.spread < file.error.mean < 0.03 * file.error.spread
    assert file.error.by == "torch in fp16"
    stored = {
        each.name: each.data_type for each in onnx.load(tmp_path / file.file).graph.initializer
    }
    assert stored["conv.weight"] == onnx.TensorProto.FLOAT16


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Small(seed=1), id="other weights"),
        pytest.param(None, id="a weight changed by a hundredth"),
    ],
)
def test_a_file_that_does_something_else_is_not_kept(tmp_path: Path, other: Any) -> None:
    if other is None:
        other = Small()
        with torch.no_grad():
            other.conv.weight.mul_(1.01)
    with pytest.raises(EngineError, match=r"frame\.fp32\.onnx does not do what torch does"):
        export.export(small(module=other), tmp_path, trials(Small()))
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_answers_to_nothing_agrees_with_nothing(tmp_path: Path) -> None:
    dead = Small()
    with torch.no_grad():
        for weight in dead.parameters():
            weight.zero_()
    with pytest.raises(EngineError, match="different inputs make a difference of 0"):
        export.export(small(module=dead), tmp_path, trials(dead))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    broken = Small()
    with torch.no_grad():
        broken.conv.bias[3] = value
    with pytest.raises(UnusableCheckpoint, match=r"conv\.bias"):
        export.export(small(module=broken), tmp_path, trials(Small(), 2))
    assert list(tmp_path.iterdir()) == []


def test_a_weight_too_large_for_half_precision_is_refused(tmp_path: Path) -> None:
    large = Small()
    with torch.no_grad():
        large.conv.weight[0, 0, 0, 0] = 1e6
    large.half()
    with pytest.raises(UnusableCheckpoint, match=r"conv\.weight.*in fp16.*too large"):
        export.export(small("fp16", large), tmp_path, [])
    assert list(tmp_path.iterdir()) == []


def test_outputs_of_another_kind_than_torch_are_refused(tmp_path: Path) -> None:
    class Floating(Small):
        def forward(self, picture: Any, keypoints: Any) -> tuple[Any, Any]:
            shown, moved = super().forward(picture, keypoints)
            return shown.float(), moved

    with pytest.raises(EngineError, match="'picture_out' is float32"):
        export.export(small(module=Floating()), tmp_path, trials(Small(), 2))
    assert list(tmp_path.iterdir()) == []


def test_an_input_that_nothing_depends_on_is_noticed(tmp_path: Path) -> None:
    artefact = Exportable("frame", "fp32", Small(), {**SHAPES, "stitching": (1, 1)}, OUTPUTS)
    with pytest.raises(EngineError, match="frame"):
        export.export(artefact, tmp_path, [])
    assert list(tmp_path.iterdir()) == []


def test_what_torch_cannot_write_is_an_error_of_a_line(tmp_path: Path) -> None:
    class Branching(Small):
        def forward(self, picture: Any, keypoints: Any) -> tuple[Any, Any]:
            if float(picture.sum()) > 3:
                picture = -picture
            return super().forward(picture, keypoints)

    with pytest.raises(EngineError, match="cannot write 'frame' as ONNX") as caught:
        export.export(small(module=Branching()), tmp_path, [])
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EngineError, match=r"No space left.*MB"):
        export.export(small(), tmp_path, trials(Small(), 2))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_export_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Sequence[NDArray[Any]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(parity, "deviation", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export.export(small(), tmp_path, trials(Small(), 2))
    assert list(tmp_path.iterdir()) == []

"""TensorRT-RTX builds every network of ours for four kinds of GPU, and refuses what it should.

Nothing here has a GPU: "built" is accepted and compiled ahead of time, never run. MediaPipe's
networks are TensorFlow Lite files, which TensorRT does not read; they stay on the CPU.
"""

from __future__ import annotations

import _thread
import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorrt_rtx")
pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper

from engines.backends.tensorrt import TensorrtBackend, __main__, build, package
from engines.backends.tensorrt.build import Built
from engines.backends.tensorrt.cache import EngineCache
from engines.backends.tensorrt.driver import Device
from engines.backends.tensorrt.log import LOG
from engines.backends.tensorrt.monitor import Monitor
from engines.backends.tensorrt.package import Package
from engines.backends.tensorrt.refusal import refused_by_parser
from engines.drivers.speech_network import FILE as SPEECH
from engines.errors import BackendUnavailable, BuildCancelled, EngineError, UnsupportedNetwork
from engines.model_card import CARD
from engines.types import ModelSpec
from tests.exported_sets import ExportedSets
from tests.small_networks import sampler

TURING, *NEWER = build.CAPABILITIES
OWN = sorted(SPEECH.parent.glob("*.onnx"))
FRAMES = {"mel": (1, 4, 80)}
"""For the speech network, whose file leaves it open how many come at once."""
VOLUMES = {"appearance.fp32", "frame.fp32"}
"""What convolves volumes in fp32; for Turing there are their halves."""
LACKS = r"Turing \(SM75\): FP32 (GEMM|3D convolution) is not supported"


def built(path: Path, *capabilities: str, **more: Any) -> Built:
    made = build.build(path.read_bytes(), path.stem, capabilities=capabilities, **more)
    assert len(made.plan) > 1000
    assert made.layers > 0
    return made


@pytest.mark.parametrize("capability", build.CAPABILITIES)
@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_every_network_in_the_package_is_built(path: Path, capability: str) -> None:
    if (path, capability) != (SPEECH, TURING):  # which is refused: see below
        built(path, capability, shapes=FRAMES)


def files(folder: Path) -> dict[str, Path]:
    card = json.loads((folder / CARD).read_text())
    return {
        f"{name}.{precision}": folder / file["file"]
        for name, artefact in card["artefacts"].items()
        for precision, file in artefact.items()
    }


@pytest.mark.parametrize("capability", build.CAPABILITIES)
def test_every_network_of_a_portrait_is_built(capability: str, exported_sets: ExportedSets) -> None:
    found = files(exported_sets("tiny"))
    assert VOLUMES | {"motion.fp32", "appearance.fp16", "frame.fp16"} <= found.keys()
    for name, path in found.items():
        if capability != TURING or name not in VOLUMES:
            built(path, capability)


@pytest.mark.parametrize("sizes", ["compact", "official"])
def test_every_network_of_a_portrait_is_built_at_full_size(
    sizes: str, exported_sets: ExportedSets
) -> None:
    """The official ones are LivePortrait's: 130 million parameters."""
    for name, path in files(exported_sets(sizes)).items():
        built(path, *(NEWER if name in VOLUMES else build.CAPABILITIES))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_frame_is_built_with_volumes_sampled_as_such(precision: Any) -> None:
    """The exported sets have the other form, the atlas."""
    pytest.importorskip("torch")
    from engines import export  # noqa: PLC0415
    from engines.nets.portrait.artefacts import FrameArtefact  # noqa: PLC0415
    from tests.portrait_sets import random_set  # noqa: PLC0415

    frame = FrameArtefact(random_set(), "native")
    if precision == "fp16":
        frame.half()
    found = export.to_onnx(
        export.Exportable("frame", precision, frame, frame.shapes(), frame.outputs)
    )
    assert "GridSample" in {node.op_type for node in found.graph.node}
    capabilities = build.CAPABILITIES if precision == "fp16" else NEWER
    build.build(found.SerializeToString(), "frame", capabilities=capabilities)


def test_what_tensorrt_rtx_does_not_compile_for_turing_is_refused_with_its_reason(
    exported_sets: ExportedSets,
) -> None:
    """Volume convolutions and recurrent products in fp32."""
    found = files(exported_sets("tiny"))
    for path in (SPEECH, *(found[name] for name in sorted(VOLUMES))):
        with pytest.raises(UnsupportedNetwork, match=LACKS) as refused:
            built(path, TURING, shapes=FRAMES)
        assert "take another backend" in str(refused.value)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("rank", [4, 5])
def test_sampling_and_flat_convolutions_are_built_for_turing(
    rank: int, precision: str, tmp_path: Path
) -> None:
    built(sampler(tmp_path, rank, precision).path, TURING)


# What has to be refused.


def model(
    nodes: Sequence[Any],
    inputs: dict[str, Sequence[int | str]],
    outputs: dict[str, Sequence[int | str]],
    constants: dict[str, Any] | None = None,
    kind: int = TensorProto.FLOAT,
) -> bytes:
    def infos(tensors: dict[str, Sequence[int | str]]) -> list[Any]:
        return [helper.make_tensor_value_info(*each[:1], kind, each[1]) for each in tensors.items()]

    graph = helper.make_graph(
        nodes,
        "small",
        infos(inputs),
        infos(outputs),
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    domains = [helper.make_opsetid("", 20), helper.make_opsetid("example.org", 1)]
    content: bytes = helper.make_model(
        graph, opset_imports=domains, ir_version=10
    ).SerializeToString()
    return content


def ones(*shape: int) -> Any:
    return np.ones(shape, np.float32)


def grid_sample_6d() -> bytes:
    node = helper.make_node("GridSample", ["x", "grid"], ["y"], name="sampled")
    inputs: dict[str, Sequence[int | str]] = {"x": (1, 2, 3, 4, 5, 6), "grid": (1, 3, 4, 5, 6, 4)}
    return model([node], inputs, {"y": (1, 2, 3, 4, 5, 6)})


def affine_grid() -> bytes:
    node = helper.make_node("AffineGrid", ["theta", "size"], ["y"], name="gridded")
    size = np.array([1, 3, 8, 8], np.int64)
    return model([node], {"theta": (1, 2, 3)}, {"y": (1, 8, 8, 2)}, {"size": size})


def custom_operator() -> bytes:
    node = helper.make_node("Mystery", ["x"], ["y"], name="mysterious", domain="example.org")
    return model([node], {"x": (1, 3)}, {"y": (1, 3)})


def wrong_convolution() -> bytes:
    node = helper.make_node("Conv", ["x", "weights"], ["y"], name="convolved")
    return model([node], {"x": (1, 3, 8, 8)}, {"y": (1, 4, 6, 6)}, {"weights": ones(4, 5, 3, 3)})


def open_size() -> bytes:
    node = helper.make_node("Relu", ["x"], ["y"])
    return model([node], {"x": (1, "n", 8)}, {"y": (1, "n", 8)})


def bfloat16() -> bytes:
    nodes = [
        helper.make_node("Cast", ["weights"], ["w"], to=TensorProto.BFLOAT16),
        helper.make_node("Conv", ["x", "w"], ["y"], name="convolved"),
    ]
    inputs: dict[str, Sequence[int | str]] = {"x": (1, 16, 8, 8)}
    outputs: dict[str, Sequence[int | str]] = {"y": (1, 16, 6, 6)}
    weights = {"weights": ones(16, 16, 3, 3)}
    return model(nodes, inputs, outputs, weights, TensorProto.BFLOAT16)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (grid_sample_6d, "operator GridSample .*sampled"),
        (affine_grid, "operator AffineGrid .*gridded"),
        (custom_operator, "operator Mystery .*mysterious"),
        (wrong_convolution, "convolved"),
        (open_size, "'x' open .*name its shape"),
        (lambda: SPEECH.read_bytes()[:-1000], "parse"),
        (lambda: b"no network at all", "parse"),
        (lambda: b"", "at least one output"),
    ],
    ids=["6-D", "AffineGrid", "custom", "Conv", "open", "truncated", "garbage", "empty"],
)
def test_it_is_refused_by_name(made: Callable[[], bytes], told: str) -> None:
    with pytest.raises(UnsupportedNetwork, match=told) as refused:
        build.build(made(), "small", capabilities=("SM89",))
    assert "'small'" in str(refused.value)
    assert len(str(refused.value)) < 2000


def test_bfloat16_is_refused_for_turing_only() -> None:
    build.build(bfloat16(), "small", capabilities=("SM89",))
    with pytest.raises(UnsupportedNetwork, match=r"(?i)sm75"):
        build.build(bfloat16(), "small", capabilities=("SM75",))


@pytest.mark.parametrize("shape", [(1, 5, 8), (-1, 5, -1)])
def test_open_sizes_are_built_once_they_are_named(shape: tuple[int, ...]) -> None:
    build.build(open_size(), "small", capabilities=("SM89",), shapes={"x": shape})


@pytest.mark.parametrize("shape", [(1, 5, 9), (1, 5), (1, -1, 8)])
def test_shapes_that_the_network_does_not_have_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedNetwork, match="'x'"):
        build.build(open_size(), "small", capabilities=("SM89",), shapes={"x": shape})


def test_a_capability_that_it_does_not_know_is_no_fault_of_the_network() -> None:
    with pytest.raises(BackendUnavailable, match=r"SM90.*TensorRT 11"):
        build.build(open_size(), "small", capabilities=("SM90",), shapes={"x": (1, 5, 8)})


class _Volumes:
    def desc(self) -> str:
        return "input.getDimensions().nbDims == 4"

    def node_name(self) -> str:
        return "warp"

    def node_operator(self) -> str:
        return "GridSample"


@pytest.mark.parametrize(
    ("name", "version", "told"),
    [("tensorrt", "11.1.0.9", "11.2"), ("tensorrt_rtx", "1.5.0.114", "1.6")],
)
def test_volumes_before_they_were_sampled_are_refused_with_the_mend(
    name: str, version: str, told: str
) -> None:
    old = Package(package.find().module, name, version)
    error = refused_by_parser(old, "frame", [_Volumes()])
    assert "atlas" in str(error)
    assert f"{name} {told}" in str(error)
    assert "atlas" not in str(refused_by_parser(package.find(), "frame", [_Volumes()]))


# How it is built.


def test_the_same_file_gives_the_same_engine(tmp_path: Path) -> None:
    path = sampler(tmp_path).path
    assert built(path, "SM86", "SM89").plan == built(path, "SM86", "SM89").plan
    assert built(path, "SM86").plan != built(path, "SM89").plan


class _At(Event):
    """An event that is set when it has been asked for often enough."""

    def __init__(self, count: int, then: Callable[[], object] | None = None) -> None:
        super().__init__()
        self.count = count
        self.then = then or self.set

    def is_set(self) -> bool:
        self.count -= 1
        if self.count == 0:
            self.then()
        return super().is_set()


@pytest.mark.parametrize("count", [1, 2, 3, 20, 60])
def test_a_build_can_be_cancelled_at_any_step(
    count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cancelled = _At(count)
    with pytest.raises(BuildCancelled, match="sampler4"):
        built(sampler(tmp_path).path, "SM89", cancelled=cancelled)
    assert "failed" in capsys.readouterr().err
    built(sampler(tmp_path).path, "SM89", cancelled=Event())


@pytest.mark.alone
def test_a_keyboard_interrupt_ends_the_build_and_not_the_process(tmp_path: Path) -> None:
    # what runs in a shell's background has been told to ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            built(sampler(tmp_path).path, "SM89", cancelled=_At(20, _thread.interrupt_main))
    finally:
        signal.signal(signal.SIGINT, before)
    built(sampler(tmp_path).path, "SM89")


def test_a_build_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built(sampler(tmp_path).path, "SM89")
    assert capsys.readouterr().err.splitlines() == [
        "sampler4.fp32 for SM89: building",
        "sampler4.fp32 for SM89: built",
    ]


def test_progress_is_the_share_of_nested_phases() -> None:
    monitor = Monitor(lambda: True)
    shares = []
    monitor.phase_start("all", None, 2)
    for half in range(2):
        monitor.phase_start("inner", "all", 4)
        for step in range(4):
            assert monitor.step_complete("inner", step)
            shares.append(monitor.share)
        monitor.phase_finish("inner")
        monitor.step_complete("all", half)
    monitor.phase_finish("all")
    assert shares == [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]
    assert not Monitor(lambda: False).step_complete("unknown", 0)


def test_errors_are_heard_only_while_somebody_listens() -> None:
    severity = package.find().module.ILogger.Severity
    with LOG.errors() as outer:
        LOG.log(severity.ERROR, "first")
        with LOG.errors() as inner:
            LOG.log(severity.INTERNAL_ERROR, "second" + "." * 10_000)
            LOG.log(severity.INFO, "nothing")
        for _ in range(100):
            LOG.log(severity.ERROR, "more")
    LOG.log(severity.ERROR, "last")
    assert outer[0] == "first"
    assert len(outer) < 50
    assert len(inner) == 1
    assert len(inner[0]) < 1000


def test_the_backend_keeps_what_it_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = sampler(tmp_path)
    ada = Device("a card", (8, 9), 8 << 30, "580.95.05")
    backend = TensorrtBackend(EngineCache(tmp_path / "engines"))
    plan = backend._plan(spec, package.find(), ada)
    assert plan == built(spec.path, "SM89").plan
    made: list[str] = []

    def again(*_: Any, capabilities: tuple[str, ...], **__: Any) -> Built:
        made.extend(capabilities)
        return Built(b"another", 1, 0, 0)

    monkeypatch.setattr(build, "build", again)
    assert backend._plan(spec, package.find(), ada) == plan
    ampere = Device("an older card", (8, 6), 8 << 30, "580.95.05")
    assert backend._plan(spec, package.find(), ampere) == b"another"
    renamed = ModelSpec("another name", spec.path, spec.sha256)
    assert backend._plan(renamed, package.find(), ada) == plan
    assert made == ["SM86"]


def test_an_engine_that_the_device_refuses_is_built_anew_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engines.backends.tensorrt import cuda, device, driver, network  # noqa: PLC0415

    spec = sampler(tmp_path)
    backend = TensorrtBackend(EngineCache(tmp_path / "engines"))
    plans = iter([b"stale", b"fresh", b"never"])
    good, loaded = {b"fresh"}, []

    def load(_runtime: Any, plan: bytes, _spec: ModelSpec) -> bytes:
        loaded.append(plan)
        if plan not in good:
            raise EngineError("refused")
        return plan

    monkeypatch.setattr(driver, "probe", lambda: Device("a card", (8, 9), 8 << 30, "580.95.05"))
    monkeypatch.setattr(cuda, "check_installed", lambda: None)
    monkeypatch.setattr(device, "runtime", lambda: None)
    monkeypatch.setattr(network, "load", load)
    monkeypatch.setattr(build, "build", lambda *_, **__: Built(next(plans), 1, 0, 0))
    backend(spec)
    backend(spec)  # with what was kept
    assert loaded == [b"stale", b"fresh", b"fresh"]
    good.clear()
    with pytest.raises(EngineError, match="refused"):
        backend(spec)
    assert loaded[3:] == [b"fresh", b"never"]


def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = sampler(tmp_path).path
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(open_size())
    assert __main__.main([str(good), "--capability", "SM86", "--capability", "SM89"]) == 0
    rows = capsys.readouterr().out.splitlines()[-2:]
    assert [row.split(" | ")[:2] for row in rows] == [
        ["| sampler4.fp32", "SM86"],
        ["| sampler4.fp32", "SM89"],
    ]
    assert __main__.main([str(bad), "--capability", "SM89"]) == 1
    assert "refused: " in capsys.readouterr().out
    assert __main__.main([str(bad), "--capability", "SM89", "--shape", "x=1,5,8"]) == 0

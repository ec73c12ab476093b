"""Sets of a portrait's networks: made of weights, compared with torch, put in place whole."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engines
from engines import implicit_map, registry
from engines.backends.tensorrt import package
from engines.errors import ModelUnavailable, UnusableCheckpoint
from engines.model_card import CARD
from engines.parity import TOLERANCES
from engines.portrait_models import ALWAYS_FP32, SIGNATURES, PortraitModels
from engines.portrait_trials import PortraitTrials
from engines.types import Examined
from live.__main__ import main
from tests.exported_sets import SEED, ExportedSets

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from engines import export, portrait_export, portrait_source  # noqa: E402  (need torch)
from engines.nets.portrait.checkpoint import FILES, PARTS, RETARGETING  # noqa: E402
from tests.portrait_sets import TINY  # noqa: E402


@pytest.fixture(autouse=True)
def tiny_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a user says `official`, these tests take small networks."""
    for name in ("tiny", "official"):
        monkeypatch.setitem(portrait_source.CONFIGS, name, TINY)


@pytest.fixture
def tiny(exported_sets: ExportedSets) -> Path:
    return exported_sets("tiny")


@pytest.fixture
def copied(tiny: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny, tmp_path / "set")
    return tmp_path / "set"


@pytest.fixture
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VISAVIS_MODELS__FOLDER", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def quick(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's exporter takes seconds: what it would write lies in the tiny set already."""
    onnx = pytest.importorskip("onnx")
    monkeypatch.setattr(export, "to_onnx", lambda artefact: onnx.load(tiny / artefact.file))


def checkpoint(folder: Path, seed: int = SEED) -> Path:
    modules = portrait_source.random(seed, "tiny", name="x").modules
    states: dict[str, Any] = {
        place: getattr(modules, name).state_dict() for name, place in FILES.items()
    }
    states[RETARGETING] = {
        part: getattr(modules, name).state_dict() for name, part in PARTS.items()
    }
    for place, state in states.items():
        path = folder / f"{place}.pth"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, path)
    return folder


def test_a_set_is_whole_and_agrees_with_torch(tiny: Path) -> None:
    models = PortraitModels(tiny, untrained=True)
    assert (models.card.config, models.card.seed) == ("tiny", SEED)
    assert (models.keypoints, models.size) == (TINY.keypoints, TINY.size)
    for name in SIGNATURES:
        assert models.precisions(name) == (("fp32",) if name in ALWAYS_FP32 else ("fp32", "fp16"))
        for precision in models.precisions(name):
            spec = models.spec(name, precision)
            error = models.card.artefacts[name][precision].error
            allowed = TOLERANCES[precision]
            assert 0 < error.mean <= allowed.mean * error.spread + allowed.levels
            assert error.by == ("torch in fp16" if precision == "fp16" else "onnxruntime")
            assert tuple(spec.outputs) == SIGNATURES[name][1]
    assert {each.name for each in tiny.iterdir()} == {
        CARD,
        *("appearance.fp16.onnx", "frame.fp16.onnx"),
        *(f"{name}.fp32.onnx" for name in SIGNATURES),
    }


def test_random_weights_are_the_same_for_the_same_seed() -> None:
    before = torch.random.get_rng_state()
    one, two, other = (
        portrait_source.random(seed, "tiny", name="x").modules.decoder.state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(value, two[key]) for key, value in one.items())
    assert not all(torch.equal(value, other[key]) for key, value in one.items())
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.usefixtures("quick")
def test_a_checkpoint_becomes_the_users_set(
    models_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = checkpoint(tmp_path / "official")
    words = ["--licence", "MIT", "--origin", "whoever trained it"]
    assert main(["models", "export", "portrait", "--checkpoint", str(folder), *words]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(models_folder / "portrait")
    *files, following = err.splitlines()
    assert following == "next: visavis models fit portrait"
    assert [line.partition(":")[0] for line in files] == [
        *("appearance.fp32.onnx", "appearance.fp16.onnx", "motion.fp32.onnx"),
        *("frame.fp32.onnx", "frame.fp16.onnx", "lips.fp32.onnx", "eyes.fp32.onnx"),
    ]
    card = PortraitModels(models_folder / "portrait").card  # no random weights: it is served
    assert (card.licence, card.origin, card.seed) == ("MIT", "whoever trained it", None)
    assert card.source.keys() == {
        *(f"{Path(place).name}.pth" for place in FILES.values()),
        f"{Path(RETARGETING).name}.pth",
    }


@pytest.mark.usefixtures("quick")
def test_what_the_user_does_not_say_is_not_made_up(tmp_path: Path) -> None:
    source = portrait_source.checkpoint(checkpoint(tmp_path / "official"), "tiny", name="x")
    card = portrait_export.export_set(source, tmp_path / "set", precisions=("fp32",), count=2)
    assert "not known" in card.licence
    assert PortraitModels(tmp_path / "set").precisions("frame") == ("fp32",)


@pytest.mark.usefixtures("quick")
def test_what_was_fitted_to_a_motion_network_outlives_another_export(copied: Path) -> None:
    (copied / implicit_map.FILE).write_bytes(b"a map")
    motion = (copied / "motion.fp32.onnx").read_bytes()
    source = portrait_source.random(SEED, "tiny", name="x")
    portrait_export.export_set(source, copied, precisions=("fp32",), count=2)
    assert (copied / implicit_map.FILE).read_bytes() == b"a map"
    assert (copied / "motion.fp32.onnx").read_bytes() == motion
    assert not (copied / "frame.fp16.onnx").exists()


@pytest.mark.usefixtures("quick")
def test_weights_other_than_the_files_are_noticed_and_the_old_set_stays(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {each.name: each.read_bytes() for each in copied.iterdir()}
    words = ["--random", str(SEED + 1), "--out", str(copied)]
    assert main(["models", "export", "portrait", *words]) == 1
    assert "does not do what torch does" in capsys.readouterr().err
    assert {each.name: each.read_bytes() for each in copied.iterdir()} == before
    assert [each.name for each in tmp_path.iterdir()] == ["set"]


@pytest.mark.usefixtures("quick")
def test_an_export_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = PortraitTrials.of

    def of(self: Any, artefact: str) -> Any:
        if artefact == "frame":
            raise KeyboardInterrupt
        return real(self, artefact)

    monkeypatch.setattr(PortraitTrials, "of", of)
    words = ["--random", str(SEED), "--out", str(tmp_path / "set")]
    assert main(["models", "export", "portrait", *words]) == 1
    assert "interrupted" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_random_weights_never_take_the_place_of_trained_ones(
    models_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "export", "portrait", "--random", "1"]) == 2
    assert "--out" in capsys.readouterr().err
    assert not models_folder.exists()


def test_weights_that_are_no_numbers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = checkpoint(tmp_path / "official")
    path = folder / f"{FILES['decoder']}.pth"
    state = torch.load(path, weights_only=True)
    state["fc.bias"][0] = torch.nan
    torch.save(state, path)
    words = ["--checkpoint", str(folder), "--out", str(tmp_path / "set")]
    assert main(["models", "export", "portrait", *words]) == 2
    assert "fc.bias" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_a_folder_without_weights_says_what_belongs_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--checkpoint", str(tmp_path), "--out", str(tmp_path / "set")]
    assert main(["models", "export", "portrait", *words]) == 2
    assert "appearance_feature_extractor.pth" in capsys.readouterr().err


def test_parity_with_torch_and_every_backend(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "parity", str(tiny), "--seed", "7", "--trials", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seed"] == 7
    rows = {(row["network"], row["precision"], row["backend"]): row for row in found["rows"]}
    assert ("frame", "fp16", "onnxruntime") in rows
    for row in rows.values():
        assert row["verdict"] == "agrees", row
        assert row["reference"] == export.against()
        assert row["deviation"]["spread"] > 0


def test_parity_without_the_weights_takes_the_file_in_fp32_as_the_measure(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = json.loads((copied / CARD).read_text())
    (copied / CARD).write_text(json.dumps({**card, "seed": None}))
    words = ["--backend", "onnxruntime", "--trials", "2", "--json"]
    assert main(["models", "parity", str(copied), *words]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["network"], row["precision"]) for row in rows] == [
        ("appearance", "fp16"),
        ("frame", "fp16"),
    ]
    assert {row["reference"] for row in rows} == {"onnxruntime in fp32"}


def test_parity_finds_a_set_made_of_other_weights(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = json.loads((copied / CARD).read_text())
    card["seed"] = SEED + 1
    (copied / CARD).write_text(json.dumps(card))
    words = ["--backend", "onnxruntime", "--trials", "2"]
    assert main(["models", "parity", str(copied), *words]) == 1
    assert "misses" in capsys.readouterr().out


def test_the_weights_of_a_set_are_known_again(tiny: Path, tmp_path: Path) -> None:
    card = PortraitModels(tiny, untrained=True).card
    folder = checkpoint(tmp_path)
    with pytest.raises(UnusableCheckpoint, match="not those that the set was made of"):
        portrait_source.again(card, folder)
    files = portrait_source.checkpoint(folder, "tiny", name="x").files
    known = card.model_copy(update={"source": dict(files), "seed": None})
    picture = np.random.default_rng(0).random((1, 3, 64, 64)).astype(np.float32)
    one, two = (
        portrait_export.references(portrait_source.again(each, where).modules)["appearance"]
        for each, where in ((known, folder), (card, None))
    )
    assert all(np.array_equal(a, b) for a, b in zip(one(picture), two(picture), strict=True))


def test_sizes_of_another_version_are_said(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(portrait_source.CONFIGS, "tiny", portrait_source.CONFIGS["compact"])
    assert main(["models", "parity", str(copied)]) == 2
    assert "sizes 'tiny' as another version has them" in capsys.readouterr().err


def test_without_torch_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("engines.portrait_export", "engines.export"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(engines, "portrait_export")
    monkeypatch.delattr(engines, "export")
    monkeypatch.setitem(sys.modules, "torch", None)
    words = ["--random", "1", "--out", str(tmp_path / "set")]
    assert main(["models", "export", "portrait", *words]) == 1
    assert "needs the package torch" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_compiling_tells_what_came_of_each_network(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorrt_rtx")
    from engines.backends.tensorrt import build  # noqa: PLC0415

    asked = []

    def built(onnx: bytes, name: str, *, capabilities: Sequence[str], **_: Any) -> build.Built:
        asked.append((name, tuple(capabilities), len(onnx)))
        return build.Built(b"plan", 12, 0.5, 1.0)

    monkeypatch.setattr(build, "build", built)
    words = ["compile", str(tiny), "--capability", "SM89", "--precision", "fp16"]
    assert main(["models", *words]) == 0
    assert "frame.fp16: 12 layers for SM89, 0.0 MB in 1.5 s" in capsys.readouterr().out
    assert [(name, kinds) for name, kinds, _ in asked] == [
        (name, ("SM89",))
        for name in ("appearance.fp16", "motion.fp32", "frame.fp16", "lips.fp32", "eyes.fp32")
    ]
    assert all(size > 1000 for *_, size in asked)


def test_compiling_for_other_gpus_takes_the_tensorrt_that_can(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = package.Package(sys, "tensorrt", "11.4")
    monkeypatch.setattr(package, "find", lambda: full)
    assert main(["models", "compile", str(tiny), "--capability", "SM89"]) == 1
    assert "visavis[rtx]" in capsys.readouterr().err


def test_compiling_for_the_gpu_that_is_here_needs_one(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Gone:
        name = "tensorrt"

        def examine(self) -> Examined:
            return Examined(False, "", "", "no driver", "install one")

    monkeypatch.setattr(registry, "load", lambda group, name: Gone())
    assert main(["models", "compile", str(tiny)]) == 1
    said = capsys.readouterr().err
    assert "no driver; install one" in said
    assert "--capability SM89" in said


def test_random_weights_are_listed_as_such_and_not_served(
    tiny: Path, models_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models_folder.mkdir()
    shutil.copytree(tiny, models_folder / "portrait")
    assert main(["models", "list", "--json"]) == 0
    (entry,) = [
        each for each in json.loads(capsys.readouterr().out) if each["purpose"] == "neural portrait"
    ]
    assert "random weights" in entry["trouble"]
    assert "not served" in entry["trouble"]
    assert entry["artefacts"]["frame"].keys() == {"fp32", "fp16"}
    assert entry["backend"]["name"] in ("tensorrt", "openvino", "onnxruntime")
    assert all(each["reason"] for each in entry["backend"]["passed_over"])
    with pytest.raises(ModelUnavailable):
        PortraitModels(models_folder / "portrait")

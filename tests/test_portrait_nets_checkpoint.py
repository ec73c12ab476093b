"""Folders of weights: every layout that is taken, every fault that is refused and named."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from engines.errors import UnusableCheckpoint  # noqa: E402
from engines.nets.portrait.checkpoint import (  # noqa: E402
    FILES,
    PARTS,
    RETARGETING,
    load_checkpoint,
)
from engines.nets.portrait.config import PortraitModules  # noqa: E402
from tests.portrait_sets import TINY, random_set  # noqa: E402

Weights = dict[str, Any]
STEM = "spade_generator"


@pytest.fixture(scope="module")
def modules() -> PortraitModules:
    return random_set()


def _states(modules: PortraitModules) -> dict[str, Weights]:
    """What each file holds, by its place."""
    states = {place: dict(getattr(modules, name).state_dict()) for name, place in FILES.items()}
    states[RETARGETING] = {
        part: dict(getattr(modules, name).state_dict()) for name, part in PARTS.items()
    }
    return states


def _write(folder: Path, states: dict[str, Weights], flat: bool = False) -> Path:
    for place, state in states.items():
        path = folder / ((Path(place).name if flat else place) + ".pth")
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, path)
    return folder


def _same(loaded: PortraitModules, modules: PortraitModules) -> bool:
    return all(
        torch.equal(value, theirs.state_dict()[name])
        for ours, theirs in zip(loaded, modules, strict=True)
        for name, value in ours.state_dict().items()
    )


def test_the_official_layout_loads_ready_to_serve(tmp_path: Path, modules: PortraitModules) -> None:
    loaded = load_checkpoint(_write(tmp_path, _states(modules)), TINY)
    assert _same(loaded, modules)
    assert not any(part.training for each in loaded for part in each.modules())
    assert not any(weight.requires_grad for each in loaded for weight in each.parameters())
    feature = torch.randn(1, 8, 4, 4)
    with torch.inference_mode():
        assert torch.allclose(loaded.decoder(feature), modules.decoder(feature), atol=1e-6)


def test_all_in_one_folder_with_prefixes_of_parallel_training(
    tmp_path: Path, modules: PortraitModules
) -> None:
    states = _states(modules)
    for part in PARTS.values():
        weights = states[RETARGETING][part]
        states[RETARGETING][part] = {f"module.{name}": value for name, value in weights.items()}
    states[FILES["motion"]] = {f"module.{k}": v for k, v in states[FILES["motion"]].items()}
    assert _same(load_checkpoint(_write(tmp_path, states, flat=True), TINY), modules)


def test_safetensors_are_taken_before_pickles(tmp_path: Path, modules: PortraitModules) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    for place, state in _states(modules).items():
        flat = state
        if place == RETARGETING:
            flat = {f"{part}.{k}": v for part, weights in state.items() for k, v in weights.items()}
        flat = {name: value.contiguous() for name, value in flat.items()}
        safetensors.save_file(flat, tmp_path / (Path(place).name + ".safetensors"))
    (tmp_path / (STEM + ".pth")).write_bytes(b"never read")
    assert _same(load_checkpoint(tmp_path, TINY), modules)


def test_weights_of_half_precision_become_float32(tmp_path: Path, modules: PortraitModules) -> None:
    states = _states(modules)
    place = FILES["decoder"]
    states[place] = {name: value.half() for name, value in states[place].items()}
    loaded = load_checkpoint(_write(tmp_path, states), TINY)
    assert {weight.dtype for weight in loaded.decoder.parameters()} == {torch.float32}


def _drop(state: Weights) -> None:
    for name in list(state)[:6]:
        del state[name]


def _add(state: Weights) -> None:
    state["G_middle_9.bias"] = torch.zeros(3)


def _reshape(state: Weights) -> None:
    state["fc.bias"] = torch.zeros(17)


def _poison(state: Weights) -> None:
    state["fc.bias"][3] = float("nan")


def _overflow(state: Weights) -> None:
    state["fc.bias"][3] = float("-inf")


def _integers(state: Weights) -> None:
    state["fc.bias"] = state["fc.bias"].to(torch.int64)


def _another(state: Weights) -> None:
    weights = list(state.values())
    state.clear()
    state.update({f"layer{i}.weight": value for i, value in enumerate(weights)})


def _training_state(state: Weights) -> None:
    weights = dict(state)
    state.clear()
    state.update({"model": weights, "epoch": 3})


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_drop, r"spade_generator.pth lacks 6 of \d+ weights \('fc.weight', 'fc.bias', .* 2 more"),
        (_add, r"spade_generator.pth has 1 that do not belong \('G_middle_9.bias'\)"),
        (_reshape, r"spade_generator.pth: fc.bias is of shape \(17,\), not \(16,\)"),
        (_poison, "spade_generator.pth: fc.bias has values that are no finite numbers"),
        (_overflow, "spade_generator.pth: fc.bias has values that are no finite numbers"),
        (_integers, "spade_generator.pth: fc.bias is of type torch.int64"),
        (_another, r"spade_generator.pth holds another model's weights: none of the \d+"),
        (_training_state, "spade_generator.pth holds 'model' of type dict"),
        (lambda state: state.clear(), "spade_generator.pth holds no named weights"),
    ],
)
def test_wrong_weights_are_refused_with_the_reason(
    tmp_path: Path, modules: PortraitModules, spoil: Callable[[Weights], None], says: str
) -> None:
    states = _states(modules)
    place = FILES["decoder"]
    states[place] = {name: value.clone() for name, value in states[place].items()}
    spoil(states[place])
    with pytest.raises(UnusableCheckpoint, match=says):
        load_checkpoint(_write(tmp_path, states), TINY)


def test_the_three_small_networks_have_to_be_there(
    tmp_path: Path, modules: PortraitModules
) -> None:
    states = _states(modules)
    del states[RETARGETING]["retarget_eye"]
    with pytest.raises(UnusableCheckpoint, match=r"stitching_retargeting_module\.pth"):
        load_checkpoint(_write(tmp_path, states), TINY)
    states[RETARGETING]["retarget_eye"] = {"mlp.0.weight": torch.zeros(2, 2)}
    with pytest.raises(UnusableCheckpoint, match="part retarget_eye lacks 11 of 12"):
        load_checkpoint(_write(tmp_path, states), TINY)


class _Code:
    """A pickle that makes a folder when it is loaded as pickles are."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("plain", [True, False])
def test_code_in_a_pickle_is_refused_and_never_runs(
    tmp_path: Path, modules: PortraitModules, plain: bool
) -> None:
    folder = _write(tmp_path, _states(modules))
    mark = tmp_path / "ran"
    path = folder / (FILES["decoder"] + ".pth")
    if plain:
        path.write_bytes(pickle.dumps({"fc.weight": _Code(mark)}, protocol=2))
    else:
        torch.save({"fc.weight": _Code(mark)}, path)
    with pytest.raises(UnusableCheckpoint, match=r"spade_generator\.pth holds something besides"):
        load_checkpoint(folder, TINY)
    assert not mark.exists()
    if plain:
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert mark.exists()  # the trap would have worked


def test_missing_and_unreadable_files_are_named(tmp_path: Path, modules: PortraitModules) -> None:
    with pytest.raises(UnusableCheckpoint, match=r"no appearance_feature_extractor\.pth"):
        load_checkpoint(tmp_path, TINY)
    folder = _write(tmp_path, _states(modules))
    path = folder / (FILES["decoder"] + ".pth")
    path.unlink()
    path.mkdir()
    with pytest.raises(UnusableCheckpoint, match=r"no spade_generator\.pth"):
        load_checkpoint(folder, TINY)


def test_a_file_that_may_not_be_read(
    tmp_path: Path, modules: PortraitModules, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _write(tmp_path, _states(modules))
    really = Path.open

    def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self.stem == STEM:
            raise PermissionError(13, "Permission denied")
        return really(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnusableCheckpoint, match=r"spade_generator\.pth cannot be read: Perm"):
        load_checkpoint(folder, TINY)


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@given(kept=st.integers(0, 99), noise=st.binary(max_size=64))
@settings(max_examples=12, deadline=None)
def test_truncated_and_garbled_files_are_refused(
    tmp_path_factory: pytest.TempPathFactory, ending: str, kept: int, noise: bytes
) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    folder = tmp_path_factory.mktemp("garbled")
    path = folder / ("appearance_feature_extractor" + ending)
    state = {"first.conv.weight": torch.ones(64, 3, 3, 3), "first.conv.bias": torch.ones(64)}
    if ending == ".pth":
        torch.save(state, path)
    else:
        safetensors.save_file(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * kept // 100] + noise)
    with pytest.raises(UnusableCheckpoint, match="appearance_feature_extractor"):
        load_checkpoint(folder, TINY)

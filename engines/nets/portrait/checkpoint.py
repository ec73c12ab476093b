"""Loads a folder of official weights, and says what is wrong with one that will not do.

Nothing in a file is ever executed: a pickle is read by torch's reader of weights, which knows
tensors and containers only.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engines.errors import UnusableCheckpoint
from engines.nets.portrait.config import OFFICIAL, PortraitConfig, PortraitModules, build

FILES = {
    "appearance": "base_models/appearance_feature_extractor",
    "motion": "base_models/motion_extractor",
    "warping": "base_models/warping_module",
    "decoder": "base_models/spade_generator",
}
"""Where the networks' files are, by the names of `PortraitModules`, without their endings."""
RETARGETING = "retargeting_models/stitching_retargeting_module"
"""Where the file of the three small networks is."""
PARTS = {"stitching": "retarget_shoulder", "lips": "retarget_mouth", "eyes": "retarget_eye"}
"""Their names in it."""
ENDINGS = (".safetensors", ".pth")
"""In the order in which they are looked for."""
_PARALLEL = "module."  # what torch's DataParallel puts before each name
_NAMED = 4  # names that a message lists before it only counts


def load_checkpoint(folder: Path, config: PortraitConfig = OFFICIAL) -> PortraitModules:
    """The networks with the weights of a folder, ready to serve.

    Files are looked for where the official download puts them (`FILES`, `RETARGETING`), then
    directly in the folder. Raises `UnusableCheckpoint`, which names the file and the reason.
    """
    with torch.device("meta"):
        modules = build(config)
    for name, place in FILES.items():
        path = find_file(folder, place)
        _fill(getattr(modules, name), _bare(_tensors(path, _read(path))), path.name)
    path = find_file(folder, RETARGETING)
    parts = _parts(path, _read(path))
    for name, part in PARTS.items():
        _fill(getattr(modules, name), _bare(parts[part]), f"{path.name}, part {part}")
    return modules.eval()


def find_file(folder: Path, place: str) -> Path:
    """The file of one network in a folder; raises `UnusableCheckpoint` where there is none."""
    stem = Path(place)
    for parent in (folder / stem.parent, folder):
        for ending in ENDINGS:
            path = parent / (stem.name + ending)
            if path.is_file():
                return path
    raise UnusableCheckpoint(
        f"no {stem.name}.pth or .safetensors in the folder, nor in its {stem.parent}; put the"
        " official files there as they were downloaded"
    )


def _read(path: Path) -> Any:
    """What the file holds."""
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except UnusableCheckpoint:
        raise
    except pickle.UnpicklingError as error:
        raise UnusableCheckpoint(
            f"{path.name} holds something besides numbers, or is damaged; nothing of it was run."
            " Download the official file again, or convert it to safetensors"
        ) from error
    except OSError as error:
        reason = error.strerror or "damaged"
        raise UnusableCheckpoint(f"{path.name} cannot be read: {reason}") from error
    except Exception as error:  # the readers raise all kinds of things over damaged files
        raise UnusableCheckpoint(
            f"{path.name} is damaged or no checkpoint ({type(error).__name__}); download it again"
        ) from error


def _read_safetensors(path: Path) -> Any:
    try:
        from safetensors.torch import load_file  # noqa: PLC0415
    except ImportError as error:
        raise UnusableCheckpoint(
            f"{path.name} needs the package safetensors: pip install safetensors"
        ) from error
    return load_file(path, device="cpu")


def _tensors(path: Path, held: Any) -> Mapping[str, Tensor]:
    if not isinstance(held, Mapping) or not held:
        raise UnusableCheckpoint(f"{path.name} holds no named weights")
    for name, value in held.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            kind = type(value).__name__
            raise UnusableCheckpoint(
                f"{path.name} holds {_shown(name)} of type {kind}, not a weight: it is a checkpoint"
                " of something else"
            )
    return held


def _parts(path: Path, held: Any) -> dict[str, Mapping[str, Tensor]]:
    """The three small networks' weights; safetensors, which is flat, has `part.name` as names."""
    names = PARTS.values()
    if isinstance(held, Mapping) and all(isinstance(held.get(part), Mapping) for part in names):
        return {part: _tensors(path, held[part]) for part in names}
    flat = _tensors(path, {} if _nested(held) else held)
    parts: dict[str, Mapping[str, Tensor]] = {
        part: {
            name.removeprefix(part + "."): value
            for name, value in flat.items()
            if name.startswith(part + ".")
        }
        for part in names
    }
    missing = [part for part, weights in parts.items() if not weights]
    if missing:
        raise UnusableCheckpoint(f"{path.name} lacks {_listed(missing)}")
    return parts


def _nested(held: Any) -> bool:
    return isinstance(held, Mapping) and any(isinstance(value, Mapping) for value in held.values())


def _bare(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights by their names in one process."""
    if all(name.startswith(_PARALLEL) for name in weights):
        return {name.removeprefix(_PARALLEL): value for name, value in weights.items()}
    return dict(weights)


def _fill(module: nn.Module, weights: dict[str, Tensor], where: str) -> None:
    """Puts the weights into a module on the meta device, after checking each."""
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in weights]
    extra = [name for name in weights if name not in wanted]
    if missing or extra:
        raise UnusableCheckpoint(_mismatch(where, missing, extra, len(wanted)))
    for name, tensor in wanted.items():
        _check(where, name, weights[name], tensor)
    cast = {name: weights[name].to(tensor.dtype) for name, tensor in wanted.items()}
    module.load_state_dict(cast, assign=True)


def _mismatch(where: str, missing: list[str], extra: list[str], count: int) -> str:
    if len(missing) == count:
        return f"{where} holds another model's weights: none of the {count} expected names is there"
    lacks = f"lacks {len(missing)} of {count} weights ({_listed(missing)})" if missing else ""
    more = f"has {len(extra)} that do not belong ({_listed(extra)})" if extra else ""
    return f"{where} {' and '.join(filter(None, (lacks, more)))}: incomplete, or another version"


def _check(where: str, name: str, given: Tensor, wanted: Tensor) -> None:
    if given.shape != wanted.shape:
        raise UnusableCheckpoint(
            f"{where}: {name} is of shape {tuple(given.shape)}, not {tuple(wanted.shape)}:"
            " of another size of the model"
        )
    if given.is_floating_point() != wanted.is_floating_point():
        raise UnusableCheckpoint(f"{where}: {name} is of type {given.dtype}, not {wanted.dtype}")
    if given.is_floating_point() and not bool(given.isfinite().all()):
        raise UnusableCheckpoint(f"{where}: {name} has values that are no finite numbers")


def _listed(names: Iterable[str]) -> str:
    shown = [_shown(name) for name in names]
    rest = len(shown) - _NAMED
    return ", ".join(shown[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _shown(name: object) -> str:
    """A name from outside, fit for a message."""
    text = str(name)
    return repr(text if len(text) <= 60 else text[:57] + "…")

"""Trained networks become a folder of the public checkpoints' layout, which `export` reads."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from engines import atomic_folder
from engines.nets.portrait.checkpoint import FILES, PARTS, RETARGETING
from engines.nets.portrait.config import PortraitModules

_KNOWN_BY = f"{FILES['motion']}.safetensors"


def write(modules: PortraitModules, folder: Path) -> None:
    """Writes all files as safetensors at once or not at all, in place of those of a set before."""
    with atomic_folder.replacing(folder, known_by=_KNOWN_BY) as fresh:
        for name, place in FILES.items():
            _save(getattr(modules, name).state_dict(), fresh / f"{place}.safetensors")
        parts = {
            f"{part}.{weight}": tensor
            for name, part in PARTS.items()
            for weight, tensor in getattr(modules, name).state_dict().items()
        }
        _save(parts, fresh / f"{RETARGETING}.safetensors")


def _save(weights: dict[str, Tensor], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.cpu().contiguous() for name, tensor in weights.items()}, path)

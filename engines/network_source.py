"""Where parts that run networks get them from: a folder of models and a choice of backend.

A part whose class has `from_networks` is given this; see `engines.registry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engines.backends.choice import AUTO, Chosen, choose
from engines.types import ModelSpec
from engines.weights import default_folder


@dataclass(frozen=True, slots=True)
class NetworkSource:
    """What the operator has settled about networks."""

    folder: Path = field(default_factory=default_folder)
    """Of model files."""
    backend: str = AUTO
    threads: int = 1

    def open(self, spec: ModelSpec, instead: Mapping[str, ModelSpec] | None = None) -> Chosen:
        """A network; arguments and errors as `engines.backends.choice.choose`."""
        return choose(spec, backend=self.backend, threads=self.threads, instead=instead)

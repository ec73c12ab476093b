"""Real sets of a portrait's networks, with random weights, for tests that need files of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from engines.model_card import Error

ExportedSets = Callable[[str], Path]
"""Sizes go in (`official`, `compact`, `tiny`), the folder of a set comes out."""
SEED = 1


@pytest.fixture(scope="session")
def exported_sets(tmp_path_factory: pytest.TempPathFactory) -> ExportedSets:
    """Gives folders of whole sets in fp32 and fp16, each made once, when it is first asked for.

    Tiny ones are compared with torch while they are made, as a user's are. The others are written
    only: comparing them takes minutes, and is told of in docs/models.md.
    """
    pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("sets")

    def exported(sizes: str) -> Path:
        if not (folder / sizes).exists():
            _export(folder / sizes, sizes)
        return folder / sizes

    return exported


def _export(folder: Path, sizes: str) -> None:
    from engines import export, portrait_export, portrait_source  # noqa: PLC0415  need torch
    from engines.portrait_trials import PortraitTrials  # noqa: PLC0415
    from tests.portrait_sets import TINY  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(portrait_source.CONFIGS, "tiny", TINY)
        if sizes != "tiny":
            unknown = Error(max=0, mean=0, spread=1, output="none", by="", against="nothing")
            patch.setattr(export, "_compare", mock.Mock(return_value=unknown))
            patch.setattr(PortraitTrials, "of", mock.Mock(return_value=[]))
        portrait_export.export_set(
            portrait_source.random(SEED, sizes, name=sizes), folder, count=2, seed=SEED
        )

"""The networks of the neural portrait: a set's folder goes in, `ModelSpec`s come out.

A set is one folder: `card.json` (`engines.model_card`) and an ONNX file for each artefact and
precision. `visavis models export portrait` makes it; nothing here needs torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from engines import model_card
from engines.errors import ModelUnavailable
from engines.model_card import Card, File, Precision
from engines.types import ModelSpec

FOLDER = "portrait"
"""A user's own set, in the folder of models."""

Shapes = Mapping[str, tuple[int, ...]]

SIGNATURES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "appearance": (("picture",), ("volume", "compressed")),
    "motion": (("picture",), ("angles", "translation", "expression", "scale", "keypoints")),
    "frame": (("keypoints", "volume", "compressed", "source_keypoints", "stitching"), ("picture",)),
    "lips": (("source_keypoints", "ratios"), ("offsets",)),
    "eyes": (("source_keypoints", "ratios"), ("offsets",)),
}
"""Every artefact's inputs and outputs, in order."""
ALWAYS_FP32 = ("motion", "lips", "eyes")
"""What gives places, which half precision would move visibly."""

_AGAIN = "make the set anew by `visavis models export portrait`"


class PortraitModels:
    """A checked set of networks; safe to use from several threads."""

    def __init__(self, folder: Path, *, untrained: bool = False) -> None:
        """Reads the card and looks whether every file is there; hashes are checked on first use.

        `untrained`: whether a set of random weights, which draws no face, will do. Raises
        `ModelUnavailable`, with what to do, where the set is not one that can be used.
        """
        self.folder = folder
        self.card: Card = model_card.read(folder)
        if self.card.seed is not None and not untrained:
            raise ModelUnavailable(
                f"the networks in {folder} have random weights: they show that the machinery works"
                " and draw no face; export trained ones by `visavis models export portrait"
                " --checkpoint DIR`"
            )
        _check_signatures(folder, self.card)
        for artefact in self.card.artefacts.values():
            for file in artefact.values():
                self._check_size(file)
        self._verified: set[str] = set()
        self._lock = Lock()

    @property
    def keypoints(self) -> int:
        """How many implicit keypoints."""
        return self.card.keypoints

    @property
    def size(self) -> int:
        """Pixels a side of the pictures that come out."""
        return self.card.size

    def precisions(self, artefact: str) -> tuple[Precision, ...]:
        """The precisions that an artefact comes in."""
        return tuple(self._artefact(artefact))

    def spec(self, artefact: str, precision: Precision = "fp32") -> ModelSpec:
        """What a backend needs; the first call for a file reads it whole and checks its hash.

        What is in `ALWAYS_FP32` is given in fp32 all the same. Raises `ModelUnavailable`.
        """
        if artefact in ALWAYS_FP32:
            precision = "fp32"
        files = self._artefact(artefact)
        if precision not in files:
            raise ModelUnavailable(
                f"the set in {self.folder} has {artefact!r} not in {precision}, but in"
                f" {' and '.join(files)}; {_AGAIN} --precision {precision}"
            )
        file = files[precision]
        self._verify(file)
        return ModelSpec(
            name=f"{artefact}.{precision}",
            path=self.folder / file.file,
            sha256=file.sha256,
            inputs=dict(file.inputs),
            outputs=dict(file.outputs),
        )

    def _artefact(self, name: str) -> dict[Precision, File]:
        if name not in self.card.artefacts:
            known = ", ".join(self.card.artefacts)
            raise ModelUnavailable(f"no network of a portrait is called {name!r}; known: {known}")
        return self.card.artefacts[name]

    def _check_size(self, file: File) -> None:
        path = self.folder / file.file
        try:
            size = path.stat().st_size
        except OSError as error:
            raise ModelUnavailable(
                f"the set in {self.folder} is incomplete ({file.file}: {error.strerror}); {_AGAIN}"
            ) from error
        if size != file.bytes:
            raise _damaged(path, f"{size} bytes, not {file.bytes}")

    def _verify(self, file: File) -> None:
        with self._lock:
            if file.file in self._verified:
                return
            path = self.folder / file.file
            try:
                with path.open("rb") as stream:
                    sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as error:
                raise _damaged(path, error.strerror or str(error)) from error
            if sha256 != file.sha256:
                raise _damaged(path, f"sha256 {sha256}, not {file.sha256}")
            self._verified.add(file.file)


def _damaged(path: Path, found: str) -> ModelUnavailable:
    return ModelUnavailable(f"{path} is damaged or of another set ({found}); {_AGAIN}")


def _check_signatures(folder: Path, card: Card) -> None:
    """Raises `ModelUnavailable` where an artefact is missing or is not what its name says."""
    points, picture = (1, card.keypoints, 3), (1, card.size, card.size, 3)
    for name, (inputs, outputs) in SIGNATURES.items():
        files = card.artefacts.get(name)
        if files is None:
            raise ModelUnavailable(f"the set in {folder} has no {name!r}; {_AGAIN}")
        for file in files.values():
            fixed = {"source_keypoints": points, "stitching": (1, 1), "offsets": points}
            if name == "frame":
                fixed |= {"keypoints": points, "picture": picture, **_volumes(card)}
            if name == "motion":
                fixed |= {"keypoints": points, "expression": points}
            if not (_agree(file.inputs, inputs, fixed) and _agree(file.outputs, outputs, fixed)):
                raise ModelUnavailable(
                    f"{file.file} in {folder} has other inputs or outputs than {name!r} of a"
                    f" portrait; {_AGAIN}"
                )


def _volumes(card: Card) -> Shapes:
    """The shapes of what `appearance` gives and `frame` takes."""
    files = card.artefacts.get("appearance", {})
    return next((file.outputs for file in files.values()), {})


def _agree(own: Shapes, names: tuple[str, ...], fixed: Shapes) -> bool:
    return tuple(own) == names and all(own[name] == fixed.get(name, own[name]) for name in names)

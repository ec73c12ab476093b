"""The card of a set of networks: `card.json` goes in, what it says, checked, comes out.

A card names every artefact of a set (a network for one purpose) in each precision that it comes in,
with its file's hash, its inputs and outputs and how far it was from torch when it was made.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engines import atomic_file
from engines.errors import ModelUnavailable

CARD = "card.json"
_MOST_BYTES = 1 << 20

Precision = Literal["fp32", "fp16"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Text = Annotated[str, Field(max_length=4096)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# No folders in it: a card speaks of files beside itself only.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$")]
Shape = tuple[Annotated[int, Field(gt=0, lt=2**31)], ...]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Checked(BaseModel):
    """Strict, unchangeable; whatever a later version adds is passed over."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Error(_Checked):
    """How far an artefact was from its reference on random inputs.

    Of the output that came off worst. `mean` and `max` are absolute differences, of pictures in
    levels of 255; `spread` is the mean absolute difference of the outputs for different inputs.
    """

    max: Amount
    mean: Amount
    spread: Amount
    output: Name
    by: Text = ""
    """What ran the artefact when it came off worst."""
    against: Text
    """What it was compared with."""


class File(_Checked):
    """An artefact in one precision."""

    file: FileName
    sha256: Sha256
    bytes: Annotated[int, Field(gt=0)]
    opset: Annotated[int, Field(ge=13, le=99)]
    inputs: Annotated[dict[Name, Shape], Field(min_length=1, max_length=32)]
    """Names and shapes, in the order in which they are taken."""
    outputs: Annotated[dict[Name, Shape], Field(min_length=1, max_length=32)]
    """Names and shapes, in the order in which they are given."""
    error: Error


Artefact = Annotated[dict[Precision, File], Field(min_length=1)]


class Card(_Checked):
    """What is known of a set of networks."""

    name: Text
    origin: Text
    licence: Text
    source: Annotated[dict[Text, Sha256], Field(max_length=64)]
    """The files that the weights were read from, with their hashes; empty for random weights."""
    seed: int | None = None
    """Of random weights, which show nothing but that the machinery works; `None`: real weights."""
    config: Name
    """Which widths of the family's networks (`official`, `compact`)."""
    keypoints: Annotated[int, Field(gt=0, le=1024)]
    size: Annotated[int, Field(gt=0, le=8192)]
    """Pixels a side of the pictures that come out."""
    made_with: dict[Name, Text] = {}
    """Versions of the packages that made the files."""
    artefacts: Annotated[dict[Name, Artefact], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _files_differ(self) -> Card:
        files = [each.file for artefact in self.artefacts.values() for each in artefact.values()]
        if len(set(files)) != len(files) or CARD in files:
            raise ValueError("two artefacts name the same file")
        return self


def read(folder: Path) -> Card:
    """The card in `folder`; raises `ModelUnavailable` where there is none or it cannot be true."""
    path = folder / CARD
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ModelUnavailable(
            f"there is no set of networks in {folder} ({CARD}: {error.strerror}); make one by"
            " `visavis models export`"
        ) from error
    try:
        if len(content) > _MOST_BYTES:
            raise ValueError(f"it is larger than {_MOST_BYTES} bytes")
        return Card.model_validate_json(content)
    except ValueError as error:  # pydantic's ValidationError is one
        raise ModelUnavailable(
            f"{path} is not a card of a set of networks ({_first(error)}); make the set anew by"
            " `visavis models export`"
        ) from error


def write(card: Card, folder: Path) -> None:
    """Writes the card into `folder`; raises `EngineError` as `atomic_file.write`."""
    text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False)
    atomic_file.write(folder / CARD, text.encode() + b"\n")


def _first(error: ValueError) -> str:
    """The first thing that is wrong, with its place."""
    if not isinstance(error, ValidationError):
        return str(error)
    found = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part)[:64] for part in found["loc"])
    return f"{place}: {found['msg']}" if place else found["msg"]

"""A set of networks is used only where its card is true and its files are the card's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import model_card
from engines.errors import ModelUnavailable
from engines.model_card import Card
from engines.portrait_models import SIGNATURES, PortraitModels
from tests.portrait_files import HALF, write_card, write_set

Change = Callable[[dict[str, Any]], Any]


def test_a_set_gives_specs_by_artefact_and_precision(tmp_path: Path) -> None:
    write_set(tmp_path)
    models = PortraitModels(tmp_path)
    assert (models.keypoints, models.size) == (21, 64)
    for artefact, (inputs, outputs) in SIGNATURES.items():
        for precision in models.precisions(artefact):
            spec = models.spec(artefact, precision)
            assert spec.path == tmp_path / f"{artefact}.{precision}.onnx"
            assert (tuple(spec.inputs), tuple(spec.outputs)) == (inputs, outputs)
            assert len(spec.sha256) == 64


def test_what_is_always_fp32_is_given_in_fp32(tmp_path: Path) -> None:
    write_set(tmp_path)
    models = PortraitModels(tmp_path)
    names = [models.spec(artefact, "fp16").name for artefact in SIGNATURES]
    assert names == [f"{each}.{'fp16' if each in HALF else 'fp32'}" for each in SIGNATURES]


def test_a_precision_that_was_not_exported_is_said(tmp_path: Path) -> None:
    card = write_set(tmp_path)
    del card["artefacts"]["frame"]["fp16"]
    write_card(tmp_path, card)
    models = PortraitModels(tmp_path)
    assert models.precisions("frame") == ("fp32",)
    with pytest.raises(ModelUnavailable, match=r"'frame' not in fp16.*--precision fp16"):
        models.spec("frame", "fp16")


def test_files_are_hashed_once_and_on_first_use(tmp_path: Path) -> None:
    write_set(tmp_path)
    models = PortraitModels(tmp_path)
    forge(tmp_path / "frame.fp32.onnx")
    forge(tmp_path / "lips.fp32.onnx")
    with pytest.raises(ModelUnavailable, match=r"frame\.fp32\.onnx is damaged.*export portrait"):
        models.spec("frame")
    good = models.spec("eyes")
    forge(good.path)
    assert models.spec("eyes") == good  # known already
    with pytest.raises(ModelUnavailable, match=r"lips\.fp32\.onnx"):
        models.spec("lips")


def forge(path: Path) -> None:
    """Other bytes, as many."""
    path.write_bytes(path.read_bytes()[::-1])


def test_a_truncated_file_is_found_at_once(tmp_path: Path) -> None:
    write_set(tmp_path)
    path = tmp_path / "motion.fp32.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelUnavailable, match=r"motion\.fp32\.onnx is damaged.*bytes, not"):
        PortraitModels(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "frame.fp16.onnx").unlink()
    with pytest.raises(ModelUnavailable, match=r"incomplete .frame\.fp16\.onnx"):
        PortraitModels(tmp_path)


def test_no_set_at_all_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="visavis models export") as caught:
        PortraitModels(tmp_path / "portrait")
    assert caught.value.retryable


def test_random_weights_are_for_trying_only(tmp_path: Path) -> None:
    write_set(tmp_path, seed=0, source={})
    with pytest.raises(ModelUnavailable, match=r"random weights.*--checkpoint"):
        PortraitModels(tmp_path)
    assert PortraitModels(tmp_path, untrained=True).spec("frame")


def _other_points(card: dict[str, Any]) -> None:
    card["artefacts"]["lips"]["fp32"]["outputs"]["offsets"] = [1, 20, 3]


def _other_volume(card: dict[str, Any]) -> None:
    card["artefacts"]["frame"]["fp16"]["inputs"]["volume"] = [1, 4, 2, 8, 9]


def _other_order(card: dict[str, Any]) -> None:
    inputs = card["artefacts"]["frame"]["fp32"]["inputs"]
    inputs["keypoints"] = inputs.pop("keypoints")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card["artefacts"].pop("eyes"), "has no 'eyes'"),
        (_other_points, r"lips\.fp32\.onnx .* other inputs or outputs"),
        (_other_volume, r"frame\.fp16\.onnx .* other inputs or outputs"),
        (_other_order, r"frame\.fp32\.onnx .* other inputs or outputs"),
        (lambda card: card.update(size=128), r"frame\.fp32\.onnx .* other inputs or outputs"),
        (lambda card: card.pop("licence"), "licence: Field required"),
        (lambda card: card.update(keypoints="21"), "keypoints: Input should be a valid integer"),
        (
            lambda card: card["artefacts"]["lips"]["fp32"].update(file="../lips.onnx"),
            r"artefacts\.lips\.fp32\.file",
        ),
        (
            lambda card: card["artefacts"]["lips"]["fp32"].update(file="eyes.fp32.onnx"),
            "name the same file",
        ),
        (
            lambda card: card["artefacts"]["lips"]["fp32"]["error"].update(mean=float("nan")),
            r"error\.mean",
        ),
    ],
)
def test_a_card_that_cannot_be_true_is_refused(tmp_path: Path, change: Change, said: str) -> None:
    card = write_set(tmp_path)
    change(card)
    write_card(tmp_path, card)
    with pytest.raises(ModelUnavailable, match=said) as caught:
        PortraitModels(tmp_path)
    assert "visavis models export" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"a":' * 5_000,
        b'{"name": "\\ud800"}',
        b'{"size": ' + b"9" * 10_000 + b"}",
        b" " * (2 << 20),
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_card_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(ModelUnavailable, match=r"card\.json is not a card"):
        PortraitModels(tmp_path)


@given(content=st.binary(max_size=400))
def test_any_bytes_are_a_card_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("set")
    (folder / "card.json").write_bytes(content)
    with pytest.raises(ModelUnavailable):
        PortraitModels(folder)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["fp32", "frame.fp32.onnx", "..", "/etc/passwd", "a/b", "0" * 64]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(data=st.data())
def test_a_card_with_one_value_changed_is_a_set_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever stands in one place of the card: it is refused, or every spec is of a file here."""
    folder = tmp_path_factory.mktemp("set")
    card = write_set(folder)
    place: Any = card
    while isinstance(place, dict) and place:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or data.draw(st.booleans()):
            place[key] = data.draw(_VALUES)
            break
        place = place[key]
    write_card(folder, card)
    try:
        models = PortraitModels(folder, untrained=True)
        specs = [
            models.spec(artefact, precision)
            for artefact in SIGNATURES
            for precision in models.precisions(artefact)
        ]
    except ModelUnavailable:
        return
    assert all(spec.path.parent == folder and spec.path.is_file() for spec in specs)


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    card = Card.model_validate_json(json.dumps(write_set(tmp_path)))
    model_card.write(card, tmp_path)
    assert model_card.read(tmp_path) == card
    assert list(card.artefacts["frame"]["fp32"].inputs) == list(SIGNATURES["frame"][0])

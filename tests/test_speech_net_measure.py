import numpy as np
import pytest
from numpy.typing import NDArray

from engines.nets.speech.measure import Shown, runs, score, shown
from engines.phones import PHONES
from engines.visemes import CLOSED, JAW_OF_PHONE, SILENT, VISEME_OF


def said(seed: int = 0, count: int = 60) -> NDArray[np.uint8]:
    """Phones of 40 to 120 ms with pauses between."""
    rng = np.random.default_rng(seed)
    phones = np.repeat(rng.integers(0, len(PHONES), count), rng.integers(4, 13, count))
    return np.concatenate([np.zeros(30), phones, np.zeros(30)]).astype(np.uint8)


def exact(phones: NDArray[np.uint8], late: int = 0) -> Shown:
    return Shown(np.roll(VISEME_OF[phones], late), np.roll(JAW_OF_PHONE[phones], late), phones)


def test_what_is_exactly_right_is_perfect() -> None:
    figures = score([exact(said(0)), exact(said(1))])
    assert figures.acc15 == figures.acc15_all == figures.grp8 == figures.silence_recall == 1
    assert figures.closure_f1 == figures.closure_recall == figures.closure_precision == 1
    assert figures.macro_f1 == 1
    assert figures.jaw_r > 0.95
    assert figures.latency_ms == 0


@pytest.mark.parametrize("late", [-3, 6, 20])
def test_a_constant_delay_is_granted_and_reported(late: int) -> None:
    figures = score([exact(said(seed), late) for seed in range(3)])
    assert figures.latency_ms == 10 * late
    assert figures.acc15 > 0.99
    assert figures.onset_median_ms == 0


def test_a_mouth_that_never_moves_is_right_in_silence_only() -> None:
    phones = said()
    still = Shown(np.full(len(phones), SILENT), np.zeros(len(phones), np.float32), phones)
    figures = score([still])
    assert figures.silence_recall == 1
    assert figures.acc15 == figures.closure_f1 == figures.jaw_r == 0


def test_invented_closures_cost_precision_and_missed_ones_recall() -> None:
    phones = np.zeros(400, np.uint8)
    phones[50:350] = PHONES.index("AA")
    phones[100:108] = phones[200:208] = PHONES.index("B")
    visemes = VISEME_OF[phones].copy()
    visemes[200:208] = VISEME_OF[PHONES.index("AA")]
    visemes[300:308] = visemes[320:328] = CLOSED
    figures = score([Shown(visemes, JAW_OF_PHONE[phones], phones)], (0,))
    assert figures.closure_recall == pytest.approx(1 / 2)
    assert figures.closure_precision == pytest.approx(1 / 3)
    assert figures.closure_f1 == pytest.approx(2 / 5)


def test_a_closure_begun_early_has_an_onset_error() -> None:
    phones = np.zeros(300, np.uint8)
    phones[50:250] = PHONES.index("AA")
    phones[100:110] = PHONES.index("M")
    visemes = VISEME_OF[phones].copy()
    visemes[98:110] = CLOSED
    assert score([Shown(visemes, JAW_OF_PHONE[phones], phones)], (0,)).onset_median_ms == -20


def test_what_a_network_is_sure_of_is_shown() -> None:
    phones = said()
    posteriors = np.full((len(phones), len(PHONES)), 0.1 / 39, np.float32)
    posteriors[np.arange(len(phones)), phones] = 0.9
    figures = score([shown(posteriors, phones)])
    assert figures.acc15 == 1
    assert figures.jaw_r > 0.95


def test_runs() -> None:
    present = np.array([1, 1, 0, 0, 1, 0, 1], bool)
    assert runs(present) == [(0, 2), (4, 5), (6, 7)]
    assert runs(np.zeros(3, bool)) == []

"""How well a mouth follows speech, frame by frame, against the phones that were really said.

Any system can be judged that shows one of the 15 visemes and a jaw 100 times a second. The figures:

* **acc15**: how often the viseme shown is one that the phone may be shown as (`visemes.ACCEPTED`),
  on frames of speech, and on all.
* **grp8**: the same in eight coarse groups, which are what a viewer can tell apart.
* **silence recall**: how often the mouth is at rest where nobody speaks.
* **closures**: stretches shown as `PP` against those of P, B and M, matched one to one where they
  overlap within 30 ms; and how late the matched ones begin (median, median absolute deviation).
* **jaw r**: Pearson's correlation of the jaw with that of the true phones, averaged over items.
* **macro F1**: over the visemes that occur, each against the phone's own.

A system that is late is granted the constant shift with which it is right most often; the shift is
a figure of its own, the **latency**.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engines import visemes
from engines.phones import PHONES
from engines.types import Floats

FRAME_MS = 10
_TOLERANCE = 3
"""Frames by which a closure may miss the true one."""
_SHIFTS = range(-4, 26)
_REFERENCE_SMOOTHING, _SHOWN_SMOOTHING = 7, 3


class Shown(NamedTuple):
    """What a system shows while something is said; frame `i` is at (i + 0.5) · 10 ms."""

    visemes: NDArray[np.int64]
    """`(n,)` places in `visemes.VISEMES`."""
    jaw: Floats
    """`(n,)` how far the jaw is open, in any unit."""
    phones: NDArray[np.uint8]
    """`(n,)` what is really said, places in `PHONES`."""


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of a system; see the module."""

    acc15: float
    acc15_all: float
    grp8: float
    grp8_all: float
    silence_recall: float
    macro_f1: float
    closure_f1: float
    closure_precision: float
    closure_recall: float
    onset_median_ms: float
    onset_spread_ms: float
    jaw_r: float
    latency_ms: int
    seconds: float


def score(items: Sequence[Shown], shifts: Iterable[int] = _SHIFTS) -> Score:
    """Judges what was shown; `shifts`: by how many frames it may be late, for all items alike."""
    shift = max(shifts, key=lambda frames: _share_right(_shifted(items, frames)))
    aligned = _shifted(items, shift)
    shown = np.concatenate([item.visemes for item in aligned])
    said = np.concatenate([item.phones for item in aligned])
    speech = said != 0
    right = visemes.ACCEPTED[said, shown]
    right_group = _ACCEPTED_GROUPS[said, visemes.GROUP_OF[shown]]
    matched, true, claimed, onsets = _closures(aligned)
    onset = float(np.median(onsets)) if onsets else 0.0
    return Score(
        acc15=_mean(right[speech]),
        acc15_all=_mean(right),
        grp8=_mean(right_group[speech]),
        grp8_all=_mean(right_group),
        silence_recall=_mean(shown[~speech] == visemes.SILENT),
        macro_f1=_macro_f1(shown, said),
        closure_f1=2 * matched / max(1, true + claimed),
        closure_precision=matched / max(1, claimed),
        closure_recall=matched / max(1, true),
        onset_median_ms=onset,
        onset_spread_ms=float(np.median(np.abs(np.array(onsets) - onset))) if onsets else 0.0,
        jaw_r=_jaw_r(aligned),
        latency_ms=shift * FRAME_MS,
        seconds=len(said) * FRAME_MS / 1000,
    )


def shown(posteriors: Floats, phones: NDArray[np.uint8]) -> Shown:
    """What a network's `(n, 40)` probabilities of phones show, while `(n,)` phones are said."""
    # The choice most likely to be accepted, rather than the likeliest phone's own viseme.
    chosen = (posteriors @ visemes.ACCEPTED.astype(np.float32)).argmax(1)
    return Shown(chosen, posteriors @ visemes.JAW_OF_PHONE, phones)


def runs(present: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where `(n,)` is true without a break: first frames, and frames after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], present.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _shifted(items: Sequence[Shown], frames: int) -> list[Shown]:
    """The items as if each had been shown `frames` earlier, cut to where both sides are known."""
    moved = []
    for item in items:
        count = min(len(item.visemes), len(item.phones))
        late, early = max(0, frames), max(0, -frames)
        there, then = slice(late, count - early), slice(early, count - late)
        moved.append(Shown(item.visemes[there], item.jaw[there], item.phones[then]))
    return moved


def _share_right(items: Sequence[Shown]) -> float:
    right = [visemes.ACCEPTED[item.phones, item.visemes] for item in items]
    return float(np.mean(np.concatenate(right)))


def _closures(items: Sequence[Shown]) -> tuple[int, int, int, list[float]]:
    """How many are matched, true and claimed, and the matched ones' delays in ms."""
    matched = true = claimed = 0
    delays: list[float] = []
    for item in items:
        real = runs(visemes.VISEME_OF[item.phones] == visemes.CLOSED)
        free = runs(item.visemes == visemes.CLOSED)
        true, claimed = true + len(real), claimed + len(free)
        for start, end in real:
            for begun, ended in free:
                if begun < end + _TOLERANCE and ended > start - _TOLERANCE:
                    free.remove((begun, ended))
                    matched += 1
                    delays.append(float((begun - start) * FRAME_MS))
                    break
    return matched, true, claimed, delays


def _jaw_r(items: Sequence[Shown]) -> float:
    """Items in which either jaw stands still say nothing and are passed over."""
    values = []
    for item in items:
        reference = _smoothed(visemes.JAW_OF_PHONE[item.phones], _REFERENCE_SMOOTHING)
        jaw = _smoothed(item.jaw, _SHOWN_SMOOTHING)
        if reference.std() > 0 and jaw.std() > 0:
            values.append(float(np.corrcoef(reference, jaw)[0, 1]))
    return _mean(values)


def _macro_f1(shown: NDArray[np.int64], said: NDArray[np.uint8]) -> float:
    own = visemes.VISEME_OF[said]
    values = []
    for viseme in range(len(visemes.VISEMES)):
        both = np.sum((shown == viseme) & (own == viseme))
        either = np.sum(shown == viseme) + np.sum(own == viseme)
        if either:
            values.append(float(2 * both / either))
    return _mean(values)


def _smoothed(curve: Floats, frames: int) -> Floats:
    return np.convolve(curve, np.full(frames, 1 / frames), "same").astype(np.float32)


def _mean(values: Sequence[float] | NDArray[np.bool_]) -> float:
    return float(np.mean(values)) if len(values) else 0.0


_ACCEPTED_GROUPS: NDArray[np.bool_] = np.array(
    [
        [
            bool((visemes.ACCEPTED[phone] & (group == visemes.GROUP_OF)).any())
            for group in range(len(visemes.GROUPS))
        ]
        for phone in range(len(PHONES))
    ]
)

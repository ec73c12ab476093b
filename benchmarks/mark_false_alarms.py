"""How often a mark is found where none is: windows and wrong keys go in, a bound comes out.

A detector says yes where the score of a payload, in standard deviations of chance, reaches
`least_score`. Over the choice of a key the chips that a payload stands for are fair coins, so at
one place and for one payload a score of z has, by Hoeffding's inequality, a probability of at most
exp(−z²/2), whatever the pictures show; the threshold counts all payloads and places that could be
tried. Two measurements ask whether the program does what that argument says:

* **single**: scores of random payloads under random keys, at places that the search itself chose.
  Their tail has to stay under exp(−z²/2), and near the normal distribution's.
* **searched**: the whole detection, with a wrong key: the greatest score of all payloads that it
  decoded at all places, whether or not their check held, which a false alarm would need as well. A
  wrong key on the same window is a trial of its own. Beyond what was seen, the tail is extrapolated
  as exponential from its last part, which falls more slowly than any tail of sums of coins; the
  bound is the 95th percentile over bootstrapped windows.

The windows are those of `mark_windows`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import mark_subjects, record
from benchmarks.mark_plot import survival
from benchmarks.mark_windows import Window, windows
from engines.mark import KEY_BYTES, PAYLOAD_BYTES, Detector
from engines.mark.carriers import secret
from engines.mark.code import encode
from engines.mark.detection import least_score, score
from live.errors import BadRequest

_TRIALS, _QUICK_TRIALS = 6_000, 8
_KEYS, _QUICK_KEYS = 40, 4
"""Wrong keys for each window."""
_TAIL = 0.02
_BOOTSTRAPS = 500
_LEAST = least_score()

Scores = NDArray[np.float64]


class Searched(NamedTuple):
    """What wrong keys made of a window."""

    kind: str
    best: Scores
    """`(keys,)`: the greatest score that each key's search met."""
    alone: Scores
    """Scores of random payloads under other keys, at the places that the searches decoded."""
    alarms: int


class Tail(NamedTuple):
    """The last part of a distribution, taken as exponential."""

    share: float
    """Of the scores, that lie in it."""
    start: float
    mean: float
    """Of what they lie above `start`."""

    def beyond(self, score: float) -> float:
        """The probability of a greater score."""
        return min(1.0, self.share * math.exp(-max(0.0, score - self.start) / self.mean))


def tail(scores: Scores) -> Tail:
    """Fits the greatest fiftieth, or ten where that is fewer."""
    ordered = np.sort(scores)
    taken = min(len(ordered) - 1, max(10, round(_TAIL * len(ordered))))
    start = float(ordered[-taken - 1])
    mean = float((ordered[-taken:] - start).mean())
    return Tail(taken / len(ordered), start, max(mean, 1e-6))


def bound(by_window: Sequence[Scores], least: float, seed: int) -> dict[str, float]:
    """The probability that a search reaches `least`: estimated, and its 95 % upper bound."""
    generator = np.random.default_rng(seed)
    count = len(by_window)
    drawn = [
        tail(np.concatenate([by_window[n] for n in generator.integers(0, count, count)]))
        for _ in range(_BOOTSTRAPS)
    ]
    return {
        "estimate": tail(np.concatenate(by_window)).beyond(least),
        "upper95": float(np.percentile([each.beyond(least) for each in drawn], 95)),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `visavis bench mark_false_alarms`."""
    record.add_arguments(parser)
    parser.add_argument(
        "--trials", type=int, help=f"searches with a wrong key ({_TRIALS}; {_QUICK_TRIALS})"
    )
    parser.add_argument(
        "--clips", type=Path, metavar="FOLDER", help="its MP4 files are windows too"
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="the tails")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints, writes the record and returns it."""
    cv2.setNumThreads(1)
    recorder = record.Recorder("mark_false_alarms", args)
    trials = args.trials or (_QUICK_TRIALS if args.quick else _TRIALS)
    keys = _QUICK_KEYS if args.quick else _KEYS
    if trials < 2 * keys:
        raise BadRequest(f"--trials: at least {2 * keys} are needed")
    made = measured(trials // keys, mark_subjects.clips_of(args.clips), args.seed, keys)
    figures = summary(made, args.seed)
    show(figures)
    if args.plot:
        args.plot.write_text(plot(made), encoding="utf-8")
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


def measured(count: int, clips: Sequence[Path], seed: int, keys: int) -> list[Searched]:
    """Searches so many windows with so many wrong keys each."""
    generator = np.random.default_rng((seed, count))
    bar = tqdm(
        windows(count, clips, seed), total=count, desc="false alarms", unit="window", disable=None
    )
    return [searched(each, generator, keys) for each in bar]


def searched(window: Window, generator: np.random.Generator, keys: int) -> Searched:
    """One window under random keys."""
    detector = Detector([generator.bytes(KEY_BYTES) for _ in range(keys)])
    best, alone, alarms = np.zeros(keys), [], 0
    for candidate in detector.candidates(window.pictures):
        best[candidate.key] = max(best[candidate.key], candidate.score)
        alarms += candidate.payload is not None and candidate.score >= _LEAST
        other = secret(generator.bytes(KEY_BYTES))
        chips = other.chips(encode(generator.bytes(PAYLOAD_BYTES)))
        alone.append(score(candidate.values, chips))
    return Searched(window.kind, best, np.array(alone), alarms)


def summary(made: Sequence[Searched], seed: int) -> dict[str, Any]:
    """The figures of all searches, and of each kind of window."""
    best, alone = _all(made)
    kinds: dict[str, list[Scores]] = {}
    for each in made:
        kinds.setdefault(each.kind, []).append(each.best)
    alarms = sum(each.alarms for each in made)
    return {
        "least_score": _LEAST,
        "searched": _spread(best),
        "kinds": {kind: _spread(np.concatenate(scores)) for kind, scores in kinds.items()},
        "alarms": alarms,
        "counted_upper95": most_of(alarms) / len(best),
        "beyond_least": bound([each.best for each in made], _LEAST, seed),
        "single": _spread(alone)
        | {
            f"beyond_{z}": {
                "seen": float((alone > z).mean()),
                "normal": 0.5 * math.erfc(z / math.sqrt(2)),
                "hoeffding": math.exp(-z * z / 2),
            }
            for z in (2, 3, 4)
        },
    }


def most_of(events: int) -> float:
    """The 95 % upper bound of a Poisson mean (Wilson and Hilferty 1931): 3.0 for none seen."""
    more = events + 1
    return float(more * (1 - 1 / (9 * more) + 1.645 / (3 * math.sqrt(more))) ** 3)


def show(figures: dict[str, Any]) -> None:
    """Prints them."""
    print(f"{'searches with a wrong key':28}{'n':>8}{'mean':>8}{'sd':>7}{'greatest':>10}")
    for kind, found in [*figures["kinds"].items(), ("all", figures["searched"])]:
        print(f"{kind:28}{found['n']:8}{found['mean']:8.2f}{found['sd']:7.2f}{found['max']:10.2f}")
    beyond = figures["beyond_least"]
    print(f"a mark is told from a score of {figures['least_score']:.2f} on; of these searches,")
    print(f"{figures['alarms']} were told one (at most {figures['counted_upper95']:.1e} by count);")
    print(
        f"a score that high, by the tail: {beyond['estimate']:.1e}, at most"
        f" {beyond['upper95']:.1e}, not counting the payload's own check"
    )
    single = figures["single"]
    print(f"single scores: {single['n']}, mean {single['mean']:.3f}, sd {single['sd']:.3f}")
    for z in (2, 3, 4):
        found = single[f"beyond_{z}"]
        print(
            f"  above {z}: {found['seen']:.2e}, normal {found['normal']:.2e},"
            f" Hoeffding {found['hoeffding']:.2e}"
        )


def plot(made: Sequence[Searched]) -> str:
    """The tails, as the text of an SVG file."""
    best, alone = _all(made)
    fitted = tail(best)
    return survival(
        {"single scores": alone, "greatest of a search": best},
        {
            "Hoeffding's bound of a single score": (0.0, lambda z: math.exp(-z * z / 2)),
            "the search's tail, extrapolated": (fitted.start, fitted.beyond),
        },
        (f"a mark is told from {_LEAST:.1f} on", _LEAST),
    )


def _all(made: Sequence[Searched]) -> tuple[Scores, Scores]:
    return np.concatenate([each.best for each in made]), np.concatenate(
        [each.alone for each in made]
    )


def _spread(scores: Scores) -> dict[str, Any]:
    return {
        "n": len(scores),
        "mean": round(float(scores.mean()), 3),
        "sd": round(float(scores.std()), 3),
        "max": round(float(scores.max()), 3),
    }

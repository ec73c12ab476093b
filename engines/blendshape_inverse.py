"""Displacements of the 478-point mesh go in, the ARKit coefficients that explain them come out.

The opposite of `engines.blendshapes`, for renderers that know coefficients only. Its two
corrections that are no sums (shut lips meet, rounded lips open roundly) are not undone: they are
small.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engines.blendshapes import BASIS
from engines.face_mesh import BLENDSHAPES
from engines.types import Floats

# Shapes that move no point of the mesh (lids and gaze) have no say.
_MOVING = np.flatnonzero(np.abs(BASIS).max(axis=(1, 2)) > 1e-6)
_FLAT = BASIS[_MOVING].reshape(len(_MOVING), -1)
_SIZE = np.linalg.norm(_FLAT.astype(np.float64), axis=1)
_UNIT = np.ascontiguousarray(_FLAT / _SIZE[:, None], np.float32)
"""Each of the same size: then small ones (brows) are found as soon as large ones (the jaw)."""
# Some shapes are nearly each other's opposites: without a price, both are used at once, at length.
_PRICE = 0.005
_GRAM = _UNIT.astype(np.float64) @ _UNIT.T.astype(np.float64) + _PRICE * np.eye(len(_MOVING))
_STEP = 1.0 / float(np.linalg.eigvalsh(_GRAM)[-1])
_INVERSE = np.linalg.inv(_GRAM)
_ROUNDS = 16


def to_coefficients(displacements: NDArray[np.floating]) -> Floats:
    """`(52,)` float32 in 0…1 for `(478, 3)` displacements as in `Space.MESH478`.

    Regularised least squares within bounds, by Nesterov's accelerated projected gradient from the
    clipped free solution; a tenth of a millisecond.
    """
    wanted = (_UNIT @ np.asarray(displacements, np.float32).reshape(-1)).astype(np.float64)
    now = np.clip(_INVERSE @ wanted, 0.0, _SIZE)
    ahead, before = now, now
    for number in range(_ROUNDS):
        now = np.clip(ahead - _STEP * (_GRAM @ ahead - wanted), 0.0, _SIZE)
        ahead = now + (number / (number + 3)) * (now - before)
        before = now
    coefficients = np.zeros(len(BLENDSHAPES), np.float32)
    coefficients[_MOVING] = now / _SIZE
    return coefficients

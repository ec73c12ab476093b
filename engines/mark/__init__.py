"""The live mark: an invisible, keyed mark in a picture's pixels that outlives a video call.

Pictures and a payload go in, marked pictures come out (`Mark`); pictures from anywhere go in, and
the payload comes out (`Detector`). How it works, what it stands and what not: docs/mark.md.
"""

from engines.mark.carriers import KEY_BYTES
from engines.mark.code import PAYLOAD_BYTES
from engines.mark.detection import Detector, Found
from engines.mark.embedding import Mark

ALGORITHM = "visavis-mark-1"

__all__ = ["ALGORITHM", "KEY_BYTES", "PAYLOAD_BYTES", "Detector", "Found", "Mark"]

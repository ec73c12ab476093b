"""The types between the rooms: host numpy arrays; times in `int` nanoseconds (session clock).

Conventions used by every part:

* Pictures are RGB; pixel x runs right, y runs down, z runs away from the camera (MediaPipe's
  landmark frame: a smaller z is nearer).
* "right" and "left" eye mean the *subject's*, as in the ARKit and MediaPipe names; the subject's
  right eye is on the picture's left, and stands first in every pair.
* Face width is the distance of landmarks 234 and 454, eye distance that of the outer eye corners
  33 and 263.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
"""`(h, w, 3)` sRGB."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Picture:
    """One video frame.

    A camera's is converted only as far as it is looked at: `rgb`, made when it is first asked for,
    costs several times what `cut` does.
    """

    rgb: Rgb
    """`(h, w, 3)` uint8 sRGB, C-contiguous."""
    pts_ns: int = 0
    """When it is to be seen, on the session's clock."""
    captured_ns: int = 0
    """When its first packet reached us (or when it was made), on the session's clock."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.rgb.shape[:2]
        return height, width

    def cut(self, matrix: NDArray[np.float64], side: int) -> Rgb:
        """`(side, side, 3)` of a part; what is beyond the picture repeats its border.

        `matrix`: `(2, 3)` map of a pixel of the part to the picture's, whole numbers being centres.
        """
        return warped(self.rgb, matrix, side)

    def mirrored(self) -> Picture:
        """As in a mirror."""
        return Picture(np.asarray(cv2.flip(self.rgb, 1), np.uint8), self.pts_ns, self.captured_ns)

    def at(self, pts_ns: int, captured_ns: int | None = None) -> Picture:
        """The same at other times; `None`: captured when this was."""
        kept = self.captured_ns if captured_ns is None else captured_ns
        return Picture(self.rgb, pts_ns, kept)


def warped(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
    """`Picture.cut` of an array of any number of channels."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(pixels, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


@dataclass(frozen=True, slots=True)
class Phone:
    """One speech sound and when it is heard."""

    name: str
    """In ARPAbet without stress, or `SIL` (`engines.phones.PHONES`)."""
    start_ns: int
    end_ns: int
    stressed: bool = False
    """Whether it is the nucleus of a stressed syllable."""

    def later(self, by_ns: int) -> Phone:
        """The same phone, heard so much later."""
        return replace(self, start_ns=self.start_ns + by_ns, end_ns=self.end_ns + by_ns)


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of sound for a driver to listen to.

    Pieces come in order, or far ahead of their time, or not at all. A piece takes the place of what
    was delivered before for its own time. One with phones, and one without samples, takes back all
    that was delivered with phones from its `pts_ns` on; one without samples also all other sound
    from there on. So an interrupted voice is ended by one piece at the time where it falls silent.
    """

    samples: Floats
    """`(n,)` float32 mono, 16 kHz, −1…1."""
    pts_ns: int = 0
    """When its first sample is to be heard, on the session's clock."""
    captured_ns: int = 0
    phones: tuple[Phone, ...] | None = None
    """What is said in it, in times of the session's clock, where the voice was synthesised and it
    is known: then nobody needs to listen. Phones may begin before the piece or end after it.
    `None`: not known."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A stretch of a synthesised voice, as a rule a sentence or a clause."""

    samples: Floats
    """`(n,)` float32 mono, −1…1."""
    rate: int
    """Samples a second."""
    phones: tuple[Phone, ...] | None
    """In order, times from the first sample on; `None`: the voice does not tell."""
    text: str
    """The part of the text that is said, as it was given, so that the parts join to the whole."""


@dataclass(frozen=True, slots=True)
class Face:
    """A tracked face."""

    landmarks: Floats
    """`(478, 3)` float32 pixels of the picture it was found in; z in pixels of x, small is near."""
    blendshapes: Floats
    """`(52,)` float32, 0…1, ARKit names in the order of `face_mesh.BLENDSHAPES`."""
    head: NDArray[np.float64]
    """`(4, 4)` camera←head transform, cm, x right, y up, z towards the viewer (MediaPipe's)."""
    score: float
    """Presence, 0…1."""
    pts_ns: int = 0
    captured_ns: int = 0
    picture: Picture | None = field(default=None, repr=False)
    """The picture that it was found in, for drivers that read more than landmarks; `find` leaves it
    out."""


class Space(StrEnum):
    """What a motion's expression means; a driver meets a renderer of the same space only."""

    MESH478 = "mesh478"
    """`(478, 3)` displacements from the neutral face, in the head's frame, in eye distances, those
    near the mouth divided by `face_geometry.mouth_scale` of the face they were measured on."""
    ARKIT52 = "arkit52"
    """`(52,)` ARKit coefficients, 0…1."""
    IMPLICIT21 = "implicit21"
    """`(21, 3)` offsets of a neural portrait's implicit keypoints from those of the neutral face,
    in the unit of the network's canonical head: added after it is turned, before it is scaled."""


@dataclass(frozen=True, slots=True)
class Motion:
    """What a driver asks of an avatar, relative to the neutral face."""

    space: Space
    expression: Floats
    """Shape fixed by `space`."""
    pose: Floats
    """`(6,)` float32: rotation vector from the neutral head (rad; in the head's own axes, which for
    a frontal head are the picture's: x right, y down, z away), translation right and down in the
    picture (face widths), log of the scale."""
    eyes: Floats
    """`(2, 3)` float32, subject's right eye first: openness (0 closed, 1 as in the neutral face,
    above it widened), gaze right and down in the picture, in eye widths, relative to neutral.
    Openness is absolute between 0 and 1, so that a driver's closed lid closes any avatar's."""
    pts_ns: int = 0
    captured_ns: int = 0

    @staticmethod
    def neutral(pts_ns: int = 0, captured_ns: int = 0) -> Motion:
        """The neutral face in `mesh478`."""
        return Motion(
            Space.MESH478,
            np.zeros((478, 3), np.float32),
            np.zeros(6, np.float32),
            np.array([[1, 0, 0], [1, 0, 0]], np.float32),
            pts_ns,
            captured_ns,
        )


@dataclass(frozen=True, slots=True)
class Portrait:
    """A still picture to make an avatar of, and all that was found in it."""

    rgb: Rgb
    faces: tuple[Face, ...]
    """Every face found, largest first."""
    matte: NDArray[np.uint8] | None = None
    """`(h, w)` uint8: 255 on the person, 0 on the background; `None`: not known."""


class BackdropKind(StrEnum):
    """What stands behind the avatar."""

    KEEP = "keep"
    BLUR = "blur"
    COLOUR = "colour"
    GREEN = "green"


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What stands behind the avatar; `colour` is RGB and used by `COLOUR` only."""

    kind: BackdropKind = BackdropKind.KEEP
    colour: tuple[int, int, int] = (32, 36, 48)


@dataclass(frozen=True, slots=True)
class Avatar:
    """A portrait made ready by one renderer; shared by every session that shows it."""

    id: str
    portrait: Portrait
    features: Any = field(repr=False)
    """The renderer's own prepared data; read-only."""
    made_by: str
    """The renderer's name."""
    consent: str
    """The id of the consent record under which it was made."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A network's file. `member` names a file inside a zip archive (a MediaPipe task bundle)."""

    name: str
    path: Path
    sha256: str
    member: str = ""
    inputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


class Network(Protocol):
    """What a backend makes of a `ModelSpec`."""

    @property
    def inputs(self) -> Mapping[str, tuple[int, ...]]:
        """Names and shapes in the order in which they are taken."""

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        """Names and shapes in the order in which they are given."""

    def bind(self, **constants: NDArray[Any]) -> Network:
        """The same network with these inputs fixed: they cross to the device once.

        It takes the other inputs, in their order. Many can share one network; each is closed by
        itself, before the network. Raises `EngineError` for names or shapes that it does not have,
        `DeviceFull`.
        """

    def __call__(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]:
        """Runs the network once; the arrays returned are the caller's to keep.

        Raises `DeviceLost` where the device went away; it does not come back for this network.
        """

    def close(self) -> None:
        """Frees what it holds; calling it twice does no harm."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What a backend says of itself on this machine; it fetches and changes nothing."""

    usable: bool
    version: str
    """Of its package; empty: not installed."""
    device: str
    """What it would run on, in words; empty: nothing."""
    trouble: str = ""
    """Why it is not usable."""
    mend: str = ""
    """What to do about it."""


@runtime_checkable
class Backend(Protocol):
    """Makes networks of model files; what is registered under `visavis.backends`."""

    name: str

    def examine(self) -> Examined:
        """Whether it works on this machine, and why not; never raises."""

    def __call__(self, spec: ModelSpec, *, threads: int = 1) -> Network:
        """A network; raises `BackendUnavailable` where `examine` says so, `EngineError`."""


class Weights(Protocol):
    """Where parts get their model files from (`engines.weights`)."""

    def path(self, name: str) -> Path:
        """The local, hash-checked file of the model `name`; raises `ModelUnavailable`."""


@runtime_checkable
class Tracker(Protocol):
    """Follows the nearest face through a stream of pictures. One per session; not thread-safe.

    A tracker's factory takes one argument, the `Weights`.
    """

    def track(self, picture: Picture) -> Face | None:
        """The followed face in this picture; `None`: there is none."""

    def find(self, picture: Picture) -> Sequence[Face]:
        """All faces of a still picture, largest first; leaves the tracking state alone."""

    def reset(self) -> None:
        """Forgets the face that was followed."""

    def close(self) -> None:
        """Frees the networks; calling it twice does no harm."""


@runtime_checkable
class Driver(Protocol):
    """Turns what is seen and heard into motion. One per session; not thread-safe."""

    space: Space

    def drive(
        self, face: Face | None, sounds: Sequence[Sound] = (), pts_ns: int | None = None
    ) -> Sequence[Motion]:
        """The motion of one picture.

        `face`: what the camera shows; `None`: no face, or no camera. `sounds`: what has come to be
        heard since the call before, in order; it may lie ahead of the picture. `pts_ns`: when the
        picture is to be seen; `None`: one usual interval after the one before.
        """

    def calibrate(self) -> None:
        """Takes the next moments as the neutral face anew."""


@runtime_checkable
class Listening(Protocol):
    """A driver that moves the mouth by what it hears."""

    @property
    def look_ahead_ns(self) -> int:
        """How far sound has to reach beyond a picture's time, at this moment; 0: a face drives."""


@runtime_checkable
class Lively(Protocol):
    """A driver that can move by itself where nothing drives it."""

    liveliness: float
    """0: still; 0.5: as a listener; 1: as somebody who tells a story."""


class SpeechStream(Protocol):
    """A text being said: an iterator of stretches, each made when it is asked for."""

    def __iter__(self) -> Iterator[Speech]:
        """Itself."""

    def __next__(self) -> Speech:
        """The next stretch; ends early, without an error, where it is closed meanwhile.

        Raises `VoiceUnavailable`, and `UnusableText` where nothing of the text can be said.
        """

    def close(self) -> None:
        """Ends the work, from any thread; calling it twice does no harm."""


@runtime_checkable
class Voice(Protocol):
    """Says texts. One serves the whole process: calls of `speak` may overlap in time.

    A voice's factory takes its options, strings by name as they stand in the settings, and raises
    `VoiceUnavailable` where it cannot work with them.
    """

    name: str
    languages: tuple[str, ...]
    """BCP 47 tags that it speaks."""

    def speak(self, text: str, *, language: str = "", pace: float = 1.0) -> SpeechStream:
        """The text, stretch by stretch.

        `language`: one of `languages`, in letters of either case, the first unless told; `pace`:
        0.5…2, how fast. Raises `UnusableText` at once for what can be known at once, else later.
        """

    def close(self) -> None:
        """Frees what it holds; calling it twice does no harm."""


@runtime_checkable
class Renderer(Protocol):
    """Draws an avatar in motion. No session state: one instance serves many sessions at once."""

    name: str
    space: Space

    def prepare(self, portrait: Portrait, *, id: str, consent: str, size: int = 512) -> Avatar:
        """Makes a portrait ready for pictures of `size` × `size`; raises `UnusablePortrait`."""

    def with_backdrop(self, avatar: Avatar, backdrop: Backdrop) -> Avatar:
        """The same avatar before another background; cheap enough for a running call."""

    def render(self, avatar: Avatar, motion: Motion) -> Picture:
        """One picture, `(size, size, 3)`, with the motion's times."""


@runtime_checkable
class Translating(Protocol):
    """A renderer that understands motions of other spaces beside its own."""

    also: tuple[Space, ...]


@runtime_checkable
class Backed(Protocol):
    """A renderer that knows what stands behind the person."""

    def plate(self, avatar: Avatar) -> Rgb | None:
        """`(size, size, 3)` the background as if nobody stood before it; `None`: not known."""


class Seat(Protocol):
    """Room for one session's pictures on a device."""

    def close(self) -> None:
        """Gives it back; calling it twice does no harm."""


@runtime_checkable
class Seated(Protocol):
    """A renderer on a device that has room for so many sessions only."""

    def seat(self) -> Seat:
        """Room for one session more; raises `DeviceFull`."""

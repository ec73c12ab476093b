"""What it takes to hold a call: the avatar, the parts that move it, the operator's decisions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from engines.types import Driver, Renderer, Tracker, Voice
from engines.voice_skins.changes import NO_SKIN
from live.consent.permitted import Permitted
from live.consent.record import Purpose
from live.consent.uses import modes_of
from live.disclosure import Label
from live.easel import Reserve
from live.load.turns import Turns
from live.provenance.statement import Statements
from live.recording.recordings import Recordings
from live.shape import Shape


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


OpenVoice = Callable[[str], Voice]
"""A voice's name in, the voice out; raises `UnknownPart`, `VoiceUnavailable`."""


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """How the avatar speaks, unless a text asks for something else."""

    voice: str = "hibari"
    language: str = ""
    """Of `voice`; empty: its first."""
    pace: float = 1.0
    longest_text: int = 10_000
    """Characters of one utterance."""
    liveliness: float = 0.5
    """Of what moves by itself: 0 still, 1 lively."""
    skin: str = NO_SKIN
    """Of the presenter's own voice (`engines.voice_skins.changes`)."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What the operator decides about every call."""

    mark_key: bytes = field(repr=False)
    """Of the mark in every picture."""
    statements: Statements
    """What is said of every call, signed."""
    label: Label = field(default_factory=Label)
    shape: Shape = Shape.SQUARE
    """Of the avatar's video."""
    ice_servers: tuple[IceServer, ...] = ()
    max_bitrate: int = 3_000_000
    """Of the avatar's video, bits a second."""
    video_codecs: tuple[str, ...] = ("h264", "vp8")
    """Served, best first. H.264 before VP8 where both are offered: x264 takes half of libvpx's time
    for a frame (0.7 and 1.3 ms at 512 × 512), its frames are 3 ms younger when seen, and it changes
    its rate without a keyframe. Whoever wants VP8 offers VP8 only."""
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    connect_deadline_s: float = 14.0
    camera_patience_s: float = 0.5
    """Cameras of 5 pictures a second exist; past this the avatar goes on without one."""
    silence_deadline_s: float = 5.0
    """Without a single packet from the peer; browsers report on what they receive every second."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Makes the parts of one call; called on its worker's thread, as networks take time to load."""

    tracker: Callable[[], Tracker]
    driver: Callable[[str], Driver]
    """Takes the driver's name; raises `UnknownPart`."""
    renderer: Callable[[], Renderer]
    """May give the same renderer to every call."""
    voice: OpenVoice
    """Gives the same voice to every call, on any thread."""


async def _unnoted(session: str, avatar: Permitted) -> None:
    """For calls that nobody keeps account of."""


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """One call's avatar and parts."""

    avatar: Permitted
    parts: Parts
    settings: CallSettings
    driver: str = "face"
    open_avatar: Callable[[str], Awaitable[Permitted]] | None = None
    """Finds another avatar for the running call; raises `NotFound`. `None`: it keeps its first."""
    open_reserve: Callable[[str], Awaitable[Reserve]] | None = None
    """Finds what the avatar of an id is drawn by where the renderer is lost; raises as
    `open_avatar`. `None`: nothing; a call whose pictures fail is ended."""
    on_device_lost: Callable[[], None] = lambda: None
    """Tells the process, on any thread, so that it opens no more calls there."""
    purposes: frozenset[Purpose] = frozenset({Purpose.CALL})
    """What the call is for; a recorded one is for `RECORDING`, too."""
    recordings: Recordings | None = None
    """What makes the call's recording; `None`: it is not recorded."""
    turns: Turns = field(default_factory=Turns)
    """That calls take at drawing; the same for all calls of a process."""
    is_kept: Callable[[str], bool] = lambda avatar: True
    """Whether the catalogue still has the avatar of an id; may block."""
    may_speak: bool = True
    """Whether the peer may have the avatar say things, by the data channel."""
    on_shown: Callable[[str, Permitted], Awaitable[None]] = _unnoted
    """Told by a call, with its public id, of another avatar before it shows that; what is raised
    keeps it from doing so."""

    def __post_init__(self) -> None:
        """Raises `NoConsent` where the avatar's consent covers no such call."""
        self.check_covered(self.avatar, self.driver)

    def check_covered(self, avatar: Permitted, driver: str) -> None:
        """Raises `NoConsent` unless this avatar may be shown in this call and be driven so."""
        for purpose in self.purposes:
            avatar.permit.check_covers(purpose, modes_of(driver))

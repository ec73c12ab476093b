"""The tables of `visavis.toml` and their keys, each with its default, its limits and its meaning.

The descriptions are the only ones: `docs/configuration.md` and the example file are made from them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from engines import weights

QUOTABLE = r"^[ !#-\[\]-~]+$"
"""Printable ASCII that stands between quotes in a header as it is."""

Folder = Annotated[Path, AfterValidator(Path.expanduser)]


def data_home() -> Path:
    """Where Visavis keeps what it makes: `$XDG_DATA_HOME/visavis`."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "visavis"


class Section(BaseModel):
    """A table of the file; knows its keys and refuses others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(Section):
    """Where the server listens."""

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; `0.0.0.0` is every one."
    )
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port; 0 lets the system choose one."
    )
    tls_cert: Folder | None = Field(
        default=None,
        description="Certificate chain (PEM). A browser gives its camera only to HTTPS pages and"
        " to localhost.",
    )
    tls_key: Folder | None = Field(default=None, description="The certificate's private key (PEM).")
    posts_per_minute: int = Field(
        default=60,
        ge=1,
        description="Calls and uploads that are taken in a minute, of each token where tokens are"
        " asked for; more are refused.",
    )

    tls_handshake_s: float = Field(
        default=10.0, gt=0, description="What a client has to finish its TLS handshake in."
    )
    idle_connection_s: float = Field(
        default=75.0, gt=0, description="An HTTP connection that nothing is asked on is closed."
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: set both or neither")
        return self


class Sessions(Section):
    """How many calls are held, and how long one without a sign of life."""

    places: int | None = Field(
        default=None,
        ge=1,
        description="Calls held at once; unset: as many as can be drawn 25 times a second, by what"
        " a picture costs here and what others leave of the machine (operations.md).",
    )
    processes: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Processes that hold calls, each with a lock of Python's of its own; unset:"
        " three for every four cores, no more than `places`, and 1 for a renderer that a backend"
        " runs (`portrait`). 1: the server's own process holds them (operations.md).",
    )
    connect_deadline_s: float = Field(
        default=14.0, gt=0, description="A call that has not connected by then is ended."
    )
    silence_deadline_s: float = Field(
        default=5.0,
        ge=2,
        description="A call from which nothing has come for this long is ended; browsers are heard"
        " every second, whatever they send.",
    )
    camera_patience_s: float = Field(
        default=0.5,
        gt=0,
        description="Without a picture of the camera for this long, the avatar goes on by itself.",
    )
    shutdown_grace_s: float = Field(
        default=2.0,
        gt=0.5,
        le=60,
        description="What calls have to end in when the server is told to stop; they take half a"
        " second.",
    )


def _quotable(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(QUOTABLE, secret.get_secret_value()):
        raise ValueError("has to be printable ASCII without quotes and backslashes")
    return secret


class IceServer(Section):
    """A STUN or TURN server, for peers behind address translation."""

    urls: str = Field(
        pattern=r"^(stuns?|turns?):[^\s<>\",;]+$", description="`stun:…`, `turn:…`, `turns:…`."
    )
    username: str | None = Field(default=None, pattern=QUOTABLE, description="TURN user.")
    credential: Annotated[SecretStr, AfterValidator(_quotable)] | None = Field(
        default=None, description="TURN password."
    )


class Ice(Section):
    """How the two ends find each other."""

    servers: tuple[IceServer, ...] = Field(
        default=(),
        description="STUN and TURN servers that server and browser use; none on one network.",
    )


class Video(Section):
    """The picture that goes out."""

    size: int = Field(
        default=512,
        ge=128,
        le=1024,
        multiple_of=16,
        description="Height in pixels, and width of a square picture.",
    )
    shape: Literal["square", "wide"] = Field(
        default="square",
        description="`wide`: 16:9, the avatar in the middle and its background carried on to both"
        " sides (1280 × 720 with `size = 720`). A call may ask for the other one.",
    )
    bitrate: int = Field(default=3000, ge=100, le=20000, description="Upper limit in kbit/s.")


def _legible(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("has to have printable characters")
    return text


class Label(Section):
    """The visible label on every picture that goes out."""

    visible: bool = Field(
        default=True,
        description="Switching it off is logged, and is the operator's responsibility: many places"
        " require synthetic video to be disclosed.",
    )
    text: Annotated[str, AfterValidator(_legible)] = Field(
        default="AI avatar", max_length=40, description="What it says."
    )
    language: str = Field(
        default="en",
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        max_length=40,
        description="The BCP 47 tag of the language that it is in, for screen readers.",
    )


class Voice(Section):
    """How avatars speak, and the voices that need to be told something."""

    default: str = Field(
        default="hibari",
        min_length=1,
        description="The voice that speaks unless a text asks for another.",
    )
    language: str = Field(
        default="", description="A BCP 47 tag that the default voice speaks; empty: its first."
    )
    pace: float = Field(default=1.0, ge=0.5, le=2, description="How fast; 1 is usual.")
    longest_text: int = Field(
        default=10_000, ge=1, le=10_000, description="Characters of one utterance."
    )
    liveliness: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Of what an avatar does by itself (blinks, small movements): 0 is still, 0.5 as"
        " a listener, 1 as somebody who tells a story.",
    )
    skin: Literal["none", "grey", "lower", "higher", "deep", "bright"] = Field(
        default="none",
        description="What hides the presenter's own voice, unless a call asks for another; see"
        " voice-skins.md.",
    )
    espeak_library: Folder | None = Field(
        default=None, description="Of eSpeak NG, where the system does not find it."
    )
    openai_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s]+$",
        description="Base address of a service with OpenAI's `/v1/audio/speech`, up to and with"
        " `/v1`; unset: there is no such voice. What it is asked to say is sent there.",
    )
    openai_key: SecretStr | None = Field(default=None, description="The service's key.")
    openai_model: str | None = Field(default=None, description="The service's model.")
    openai_voice: str | None = Field(default=None, description="The service's voice.")
    openai_languages: str | None = Field(
        default=None,
        description="BCP 47 tags of what that voice speaks, with commas between them; unset: any.",
    )

    def options(self) -> dict[str, dict[str, str]]:
        """What each voice is told when it is opened, by its name."""
        key = self.openai_key.get_secret_value() if self.openai_key else None
        openai = {
            "base_url": self.openai_url,
            "api_key": key,
            "model": self.openai_model,
            "voice": self.openai_voice,
            "languages": self.openai_languages,
        }
        library = str(self.espeak_library) if self.espeak_library else None
        told = {"espeak": {"library": library}, "openai": openai}
        return {
            voice: {name: value for name, value in options.items() if value is not None}
            for voice, options in told.items()
        }


class Avatars(Section):
    """Avatars that were added to the built-in ones."""

    folder: Folder = Field(
        default_factory=lambda: data_home() / "avatars",
        description="Where added portraits and the consents for them are kept; unset:"
        " `$XDG_DATA_HOME/visavis/avatars`.",
    )


class Keys(Section):
    """The operator's secrets."""

    folder: Folder = Field(
        default_factory=lambda: data_home() / "keys",
        description="Where `signing.pem` (Ed25519) and `mark.key` are kept, made on first use with"
        " mode 0600; unset: `$XDG_DATA_HOME/visavis/keys`. Keep a copy: without them nobody can"
        " tell later what this server has made.",
    )
    signing: SecretStr | None = Field(
        default=None, description="The signing key itself (PKCS #8, PEM) instead of its file."
    )
    mark: SecretStr | None = Field(
        default=None, description="The mark key itself, 64 hexadecimal digits, instead of its file."
    )
    former_marks: tuple[SecretStr, ...] = Field(
        default=(), description="Mark keys of before, with which old marks are still found."
    )
    trusted: Folder | None = Field(
        default=None,
        description="A folder of other operators' public keys (`*.pem`, Ed25519) whose consent"
        " records are believed here.",
    )


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has to have printable characters only")
    return text


class Consent(Section):
    """Consent records: who grants them, for how long, where they are kept."""

    operator: Annotated[str, AfterValidator(_printable)] = Field(
        default="",
        max_length=80,
        description="Who runs this server, as records, statements and content credentials name it.",
    )
    folder: Folder = Field(
        default_factory=lambda: data_home() / "consents",
        description="Where granted records and the revocation list are kept; unset:"
        " `$XDG_DATA_HOME/visavis/consents`.",
    )
    days: int = Field(
        default=365, ge=1, le=3650, description="How long a record is valid unless it says else."
    )


class Audit(Section):
    """The log of what was done with whose face."""

    file: Folder = Field(
        default_factory=lambda: data_home() / "audit.jsonl",
        description="Hash-chained JSON lines, only ever appended to; unset:"
        " `$XDG_DATA_HOME/visavis/audit.jsonl`.",
    )


class Provenance(Section):
    """What content credentials (C2PA) are signed with."""

    certificate: Folder | None = Field(
        default=None,
        description="Certificate chain (PEM, leaf first) of the operator for C2PA; unset: a test"
        " certificate is made, and every credential says that it is one.",
    )
    private_key: Folder | None = Field(
        default=None, description="The certificate's private key (PEM, PKCS #8)."
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key belong together: set both or neither")
        return self


class Recording(Section):
    """Recordings of calls, as MP4 files with content credentials."""

    enabled: bool = Field(
        default=False,
        description="Whether calls are recorded. Every client is told so when its call begins.",
    )
    folder: Folder = Field(
        default_factory=lambda: data_home() / "recordings",
        description="Where they are written; unset: `$XDG_DATA_HOME/visavis/recordings`.",
    )
    longest_minutes: int = Field(
        default=120, ge=1, le=1440, description="Of one recording; the call goes on without it."
    )
    finish_s: float = Field(
        default=30.0,
        gt=0,
        description="What the recordings of calls have to be signed in when the server is told to"
        " stop; it waits for them.",
    )


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or "*" in text:
        raise ValueError("an origin is written as https://meet.example.org, one by one")
    if text != f"{parts.scheme}://{parts.netloc}".lower() or "@" in text:
        raise ValueError("an origin has a scheme, a host and maybe a port, in lower case; no path")
    return text


class Access(Section):
    """Who may ask what of the server."""

    required: bool = Field(
        default=False,
        description="Ask for a token on loopback, too. On any other address one is always asked"
        " for.",
    )
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        default=(),
        description="Other sites whose pages may call this server (CORS), such as"
        " `https://meet.example.org`.",
    )
    sessions_per_token: int = Field(
        default=4, ge=1, description="Calls that one token may hold at once."
    )
    requests_per_minute: int = Field(
        default=600, ge=1, description="Requests of any kind that one token may make in a minute."
    )


class Models(Section):
    """Files of the networks."""

    folder: Folder = Field(
        default_factory=weights.default_folder,
        description="Where fetched model files are kept; unset: `$XDG_CACHE_HOME/visavis/models`.",
    )


class Engines(Section):
    """Which renderer draws, and what runs its networks."""

    renderer: str = Field(
        default="warp",
        min_length=1,
        description="The renderer that draws avatars, by its registered name.",
    )
    backend: str = Field(
        default="auto",
        min_length=1,
        description="What runs the renderer's networks, by its registered name: `tensorrt`,"
        " `openvino`, `onnxruntime`; `auto`: the fastest that works here, see engines.md. One that"
        " is named and does not work here is an error.",
    )
    threads: int = Field(
        default=2,
        ge=1,
        le=256,
        description="Processor threads that one of its networks runs on; no more than there are.",
    )


class Logs(Section):
    """What is written to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least weighty message that is written."
    )
    format: Literal["plain", "json"] = Field(
        default="plain", description="Lines for people, or one JSON object a line for programs."
    )

"""`visavis.toml` < environment `VISAVIS_SECTION__KEY` < command line go in, `Settings` come out.

Every key is described here once; `docs/configuration.md` and `visavis config example` are made from
these descriptions. An unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from engines import weights
from live.errors import SettingsError

DEFAULT_FILE = Path("visavis.toml")
_PREFIX = "VISAVIS_"
_DELIMITER = "__"

_QUOTABLE = r"^[ !#-\[\]-~]+$"
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
        description="Calls and uploads that are taken in a minute; more are refused.",
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: set both or neither")
        return self


class Sessions(Section):
    """How many calls are held, and how long one without a sign of life."""

    places: int | None = Field(
        default=None, ge=1, description="Calls held at once; unset: one for each CPU core."
    )
    connect_deadline_s: float = Field(
        default=15.0, gt=0, description="A call that has not connected by then is ended."
    )
    silence_deadline_s: float = Field(
        default=6.0, gt=0, description="A call from which nothing has come for this long is ended."
    )

    def capacity(self) -> int:
        """The number of places in force."""
        return self.places or os.cpu_count() or 1


def _quotable(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(_QUOTABLE, secret.get_secret_value()):
        raise ValueError("has to be printable ASCII without quotes and backslashes")
    return secret


class IceServer(Section):
    """A STUN or TURN server, for peers behind address translation."""

    urls: str = Field(
        pattern=r"^(stuns?|turns?):[^\s<>\",;]+$", description="`stun:…`, `turn:…`, `turns:…`."
    )
    username: str | None = Field(default=None, pattern=_QUOTABLE, description="TURN user.")
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
        default=512, ge=128, le=1024, multiple_of=16, description="Width and height in pixels."
    )
    bitrate: int = Field(default=3000, ge=100, le=20000, description="Upper limit in kbit/s.")


class Label(Section):
    """The visible label on every picture that goes out."""

    visible: bool = Field(
        default=True,
        description="Switching it off is logged, and is the operator's responsibility: many places"
        " require synthetic video to be disclosed.",
    )
    text: str = Field(default="AI avatar", min_length=1, max_length=40, description="What it says.")


class Avatars(Section):
    """Avatars that were added to the built-in ones."""

    folder: Folder = Field(
        default_factory=lambda: data_home() / "avatars",
        description="Where uploaded portraits and their statements are kept; unset:"
        " `$XDG_DATA_HOME/visavis/avatars`.",
    )


class Models(Section):
    """Files of the networks."""

    folder: Folder = Field(
        default_factory=weights.default_folder,
        description="Where fetched model files are kept; unset: `$XDG_CACHE_HOME/visavis/models`.",
    )


class Logs(Section):
    """What is written to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least weighty message that is written."
    )
    format: Literal["plain", "json"] = Field(
        default="plain", description="Lines for people, or one JSON object a line for programs."
    )


class Settings(BaseSettings):
    """All settings, as in force for one run."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=_PREFIX, env_nested_delimiter=_DELIMITER
    )

    server: Server = Server()
    sessions: Sessions = Sessions()
    ice: Ice = Ice()
    video: Video = Video()
    label: Label = Label()
    avatars: Avatars = Field(default_factory=Avatars)
    models: Models = Field(default_factory=Models)
    logs: Logs = Logs()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """`load` merges the sources itself, so that a test's `Settings()` reads nothing."""
        return (init_settings,)


def sections() -> Iterator[tuple[str, type[Section]]]:
    """The tables of the file, in order."""
    for name, info in Settings.model_fields.items():
        assert isinstance(info.annotation, type)
        yield name, info.annotation


def load(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force; raises `SettingsError`.

    `file` must exist where it is named; otherwise `visavis.toml` is read where there is one.
    `overrides` are what the command line says, nested as in the file; `None` in it says nothing.
    """
    values: dict[str, Any] = {}
    if file is not None or DEFAULT_FILE.is_file():
        values = _read_toml(file or DEFAULT_FILE)
    _check_environment()
    try:
        environment = EnvSettingsSource(Settings)()
    except ValueError as error:
        raise SettingsError(f"environment: {error}; write lists and tables as JSON") from error
    for source in (environment, _without_none(overrides or {})):
        _merge(values, source)
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError("; ".join(_words(each) for each in error.errors())) from None


def masked(settings: Settings) -> dict[str, Any]:
    """The settings as plain values with every secret written as stars."""
    plain: dict[str, Any] = settings.model_dump(mode="json")
    return plain


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}") from error


def _check_environment() -> None:
    """Finds misspelt sections, which the settings source would pass over.

    Only names with the delimiter are looked at: container platforms invent `VISAVIS_PORT` and the
    like for a service that is called visavis.
    """
    for name in os.environ:
        upper = name.upper()
        if upper.startswith(_PREFIX) and _DELIMITER in upper:
            section = upper[len(_PREFIX) :].split(_DELIMITER)[0].lower()
            if section not in Settings.model_fields:
                nearest = _nearest(section, Settings.model_fields)
                raise SettingsError(f"environment {name}: unknown section {section!r}; {nearest}")


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if value is not None
    }


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _words(error: Any) -> str:
    """One pydantic error in words: which key, what is wrong, what to write instead.

    The offending value is left out, since it may be a secret.
    """
    path = [str(part) for part in error["loc"]]
    name = ".".join(path)
    if error["type"] != "extra_forbidden":
        return f"setting {name}: {error['msg'].removeprefix('Value error, ')}"
    known: Mapping[str, Any] = Settings.model_fields
    if len(path) > 1:
        known = IceServer.model_fields if path[1] == "servers" else _fields_of(path[0])
    return f"unknown setting {name}; {_nearest(path[-1], known)}"


def _fields_of(section: str) -> Mapping[str, Any]:
    return dict(sections())[section].model_fields


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {matches[0]!r}?" if matches else f"known are: {', '.join(known)}"

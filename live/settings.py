"""`visavis.toml` < environment `VISAVIS_SECTION__KEY` < command line go in, `Settings` come out.

An unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from live.errors import SettingsError
from live.sections import (
    Access,
    Audit,
    Avatars,
    Consent,
    Engines,
    Ice,
    IceServer,
    Keys,
    Label,
    Logs,
    Models,
    Provenance,
    Recording,
    Section,
    Server,
    Sessions,
    Video,
    Voice,
)

DEFAULT_FILE = Path("visavis.toml")
_PREFIX = "VISAVIS_"
_DELIMITER = "__"


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
    voice: Voice = Voice()
    avatars: Avatars = Field(default_factory=Avatars)
    consent: Consent = Field(default_factory=Consent)
    keys: Keys = Field(default_factory=Keys)
    access: Access = Access()
    audit: Audit = Field(default_factory=Audit)
    provenance: Provenance = Provenance()
    recording: Recording = Field(default_factory=Recording)
    models: Models = Field(default_factory=Models)
    engines: Engines = Engines()
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

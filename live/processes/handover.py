"""What a worker is told when it begins: the settings in force, in a line on its standard input.

Secrets are in it, so it is on no command line, in no file and in nobody's environment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from live.settings import Settings


@dataclass(frozen=True, slots=True)
class Handover:
    """What one worker is told."""

    name: str
    """Its own, as it is in the lines that it logs."""
    listener: int
    """The open descriptor of the Unix socket that it answers on."""
    processes: int
    """How many workers share the machine, this one among them."""
    settings: Settings


def to_line(told: Handover) -> bytes:
    """One line of JSON, with its end."""
    values = {
        "name": told.name,
        "listener": told.listener,
        "processes": told.processes,
        "settings": _revealed(told.settings.model_dump()),
    }
    return json.dumps(values).encode() + b"\n"


def from_line(line: bytes) -> Handover:
    """The way back; raises `ValueError` for what `to_line` has not made."""
    values = json.loads(line)
    return Handover(
        values["name"], values["listener"], values["processes"], Settings(**values["settings"])
    )


def read_line(descriptor: int) -> bytes:
    """The one line that is said; empty: nobody is there to say it."""
    line = bytearray()
    while not line.endswith(b"\n"):
        if not (part := os.read(descriptor, 1 << 16)):
            return b""
        line += part
    return bytes(line)


def _revealed(value: Any) -> Any:
    """Plain values, with secrets as they are."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Path():
            return str(value)
        case Mapping():
            return {key: _revealed(each) for key, each in value.items()}
        case list() | tuple():
            return [_revealed(each) for each in value]
    return value

"""Files in, the records that benchmarks have written out, whatever version wrote them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import SCHEMA
from live.errors import BadRequest

BUSY_PERCENT = 20
"""Of a core: from here on other programs are said to have been in the way."""

UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, StopIteration)
"""What figures of an older or a newer version of a benchmark may raise where they are shown."""

_LARGEST = 64 * 2**20
_DEMANDED = {"benchmark": str, "at": str, "machine": dict, "load": dict, "figures": dict}


@dataclass(frozen=True, slots=True)
class Record:
    """One run of one benchmark."""

    file: str
    """Its name, without folders."""
    name: str
    values: Mapping[str, Any]

    @property
    def figures(self) -> Mapping[str, Any]:
        """What was measured."""
        figures: Mapping[str, Any] = self.values["figures"]
        return figures

    @property
    def load(self) -> Mapping[str, Any]:
        """Of the machine, meanwhile."""
        load: Mapping[str, Any] = self.values["load"]
        return load

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What it was asked to do."""
        arguments: Mapping[str, Any] = self.values.get("arguments", {})
        return arguments

    @property
    def machine(self) -> Mapping[str, Any]:
        """What it ran on."""
        machine: Mapping[str, Any] = self.values["machine"]
        return machine


def read(file: Path) -> Record:
    """A record; raises `BadRequest` for what is none, or is of a later version than this."""
    try:
        if file.stat().st_size > _LARGEST:
            raise BadRequest(f"{file} has more than {_LARGEST >> 20} MB; no benchmark writes that")
        values = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRequest(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{file} is no JSON: write it by `visavis bench … --json FILE`") from error
    return checked(values, file.name)


def checked(values: Any, name: str) -> Record:
    """The record that a JSON document is; raises `BadRequest`."""
    for key, kind in _DEMANDED.items():
        if not isinstance(values, dict) or not isinstance(values.get(key), kind):
            raise BadRequest(f"{name} is no record of a benchmark: its {key!r} is missing")
    schema = values.get("schema", 1)
    if not isinstance(schema, int) or schema > SCHEMA:
        raise BadRequest(
            f"{name} is of schema {schema}, and this version reads up to {SCHEMA}; update Visavis"
        )
    return Record(name, values["benchmark"], values)


def percentiles(summary: Any) -> Mapping[str, float] | None:
    """What `benchmarks.spread.summary` has written; `None` for what it has not."""
    if isinstance(summary, Mapping) and all(
        isinstance(summary.get(key), int | float) for key in ("p50", "p95", "p99")
    ):
        return summary
    return None

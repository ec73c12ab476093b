"""Log records go in, lines without personal data come out on stderr: plain, or a JSON object each.

Our own code logs no pixels, landmarks, session descriptions, addresses, names or secret ids. The
libraries below it are less careful (aioice logs candidates, aiohttp the peer of a failed request),
so whatever looks like an address is struck out of every line, tracebacks included.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Literal

_STRUCK = "[address]"
_ADDRESS = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?:[:,/]\d+)?(?![\w.])"  # IPv4, with or without a port
    r"|(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}(?![\w:])"  # IPv6 written out
    r"|(?<![\w:])(?:[0-9a-f]{1,4}:){0,6}[0-9a-f]{0,4}::(?:[0-9a-f]{1,4}:){0,6}[0-9a-f]{0,4}(?![\w:])"
    r"|[0-9a-f-]{36}\.local\b",  # a browser's mDNS candidate
    re.IGNORECASE,
)
_STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


def strike_addresses(text: str) -> str:
    """The text with IP addresses and mDNS names struck out."""
    return _ADDRESS.sub(_STRUCK, text)


class Plain(logging.Formatter):
    """`2026-11-22 10:11:12 INFO live.pool call opened places=3`."""

    def __init__(self) -> None:
        """The local time, to the second."""
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """One line, more with a traceback; the record's extra fields as `key=value`."""
        extra = "".join(f" {key}={value}" for key, value in _extra(record).items())
        head, _, traceback = super().format(record).partition("\n")
        return strike_addresses(f"{head}{extra}" + (f"\n{traceback}" if traceback else ""))


class Json(logging.Formatter):
    """`{"time": "…Z", "level": "info", "logger": "live.pool", "message": "call opened", …}`."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object on one line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = {
            "time": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return strike_addresses(json.dumps(fields, default=str, ensure_ascii=False))


def set_up(
    level: str = "info", form: Literal["plain", "json"] = "plain", *, worker: str = ""
) -> None:
    """Sends every log line of the process to stderr in this form; may be called again.

    `worker`: the name that every line gets as a field; empty: none.
    """
    handler = logging.StreamHandler(sys.stderr)
    if worker:
        handler.addFilter(lambda record: _note_worker(record, worker))
    handler.setFormatter(Json() if form == "json" else Plain())
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)  # libraries: only what is wrong
    for package in ("live", "engines"):
        logging.getLogger(package).setLevel(level.upper())


def _note_worker(record: logging.LogRecord, worker: str) -> bool:
    record.worker = worker
    return True


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.__dict__.items() if key not in _STANDARD}

"""Session descriptions go in, the same come out with a link in the way of the media.

The offer's candidates are left out: the answering side then learns of no way to the peer but that
by which the peer's first check comes, which is the link's (RFC 8445 7.3.1.3, a peer-reflexive
candidate). The answer's are replaced by one, the link's.
"""

from __future__ import annotations

import re

_CANDIDATES = re.compile(r"^a=(?:candidate|end-of-candidates|ice-options:trickle)\b.*\r?\n", re.M)
_HOST = re.compile(r"^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host\b", re.M | re.I)
_PLACE = re.compile(r"^(?=a=ice-pwd:)", re.M)


def without_candidates(sdp: str) -> str:
    """A description that names no way to its peer."""
    return _CANDIDATES.sub("", sdp)


def destination(answer: str) -> tuple[str, int] | None:
    """The first IPv4 address and UDP port of an answer's own; `None`: it names none."""
    found = _HOST.search(answer)
    return None if found is None else (found[1], int(found[2]))


def led_to(answer: str, address: str, port: int) -> str:
    """The answer with this as its only candidate."""
    line = f"a=candidate:1 1 udp 2130706431 {address} {port} typ host\r\n"
    return _PLACE.sub(line, without_candidates(answer))

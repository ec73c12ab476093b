"""Names under which a server on loopback may be asked for; others are somebody's trick.

A page of a site whose name was made to resolve to 127.0.0.1 (DNS rebinding) has the browser's leave
to read what this server answers: for the browser it is the same site. Its requests carry that name.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a name or an address, without a port, is this machine's own for everybody."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761
        return True
    return _is_address(name) and ip_address(name).is_loopback


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def binds_loopback(host: str) -> bool:
    """Whether only this machine reaches who listens on this name or address."""
    return host == "localhost" or (_is_address(host) and is_loopback(host))


def names_loopback(header: str | None) -> bool:
    """Whether a `Host` header does; HTTP/1.0 may leave it out, and no browser speaks that."""
    if header is None:
        return True
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port  # raises where it is none
    except ValueError:
        return False
    return parts.netloc == header and is_loopback(parts.hostname or "")

"""Where things are kept, and where the server is to listen."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from engines import avatars as built_in
from engines.backends.tensorrt import cache
from live.access.gate import asks_for_tokens
from live.access.hosts import binds_loopback
from live.avatars import added_ids
from live.examination.finding import Finding
from live.sections import Server
from live.settings import Settings


def examine(chosen: Settings, root: Path = Path("/")) -> Iterator[Finding]:
    """`root`: where `/dev` is."""
    yield _folder("folder of models", chosen.models.folder, "set models.folder")
    yield _folder("folder of engines", cache.default_folder(), "set XDG_CACHE_HOME")
    yield _avatars(chosen.avatars.folder)
    yield _port(chosen.server)
    yield _secure(chosen.server)
    yield _access(chosen)
    yield _camera(root)


def _folder(what: str, folder: Path, instead: str) -> Finding:
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        mend = f"make {existing} a folder that can be written, or {instead}"
        return Finding(what, False, f"{folder} cannot be written", mend)
    return Finding(what, True, str(folder))


def _avatars(folder: Path) -> Finding:
    found = _folder("avatars", folder, "set avatars.folder")
    if not found.ok:
        return found
    count = len(built_in.ids()) + len(added_ids(folder))
    return Finding("avatars", True, f"{count}, added ones in {folder}")


def _port(server: Server) -> Finding:
    where = f"{server.host}:{server.port}"
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
        except OSError as error:
            mend = "stop what listens there, or set server.port"
            return Finding("port", False, f"{where}: {error.strerror}", mend)
    return Finding("port", True, f"{where} is free")


def _secure(server: Server) -> Finding:
    if server.tls_cert is not None:
        return _certificate(server.tls_cert, server.tls_key)
    if binds_loopback(server.host):
        return Finding("HTTPS", True, "not needed on this machine itself")
    mend = "set server.tls_cert and server.tls_key, or put a proxy with HTTPS before it"
    return Finding("HTTPS", False, "browsers give no camera to a page without it", mend)


def _access(chosen: Settings) -> Finding:
    if asks_for_tokens(chosen):
        return Finding("access", True, "a token is asked for (visavis token grant)")
    return Finding("access", True, "open to everybody on this machine, and to nobody else")


def _certificate(chain: Path, key: Path | None) -> Finding:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "unreadable"
        mend = "correct server.tls_cert and server.tls_key: PEM files that belong together"
        return Finding("HTTPS", False, f"{chain}: {reason}", mend)
    return Finding("HTTPS", True, str(chain))


def _camera(root: Path) -> Finding:
    devices = sorted(each.name for each in (root / "dev").glob("video*"))
    mine = ", ".join(devices) if devices else "none"
    return Finding("camera", True, f"{mine}; a server needs none, callers bring their own")

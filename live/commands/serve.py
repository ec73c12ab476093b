"""`visavis serve`: the server and the web client."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from live import logs, server, settings
from live.access.gate import asks_for_tokens
from live.access.hosts import binds_loopback
from live.assembly import assemble, assemble_front
from live.processes.number import number
from live.settings import Settings

if TYPE_CHECKING:
    from live.__main__ import Subparsers

_log = logging.getLogger(__name__)


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "serve",
        help="run the server and the web client",
        description="Runs the server and the web client until it is told to stop.",
    )
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port, 0 for any (8080)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT."""
    given = {name: getattr(args, name) for name in ("host", "port", "tls_cert", "tls_key")}
    chosen = settings.load(args.config, {"server": given})
    logs.set_up(chosen.logs.level, chosen.logs.format)
    _warn(chosen)
    processes = number(chosen)
    house = assemble(chosen) if processes == 1 else assemble_front(chosen, processes)
    server.run(house, lambda address: _announce(address, asks_for_tokens(chosen)))
    return 0


def _warn(chosen: Settings) -> None:
    """Of what the address makes unsafe."""
    if binds_loopback(chosen.server.host):
        return
    _log.warning("others can reach this address, so every request needs an access token")
    if chosen.server.tls_cert is None:
        _log.warning(
            "without HTTPS tokens, faces' consent and what is said can be read on the way, and"
            " browsers on other machines give no camera: set --tls-cert and --tls-key, or put a"
            " proxy with HTTPS before this server and let nobody else reach it"
        )


def _announce(address: str, asks: bool) -> None:
    print(f"Visavis is at {address}  (Ctrl-C ends it)", flush=True)
    if asks:
        print(
            "It asks for an access token; make one by:"
            " visavis token grant --scope session --scope speak",
            flush=True,
        )

"""`visavis doctor`: what this machine can do and what is missing, each with its mend."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import av

from engines import registry
from engines.errors import EngineError
from engines.weights import MODELS, ModelStore
from live import parts, settings
from live.avatars import AvatarStore
from live.sections import Server
from live.server import LOOPBACK
from live.settings import Settings

if TYPE_CHECKING:
    from live.__main__ import Subparsers

_PACKAGES = ("ai-edge-litert", "aiohttp", "aiortc", "av", "numpy", "opencv-python-headless")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    found: str
    mend: str = ""
    """What to do; empty where all is well."""


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what this machine can do and what is missing",
        description="Says what this machine can do and what is missing, each with its mend.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the findings; 1 where something is missing."""
    findings = list(examine(settings.load(args.config)))
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            print(f"{'ok' if finding.ok else 'NO':2}  {finding.what:{width}}  {finding.found}")
            if finding.mend:
                print(f"    {'':{width}}  → {finding.mend}")
    return 0 if all(finding.ok for finding in findings) else 1


def examine(chosen: Settings) -> Iterator[Finding]:
    """Looks at everything that a call needs; fetches nothing."""
    yield Finding("Python", True, sys.version.split()[0])
    yield _processors()
    yield from (_package(name) for name in _PACKAGES)
    yield from (_codec(name, label) for name, label in (("libx264", "H.264"), ("libvpx", "VP8")))
    yield _renderer()
    yield from _models(ModelStore(chosen.models.folder))
    yield _avatars(chosen.avatars.folder)
    yield _port(chosen.server)
    yield _secure(chosen.server)


def _processors() -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("processors", True, f"{count}; no GPU is needed")


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, "not installed", "pip install visavis")


def _codec(name: str, label: str) -> Finding:
    try:
        av.Codec(name, "w")
    except ValueError:  # PyAV's UnknownCodecError is one
        return Finding(label, False, f"no {name}", "pip install --force-reinstall av")
    return Finding(label, True, name)


def _renderer() -> Finding:
    try:
        registry.load("renderers", parts.RENDERER)
    except EngineError as error:
        return Finding("renderer", False, str(error), "pip install --force-reinstall visavis")
    return Finding("renderer", True, parts.RENDERER)


def _models(store: ModelStore) -> Iterator[Finding]:
    for name in MODELS:
        if store.has(name):
            yield Finding(name, True, str(store.folder))
        else:
            mend = f"it is fetched at the first start; or now: visavis models fetch {name}"
            yield Finding(name, False, f"not in {store.folder}", mend)


def _avatars(folder: Path) -> Finding:
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        mend = f"make {existing} a folder that can be written, or set avatars.folder"
        return Finding("avatars", False, f"{folder} cannot be written", mend)
    return Finding("avatars", True, f"{len(AvatarStore(folder).entries())}, added ones in {folder}")


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
        return Finding("HTTPS", True, str(server.tls_cert))
    if server.host in LOOPBACK:
        return Finding("HTTPS", True, "not needed on this machine itself")
    mend = "set server.tls_cert and server.tls_key, or put a proxy with HTTPS before it"
    return Finding("HTTPS", False, "browsers give no camera to a page without it", mend)

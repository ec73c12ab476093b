"""`visavis verify`: whether a picture or film was made here, and what is known of it."""

from __future__ import annotations

import argparse
import asyncio
import json
import textwrap
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engines.progress import Progress
from live import keys, settings
from live.errors import VisavisError
from live.verification.credentials import own_certificate
from live.verification.opening import opened, shown
from live.verification.verdict import Verdict
from live.verification.verifier import Verifier
from live.verification.words import caveats, findings, full_document, headline

if TYPE_CHECKING:
    from live.__main__ import Subparsers

MADE_HERE, NOT_SHOWN = 0, 1
"""Exit codes; 2, as everywhere: the file cannot be looked at."""

_MANY = 5
"""Stretches of a film, from which on there is time to read how far it is."""
_WIDTH = 88


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "verify",
        help="tell whether a picture or film was made here",
        description="Tells whether a picture or film was made by this server: looks for content"
        " credentials (C2PA) and for the mark in the pixels. Nothing is fetched, and the file is"
        " decoded in a process of its own with limits.",
        epilog="Exit codes, as grep's: 0 made here (a mark of this server's keys, or valid"
        " credentials with its certificate); 1 looked at, and that is not shown: nothing found,"
        " somebody else's credentials, or broken ones; 2 not looked at: no such file, not a picture"
        " or film, damaged, too large. stderr then says why, and stdout is empty.",
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="MP4, MOV, WebM, MKV, JPEG, PNG, WebP or GIF"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Looks at one file."""
    chosen = settings.load(args.config)
    with opened(args.file) as descriptor:
        certificate = partial(own_certificate, chosen.provenance, chosen.keys)
        verifier = Verifier(keys.load(chosen.keys), certificate)
        with ExitStack() as stack:
            tell = _Progress(shown(args.file), stack)
            try:
                verdict = asyncio.run(verifier.verify(descriptor, tell))
            except VisavisError as error:
                raise type(error)(f"{shown(args.file)}: {error}") from error
    if args.json:
        print(json.dumps(full_document(verdict), indent=2, ensure_ascii=False))
    else:
        _show(verdict)
    return MADE_HERE if verdict.code == "made_here" else NOT_SHOWN


class _Progress:
    """Tells on stderr how far a long film is."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self._name, self._stack = name, stack
        self._told: Progress | None = None

    def __call__(self, done: int, parts: int | None) -> None:
        if parts is None or parts < _MANY:
            return
        if self._told is None:
            told = Progress(self._name, 100, unit="%", doing="is looked at", done="done")
            self._told = self._stack.enter_context(told)
        self._told.reached(100 * min(done, parts) / parts)


def _show(verdict: Verdict) -> None:
    print(headline(verdict))
    print()
    for line in findings(verdict):
        print(_wrapped(line))
    print("\nWhat cannot be told from this:")
    for caveat in caveats(verdict):
        print(_wrapped(caveat.words))


def _wrapped(words: str) -> str:
    return textwrap.fill(
        words, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False
    )

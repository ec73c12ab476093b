"""`visavis config`: the settings in force, or an example file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from live import settings, settings_reference

if TYPE_CHECKING:
    from live.__main__ import Subparsers


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "config",
        help="show the settings in force, or an example file",
        description="Shows the settings in force, or an example file to start from.",
    )
    parts = parser.add_subparsers(title="parts", metavar="PART", required=True)
    show = parts.add_parser("show", help="settings in force as JSON, secrets masked")
    show.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
    show.set_defaults(run=run_show)
    example = parts.add_parser("example", help="a commented visavis.toml with every default")
    example.set_defaults(run=run_example)


def run_show(args: argparse.Namespace) -> int:
    """Prints the settings in force."""
    values = settings.masked(settings.load(args.config))
    print(json.dumps(values, indent=2, ensure_ascii=False))
    return 0


def run_example(args: argparse.Namespace) -> int:
    """Prints the example."""
    print(settings_reference.example(), end="")
    return 0

"""`visavis doctor`: what this machine can do and what is missing, each with its mend."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from live import settings
from live.examination import Finding, examine

if TYPE_CHECKING:
    from live.__main__ import Subparsers


def add_to(subparsers: Subparsers) -> None:
    """Adds the command's options."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what this machine can do and what is missing",
        description="Says what this machine can do and what is missing, each with its mend.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (visavis.toml)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument(
        "--gpu",
        action="store_true",
        help="run the networks on the NVIDIA GPU, for some minutes, and make a report to send back",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the findings; 1 where something that is needed is missing."""
    if args.gpu:
        from live.commands.gpu_report import run_gpu_report  # noqa: PLC0415  only this needs it

        return run_gpu_report(args)
    findings = list(examine(settings.load(args.config)))
    if args.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        _show(findings)
    return 0 if all(finding.ok for finding in findings) else 1


def _show(findings: Sequence[Finding]) -> None:
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        print(f"{_mark(finding):2}  {finding.what:{width}}  {finding.found}")
        if finding.mend:
            print(f"    {'':{width}}  → {finding.mend}")


def _mark(finding: Finding) -> str:
    if not finding.ok:
        return "NO"
    return "–" if finding.mend else "ok"

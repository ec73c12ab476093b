"""Records of benchmarks in, one HTML page out; and what has changed between older and newer ones.

The page holds everything: plots are inline SVG, there is no script, and nothing is fetched. With
`--against` each figure of a record is compared with that of the older record of the same benchmark.
A difference comes with a 95 % interval between calls (`benchmarks/reporting/differences.py`), and
one that its interval does not keep from zero is called none. Records of different machines, or of
runs that were asked for different things, are not compared unless `--anyway`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reporting import changes, records
from benchmarks.reporting.page import page
from benchmarks.reporting.records import Record
from live.errors import BadRequest

_OUT = Path("visavis-report.html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="records (--json)")
    parser.add_argument("-o", "--out", type=Path, default=_OUT, help=f"the page ({_OUT})")
    parser.add_argument(
        "--against", nargs="+", type=Path, default=[], metavar="FILE", help="older records"
    )
    parser.add_argument(
        "--anyway", action="store_true", help="compare other machines and arguments, too"
    )
    parser.add_argument(
        "--fail-on-regression",
        action="store_true",
        help="end with 1 where a figure is worse, beyond the noise",
    )


def run(args: argparse.Namespace) -> int:
    """Writes the page; 1 where a regression is to be told by that."""
    found = [records.read(file) for file in args.files]
    compared = pairs([records.read(file) for file in args.against], found)
    if args.fail_on_regression and not compared:
        raise BadRequest("--fail-on-regression needs older records: --against FILE")
    differences = changes.between(compared, anyway=args.anyway)
    args.out.write_text(page(found, changes.section_of(compared, differences)), encoding="utf-8")
    for line in changes.lines(differences):
        print(line)
    print(f"written: {args.out}")
    if args.fail_on_regression and any(one.is_worse for one in differences):
        print("a figure is worse than before, beyond the noise", file=sys.stderr)
        return 1
    return 0


def pairs(older: Sequence[Record], newer: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Each newer record with the older one of the same benchmark; raises `BadRequest`."""
    by_name: dict[str, Record] = {}
    for record in older:
        if record.name in by_name:
            raise BadRequest(f"--against names two records of {record.name!r}; name one of each")
        by_name[record.name] = record
    found = [(by_name[record.name], record) for record in newer if record.name in by_name]
    lonely = set(by_name) - {record.name for record in newer}
    if lonely:
        raise BadRequest(
            f"there is nothing to compare {', '.join(sorted(lonely))} with; name a newer record of"
            " each before --against"
        )
    return found

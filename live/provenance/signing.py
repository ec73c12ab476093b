"""A manifest's definition and a file in, the file with the signed manifest in it out.

The library copies and hashes whole files: 8 s of processor time and half a gigabyte of memory for
a film of one, in small turns that each need the interpreter's lock. `sign_apart` has a process of
its own do that, so that calls in this one go on as they were.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import c2pa

from live.provenance.library import offline

_IDLE = 10
"""What the process of its own adds to its nice value: calls come first."""
_START_S, _BYTES_A_SECOND = 60, 4_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be signed with what."""

    stated: dict[str, Any]
    """As `c2pa.Builder` takes it."""
    algorithm: str
    chain: str
    """PEM."""
    key: str = field(repr=False)
    """PEM."""


class NotSigned(Exception):
    """The library's reason why not."""


def sign(order: Order, media_type: str, source: BinaryIO, target: BinaryIO) -> None:
    """Signs from one open file to another; raises `NotSigned`."""
    info = c2pa.C2paSignerInfo(
        order.algorithm,
        order.chain.encode(),
        order.key.encode(),
        None,  # no authority is asked for a time stamp
    )
    try:
        with (
            offline() as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(order.stated, context=context) as builder,
        ):
            builder.sign(signer, media_type, source, target)
    except c2pa.C2paError as error:
        raise NotSigned(" ".join(str(error).split())[:300]) from error


def sign_film(order: Order, source: Path, target: Path) -> None:
    """Signs an MP4 file into another one, which is on the disk then; raises `NotSigned`."""
    with source.open("rb") as unsigned, target.open("w+b") as signed:
        sign(order, "video/mp4", unsigned, signed)
        signed.flush()
        os.fsync(signed.fileno())


def sign_apart(order: Order, source: Path, target: Path) -> None:
    """As `sign_film`, in a process of its own, which is not waited for without end."""
    limit_s = _START_S + source.stat().st_size / _BYTES_A_SECOND
    try:
        done = subprocess.run(
            [sys.executable, "-m", "live.provenance.signing", source, target],
            input=json.dumps(asdict(order)),  # not as an argument, which everybody can read
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotSigned(f"it is not done after {limit_s:.0f} s") from error
    if done.returncode:
        raise NotSigned(done.stdout.strip() or f"its process ended with {done.returncode}")


def _main(source: str, target: str) -> int:
    os.nice(_IDLE)
    try:
        sign_film(Order(**json.load(sys.stdin)), Path(source), Path(target))
    except (NotSigned, OSError) as error:
        sys.stdout.write(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

"""The process that looks at one file: a request comes in by stdin, lines of JSON go out.

    python -m live.verification

The request is `{"file", "marks", "certificate", "search_cpu_s", "search_wall_s", "memory",
"cpu_s"}`: the number of an
open descriptor, mark keys as hexadecimal digits, PEM or null, and limits. The last line is
`{"verdict": …}`, or `{"error", "detail"}` with the name of an error of `live.errors`;
those before it are `{"done", "of"}`, how many stretches of a film were looked at.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from cryptography import x509

from live.errors import VisavisError
from live.verification.confinement import confine, end_with_parent
from live.verification.look import Wanted, look
from live.verification.verdict import document
from live.verification.windows import Tell

_NICENESS = 10
"""Calls that run on the same machine go first."""


def main() -> None:
    """Answers one request."""
    out = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints is no part of the answer
    request = json.load(sys.stdin)
    with os.fdopen(out, "w") as stream:

        def write(line: dict[str, Any]) -> None:
            stream.write(json.dumps(line, ensure_ascii=True, allow_nan=False) + "\n")
            stream.flush()

        write(_answer(request, lambda done, parts: write({"done": done, "of": parts})))


def _answer(request: dict[str, Any], tell: Tell) -> dict[str, Any]:
    end_with_parent()
    os.nice(_NICENESS)
    certificate = request["certificate"]
    wanted = Wanted(
        tuple(map(bytes.fromhex, request["marks"])),
        x509.load_pem_x509_certificate(certificate.encode()) if certificate else None,
        request["search_cpu_s"],
        request["search_wall_s"],
    )
    confine(request["memory"], request["cpu_s"])
    try:
        with os.fdopen(request["file"], "rb") as file:
            return {"verdict": document(look(file, wanted, tell))}
    except VisavisError as error:
        return {"error": type(error).__name__, "detail": str(error)}
    except MemoryError:
        return {"error": "TooLarge", "detail": "it takes more memory than is given to one file"}


if __name__ == "__main__":
    main()

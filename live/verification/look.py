"""An opened file in, its verdict out: in this process, which has limits already.

See `confinement`; `verifier` starts the process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import file_digest
from io import BufferedReader

from cryptography import x509

from live.errors import Unprocessable
from live.verification import credentials, media
from live.verification.film import Film
from live.verification.marks import Budget, search
from live.verification.stills import Stills
from live.verification.verdict import Examined, Kind, Verdict
from live.verification.windows import Tell


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for, and for how long."""

    mark_keys: tuple[bytes, ...]
    """The current one first."""
    certificate: x509.Certificate | None
    """That this operator signs content credentials with."""
    search_cpu_s: float
    """Of searching for marks; what has not been looked at by then is said."""
    search_wall_s: float
    """The same by the clock."""


def look(file: BufferedReader, wanted: Wanted, tell: Tell = lambda done, parts: None) -> Verdict:
    """Looks at one file.

    Raises `BadRequest` for an empty one, `WrongType` for what is no picture or film, `TooLarge` for
    one with too many pixels, and `Unprocessable` for one that cannot be decoded.
    """
    file.seek(0)  # the descriptor is shared with whoever has written the file
    medium = media.medium(file.read(media.HEAD))
    file.seek(0)
    sha256 = file_digest(file, "sha256").hexdigest()
    size = file.tell()
    file.seek(0)
    signed = credentials.read(file, medium, wanted.certificate)
    file.seek(0)
    opened = Film(file, medium, size) if medium.is_film else Stills(file, medium)
    budget = Budget(wanted.search_cpu_s, wanted.search_wall_s)
    marks, looked = search(
        opened.windows(), wanted.mark_keys, budget, lambda done: tell(done, opened.parts)
    )
    if not looked.pictures:
        raise Unprocessable(
            "there is no picture in this file that can be decoded: it is damaged, of a kind that is"
            " not known here, or larger than 4096×2304"
        )
    kind: Kind = "film" if medium.is_film else "animation" if opened.animated else "picture"
    examined = Examined(
        sha256, size, medium.type, kind, opened.width, opened.height, _rounded(opened.seconds)
    )
    looked = replace(looked, whole=looked.whole and opened.whole, damaged=opened.damaged)
    return Verdict(examined, signed, marks, looked)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)

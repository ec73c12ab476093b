"""A model's specification goes in, the content of its file comes out, checked by its hash.

Runtimes trust their files: OpenVINO ends the whole process on some that differ in one byte.
"""

from __future__ import annotations

import hashlib

from engines.errors import EngineError
from engines.types import ModelSpec


def content(spec: ModelSpec) -> bytes:
    """The file's bytes; where `spec.sha256` is empty nobody knows what they should be.

    Raises `EngineError` where the file cannot be read, or is not the one that was meant.
    """
    try:
        found = spec.path.read_bytes()
    except OSError as error:
        raise EngineError(
            f"the network {spec.name!r} cannot be loaded ({error.strerror}: {spec.path.name});"
            " install this package, or export the network, anew"
        ) from error
    if spec.sha256 and hashlib.sha256(found).hexdigest() != spec.sha256:
        raise EngineError(
            f"the network {spec.name!r} cannot be loaded: its file {spec.path.name} is damaged"
            " (another sha256 than the one known); install this package, or export the network,"
            " anew"
        )
    return found

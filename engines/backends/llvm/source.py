"""A model's specification goes in, its network's own file comes out of the archive it lies in."""

from __future__ import annotations

import hashlib
import zipfile

from engines.errors import EngineError
from engines.types import ModelSpec


def content(spec: ModelSpec) -> bytes:
    """The file; raises `EngineError` where it is damaged or cannot be read."""
    try:
        whole = spec.path.read_bytes()
        if spec.sha256 and hashlib.sha256(whole).hexdigest() != spec.sha256:
            raise EngineError(
                f"the file {spec.path.name} is damaged; remove it so that it is fetched anew"
            )
        if not spec.member:
            return whole
        with zipfile.ZipFile(spec.path) as archive:
            return archive.read(spec.member)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise EngineError(
            f"the file {spec.path.name} cannot be read ({error}); remove it so that it is fetched"
            " anew"
        ) from error

"""The files of a stored avatar go in, a signed list of their hashes comes out, and is held to.

One changed byte of any of them, a file taken out or put in beside, or the folder under another
name: each is found when the avatar is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from live.errors import BadSignature, NoConsent
from live.keys import OperatorKeys
from live.signed import opened, sign

TYP = "visavis-seal"
VERSION = 1


def sealed(avatar: str, files: Mapping[str, bytes], keys: OperatorKeys) -> str:
    """The signed document for the files of one avatar, by their names."""
    hashes = {name: sha256(data).hexdigest() for name, data in files.items()}
    return sign({"v": VERSION, "avatar": avatar, "files": hashes}, keys.signing, TYP)


def check(avatar: str, files: Mapping[str, bytes], seal: str, keys: OperatorKeys) -> None:
    """Raises `NoConsent` that says which file is not as it was sealed."""
    try:
        claims = opened(seal, keys.believed, TYP)
    except BadSignature as error:
        raise _broken(avatar, f"its seal.jws cannot be believed: {error}") from error
    hashes = claims.get("files")
    if claims.get("v") != VERSION or not isinstance(hashes, dict):
        raise _broken(avatar, "its seal.jws is of another version")
    if claims.get("avatar") != avatar:
        raise _broken(avatar, "its seal.jws is another avatar's")
    for name in sorted({*hashes, *files}):
        if name not in files:
            raise _broken(avatar, f"its {name} is gone")
        if name not in hashes:
            raise _broken(avatar, f"a file {name} was put beside its own")
        if sha256(files[name]).hexdigest() != hashes[name]:
            raise _broken(avatar, f"its {name} was changed")


def _broken(avatar: str, what: str) -> NoConsent:
    return NoConsent(
        f"the avatar {avatar!r} is not as it was when consent was checked: {what}; remove it and"
        " add it again"
    )

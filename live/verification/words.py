"""A verdict in, plain sentences out: what was found, and what nobody can tell from it.

`code` of a caveat is stable, its words are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log10
from typing import Any

from live.verification.verdict import Credentials, FoundMark, Looked, Stretch, Verdict, document

_MOST_DIGITS = 30
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_STRETCHES = 6

_SOURCES = {
    "trainedAlgorithmicMedia": "made by a trained model",
    "compositeWithTrainedAlgorithmicMedia": "made in part by a trained model",
    "algorithmicMedia": "made by a program",
    "compositeSynthetic": "put together with synthetic parts",
    "digitalCapture": "taken by a camera",
    "computationalCapture": "taken by a camera and changed by it",
    "digitalCreation": "drawn by a person",
}
"""IPTC's digital source types, in words."""
_HEADLINES = {
    "made_here": "This was made with this server’s keys: what it shows is synthetic.",
    "credentials_broken": "Its content credentials are broken: the file was changed after signing.",
    "signed_elsewhere": "Somebody else has signed this; nothing of this server was found.",
    "nothing_found": "Nothing of this server was found.",
}


@dataclass(frozen=True, slots=True)
class Caveat:
    """What the verdict does not mean."""

    code: str
    words: str


def full_document(verdict: Verdict) -> dict[str, Any]:
    """The verdict for programs, with the words for people."""
    words = {"headline": headline(verdict), "found": list(findings(verdict))}
    told = [{"code": one.code, "words": one.words} for one in caveats(verdict)]
    return {**document(verdict), "words": words, "cannot_tell": told}


def headline(verdict: Verdict) -> str:
    """The verdict in a line."""
    if verdict.code == "made_here" and verdict.credentials.state == "broken":
        return _HEADLINES["made_here"] + " But it was changed afterwards."
    return _HEADLINES[verdict.code]


def findings(verdict: Verdict) -> Iterator[str]:
    """What was found, a sentence or two each."""
    yield _credentials(verdict.credentials)
    if not verdict.marks:
        yield "Mark: none of this server’s was found."
    for mark in verdict.marks:
        yield _mark(mark, verdict.looked_at)
    declared = verdict.credentials.session
    if declared and verdict.marks and declared not in {mark.session for mark in verdict.marks}:
        yield (
            f"The credentials name session {declared}, but the mark in the picture is another’s:"
            " the pictures may have been replaced before they were signed."
        )


def _credentials(found: Credentials) -> str:
    if found.state == "absent":
        return "Content credentials: none."
    if found.state == "unreadable":
        return "Content credentials: whether there are any cannot be told; the file is damaged."
    if found.state == "broken":
        codes = ", ".join(found.problems) or "unreadable"
        return f"Content credentials: broken ({codes})."
    who = f" by “{found.signer}”" if found.signer else ""
    ours = " with this operator’s certificate" if found.ours else ""
    test = ", which is a test certificate" if found.test_certificate else ""
    said = [_SOURCES.get(kind, kind) for kind in found.source_types]
    kinds = f" They say: {', '.join(said)}." if said else ""
    session = f" They name session {found.session}." if found.session else ""
    return f"Content credentials: valid, signed{who}{ours}{test}.{kinds}{session}"


def _mark(mark: FoundMark, looked: Looked) -> str:
    key = "" if mark.key == "current" else " with a former key"
    where = f", found {_where(mark.stretches, looked)}" if mark.stretches else ""
    how = ", mirrored" if mark.mirrored else ""
    return f"Mark: session {mark.session}{key}{where}{how}. {_chance(mark.false_alarm)}"


def _where(stretches: tuple[Stretch, ...], looked: Looked) -> str:
    if stretches != looked.stretches:
        return f"from {_times(stretches)}"
    if looked.whole:
        return "from beginning to end"
    return f"in each of the {len(stretches)} stretches that were looked at"


def _chance(probability: float) -> str:
    digits = _MOST_DIGITS if probability <= 0 else min(_MOST_DIGITS, int(-log10(probability)))
    superscript = str(digits).translate(_SUPERSCRIPT)
    return f"By chance that would be found less than once in 10{superscript} times."


def _times(stretches: Iterable[Stretch]) -> str:
    all_of_them = [f"{_clock(one.start_s)} to {_clock(one.end_s)}" for one in stretches]
    shown = ", ".join(all_of_them[:_MOST_STRETCHES])
    rest = len(all_of_them) - _MOST_STRETCHES
    return f"{shown} and {rest} more stretches" if rest > 0 else shown


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    tail = f"{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
    return f"{hours}:{tail}" if hours else tail


def caveats(verdict: Verdict) -> Iterator[Caveat]:
    """What neither the credentials nor the mark can tell."""
    yield from _of_marks(verdict)
    yield from _of_credentials(verdict.credentials)
    yield from _of_looking(verdict)


def _of_marks(verdict: Verdict) -> Iterator[Caveat]:
    if not verdict.marks:
        yield Caveat(
            "no_mark_is_no_proof",
            "That no mark was found is no proof of a real camera. Another program may have made the"
            " picture, or the mark was lost: cropped away, turned on its side, made very small, or"
            " compressed beyond what it bears.",
        )
        yield Caveat(
            "own_keys_only",
            "Only marks made with this server’s own keys can be found here. Another server’s mark"
            " looks like nothing.",
        )
        return
    yield Caveat(
        "mark_is_no_story",
        "The mark says which server drew the pictures, and in which session. It does not say that"
        " nothing was cut, put in another order, or taken out of its context, nor who spoke.",
    )
    yield Caveat(
        "mark_could_be_moved",
        "Somebody with much skill might lift a mark from one picture and lay it over another. The"
        " operator’s audit log says whether the session took place, and when.",
    )


def _of_credentials(found: Credentials) -> Iterator[Caveat]:
    if found.state == "absent":
        reason = (
            "Content credentials are lost whenever a film or picture is encoded again, and most"
            " platforms remove them. That they are missing says nothing of who made it."
        )
        if not found.possible:
            reason = "WebM and Matroska files cannot carry content credentials yet. " + reason
        yield Caveat("credentials_get_lost", reason)
    if found.state == "broken":
        yield Caveat(
            "what_was_changed",
            "Broken credentials say that the file is not as it was signed. They do not say what"
            " was changed, by whom, or whether it matters.",
        )
    if found.state == "valid":
        yield Caveat(
            "signature_is_no_truth",
            "Valid credentials prove that the file is as its signer left it. They do not prove that"
            " what they say of it is true.",
        )
    if found.expired:
        yield Caveat(
            "certificate_expired",
            "The signer’s certificate has expired, so nothing says that it was valid when it was"
            " used.",
        )
    if found.test_certificate:
        yield Caveat(
            "test_certificate",
            "A test certificate is one that nobody has vouched for: anybody can make one with any"
            " name.",
        )


def _of_looking(verdict: Verdict) -> Iterator[Caveat]:
    looked = verdict.looked_at
    if not looked.whole:
        yield Caveat(
            "not_all_was_looked_at",
            f"Only parts were looked at for a mark ({_times(looked.stretches)}). What lies between"
            " them may be of other origin.",
        )
    if looked.reduced and not verdict.marks:
        yield Caveat(
            "looked_at_in_small",
            "The pictures are large and were made smaller to be looked at. An avatar in a small"
            " window, as on a screenshot, may be missed: cut the window out and ask again.",
        )
    if looked.damaged:
        yield Caveat("damaged", "A part of the file is damaged and could not be looked at.")
    if verdict.file.kind == "picture":
        yield Caveat(
            "one_picture_is_little",
            "In a single picture the mark is harder to find than in two seconds of film.",
        )
    if verdict.file.kind == "film":
        yield Caveat(
            "sound_was_not_heard", "The sound was not examined: it carries no mark of this server."
        )

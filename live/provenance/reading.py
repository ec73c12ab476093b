"""Any picture or film in, what its content credentials say and whether they hold out.

Nothing is fetched: credentials that a file only points to are absent here, revocation is not asked
about. Reading holds up to 0.6 GiB of a large film; whoever reads strangers' files does it in a
process of its own, with limits.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

import c2pa
from cryptography import x509

from live.provenance.certificates import pem, read_chain
from live.provenance.facts import Facts
from live.provenance.library import offline
from live.provenance.manifest import actions_of, facts_of
from live.provenance.self_made import NAME

_TRUSTED = "Trusted"
_HOLDS = ("Valid", _TRUSTED)
_UNTRUSTED, _EXPIRED = "signingCredential.untrusted", "signingCredential.expired"
_SIGNED = "claimSignature.validated"
_ELSEWHERE = "Remote:"
_NO_MEDIA = ("Io:", "NotSupported:", "Other: asset could not be parsed")
"""How the library's errors begin where the file itself is at fault, not its credentials."""
_LONGEST = 200
_MOST = 32


class Standing(StrEnum):
    """How a file's content credentials stand."""

    VALID = "valid"
    """Whoever signed them and when, neither they nor the file were changed since."""
    BROKEN = "broken"
    ABSENT = "absent"
    UNREADABLE = "unreadable"
    """The file is damaged or of no type that could have any; nobody can tell."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed, as the certificate says; anybody can make one that says anything."""

    name: str
    organization: str
    is_trusted: bool
    """With ours, or one that an authority which the reader was given answers for."""
    is_test: bool
    """With a certificate of the kind that Visavis makes for itself, here or elsewhere."""
    is_expired: bool = False
    """The certificate is no longer valid, and no time stamp says that it was when it was used."""
    is_ours: bool = False
    """With this server's own certificate, beyond doubt; never so once that has expired."""


@dataclass(frozen=True, slots=True)
class Report:
    """What can be told of a file's content credentials."""

    standing: Standing
    problems: tuple[str, ...] = ()
    """Why they are broken or unreadable, in C2PA's status codes or the library's words."""
    signer: Signer | None = None
    generator: str = ""
    """The program that made the claim."""
    source_types: tuple[str, ...] = ()
    """Digital source types of the actions: the last part of each of IPTC's names."""
    actions: tuple[str, ...] = ()
    facts: Facts | None = None
    """What they say in our words, true as far as the signer is honest."""


def read(
    file: Path | BinaryIO, *, own: x509.Certificate | None = None, anchors: str | None = None
) -> Report:
    """What a file's own credentials say; one that is open already is read from its beginning.

    `own`: the certificate that counts as ours; `anchors`: PEM of the authorities that are trusted
    beside it. Raises `OSError` where there is no such file, `SettingsError` for `anchors` that are
    no certificates.
    """
    if anchors is not None:
        read_chain(anchors.encode(), "the list of trusted authorities")
    if own is not None:
        report = _read(file, {"trust_anchors": "", "allowed_list": pem(own)})
        if anchors is None or report.signer is None or report.signer.is_trusted:
            return _ours(report)
    return _read(file, {"trust_anchors": anchors} if anchors is not None else None)


def _read(file: Path | BinaryIO, trusted: dict[str, str] | None) -> Report:
    anchors = [{"trust_uri": "visavis:reader", **trusted}] if trusted is not None else None
    opened = file.open("rb") if isinstance(file, Path) else nullcontext(file)
    with opened as stream, offline(anchors=anchors) as context:
        stream.seek(0)
        try:
            with c2pa.Reader(None, stream, context=context) as reader:
                return _report(json.loads(reader.json()))
        except c2pa.C2paError as error:
            return _without(error)


def _without(error: c2pa.C2paError) -> Report:
    """Why the library has nothing to say of a file."""
    said = str(error)
    if isinstance(error, c2pa.C2paError.ManifestNotFound):
        return Report(Standing.ABSENT)
    if said.startswith(_ELSEWHERE):
        return Report(Standing.ABSENT, ("the file points to credentials that are not fetched",))
    if said.startswith(_NO_MEDIA):
        return Report(Standing.UNREADABLE, (_short(said),))
    return Report(Standing.BROKEN, (_short(said),))  # they are there, but are none


def _ours(report: Report) -> Report:
    """What was read where our own certificate alone is trusted."""
    if report.signer is None:
        return report
    return replace(report, signer=replace(report.signer, is_ours=report.signer.is_trusted))


def _report(told: dict[str, Any]) -> Report:
    manifest = told.get("manifests", {}).get(told.get("active_manifest"), {})
    assertions = manifest.get("assertions", [])
    results = told.get("validation_results", {})
    failures = dict.fromkeys(str(one.get("code")) for one in _failures(results))
    # Whom one trusts and until when is not the question here, but whether anything was changed.
    broken = [code for code in failures if code not in (_UNTRUSTED, _EXPIRED)]
    is_expired = _EXPIRED in failures
    state = told.get("validation_state")
    holds = state in _HOLDS or (is_expired and _SIGNED in _successes(results))
    actions = actions_of(assertions)
    kinds = [str(one["digitalSourceType"]) for one in actions if "digitalSourceType" in one]
    return Report(
        Standing.VALID if holds and not broken else Standing.BROKEN,
        tuple(map(_short, broken))[:_MOST],
        _signer(manifest.get("signature_info") or {}, state == _TRUSTED, is_expired),
        _generator(manifest),
        tuple(_short(one.rpartition("/")[2]) for one in dict.fromkeys(kinds))[:_MOST],
        tuple(_short(one.get("action")) for one in actions)[:_MOST],
        facts_of(assertions),
    )


def _successes(results: dict[str, Any]) -> list[str]:
    active: dict[str, Any] = results.get("activeManifest") or {}
    return [str(one.get("code")) for one in active.get("success") or []]


def _failures(results: dict[str, Any]) -> list[dict[str, Any]]:
    active: dict[str, Any] = results.get("activeManifest") or {}
    of_ingredients = [
        (one.get("validationDeltas") or {}).get("failure") or []
        for one in results.get("ingredientDeltas") or []
    ]
    return [*(active.get("failure") or []), *(one for each in of_ingredients for one in each)]


def _signer(info: dict[str, Any], is_trusted: bool, is_expired: bool) -> Signer | None:
    if not info:
        return None
    named = _short(info.get("common_name") or "")
    organization = _short(info.get("issuer") or "")
    return Signer(named, organization, is_trusted, named == NAME, is_expired)


def _generator(manifest: dict[str, Any]) -> str:
    for one in manifest.get("claim_generator_info") or []:
        return _short(" ".join(str(one[key]) for key in ("name", "version") if key in one))
    return _short(manifest.get("claim_generator") or "")


def _short(text: object) -> str:
    """On one line, without what a terminal would act upon."""
    line = " ".join(str(text).split())
    return "".join(letter for letter in line if letter.isprintable())[:_LONGEST]

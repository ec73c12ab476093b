"""What films are signed with: the settings go in, whether readers will take it comes out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from live.errors import SettingsError
from live.examination.finding import Finding
from live.provenance.credentials import Credentials
from live.sections import Provenance

_WHAT = "content credentials"
_SOON = timedelta(days=30)
_OWN = "for credentials that name you, set provenance.certificate; see docs/disclosure.md"


def examine(chosen: Provenance) -> Iterator[Finding]:
    """Makes no test certificate where there is none yet."""
    try:
        credentials = Credentials.of_operator(chosen)
    except SettingsError as error:
        yield Finding(_WHAT, False, "cannot be signed with the certificate set", str(error))
        return
    if credentials is None:
        yield Finding(_WHAT, True, "signed with a test certificate", _OWN)
    elif credentials.certificate.ends - datetime.now(UTC) < _SOON:
        ends = f"ends on {credentials.certificate.ends:%Y-%m-%d}"
        yield Finding(_WHAT, False, f"the certificate {ends}", "get a new one before that")
    else:
        yield Finding(_WHAT, True, f"signed with {credentials.described}")

"""A file in, what its content credentials (C2PA) say out. Nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from cryptography import x509

from live.errors import SettingsError
from live.provenance.certificates import read_chain
from live.provenance.reading import Report, Standing
from live.provenance.reading import read as read_report
from live.provenance.self_made import FILE
from live.sections import Keys, Provenance
from live.verification.media import Medium
from live.verification.verdict import Credentials, State

_STATES: dict[Standing, State] = {
    Standing.VALID: "valid",
    Standing.BROKEN: "broken",
    Standing.ABSENT: "absent",
    Standing.UNREADABLE: "unreadable",
}


def own_certificate(provenance: Provenance, keys: Keys) -> x509.Certificate | None:
    """What this operator signs content credentials with, also after it has expired.

    `None`: nothing was ever signed here. Raises `SettingsError` for a file that holds none.
    """
    file = provenance.certificate or keys.folder / FILE
    try:
        data = file.read_bytes()
    except OSError as error:
        if provenance.certificate is None:
            return None
        raise SettingsError(
            f"provenance.certificate: {file} cannot be read ({error.strerror})"
        ) from error
    return read_chain(data, str(file))[0]


def read(file: BinaryIO, medium: Medium, own: x509.Certificate | None) -> Credentials:
    """What the file carries; `own` is the certificate that this operator signs with."""
    if not medium.carries_credentials:
        return Credentials("absent", possible=False)
    return _of(read_report(Path(f"/dev/fd/{file.fileno()}"), own=own))


def _of(report: Report) -> Credentials:
    state = _STATES[report.standing]
    signer = report.signer
    return Credentials(
        state,
        ours=state == "valid" and signer is not None and signer.is_ours,
        test_certificate=signer is not None and signer.is_test,
        expired=signer is not None and signer.is_expired,
        signer=(signer.name or signer.organization or None) if signer else None,
        generator=report.generator or None,
        source_types=report.source_types,
        session=report.facts.public_id if report.facts else None,
        problems=report.problems,
    )

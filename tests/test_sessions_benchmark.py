"""`visavis bench sessions`: what its callers send, how they count, and what it makes of that."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiohttp import web
from aiortc.codecs import get_decoder
from aiortc.jitterbuffer import JitterFrame

from benchmarks import clip, levels, packets, sessions, timecode
from benchmarks.light import Camera, LightCaller, Refused, Witness, _Unread, phase
from benchmarks.light import Count as Counted
from benchmarks.processes import Usage
from live import rtc
from live.decoded import decoded
from live.rtc.keyframes import is_keyframe
from live.server import application
from live.session import Session
from tests.http_fakes import rooms
from tests.loops import in_loop

HELD = Usage(cpu_s=0, resident_mb=200, threads=9, handles=20)


# What callers send and count.


@pytest.mark.parametrize("name", packets.CODECS)
def test_callers_send_what_a_server_can_decode(name: str) -> None:
    """The pictures of a clip, with a keyframe where asked, each with its number."""
    found = clip.read(clip.DEFAULT, 8, size=(512, 512))
    coded = packets.encoded(name, found, keyframe_every=4, numbered=True)
    keyframes = [is_keyframe(name, data) for data in coded]
    assert keyframes == [True, False, False, False] * 2
    decoder = get_decoder(packets.parameters(name))
    for index, (data, rgb) in enumerate(zip(coded, found, strict=True)):
        (frame,) = decoder.decode(JitterFrame(data, index * 3000))
        assert isinstance(frame, av.VideoFrame)
        got = decoded(frame).rgb
        assert timecode.read(got[..., 1]) == index
        below = timecode.strip_height(512)
        assert np.abs(got[below:].astype(int) - rgb[below:]).mean() < 12


def test_the_sound_that_is_sent_is_heard() -> None:
    pieces = packets.spoken()
    decoder = av.CodecContext.create("libopus", "r")
    heard = np.concatenate(
        [
            frame.to_ndarray().ravel()
            for piece in pieces[:50]
            for frame in decoder.decode(av.Packet(piece))
        ]
    )
    assert np.abs(heard.astype(float)).max() > 100 * np.finfo(np.float32).eps
    assert len(pieces) % 50 == 0


def test_pictures_are_counted_by_their_last_packets() -> None:
    count = Counted()
    unread = _Unread(None, count, {96})

    def packet(payload_type: int, marker: bool) -> bytes:
        return bytes((0x80, marker << 7 | payload_type)) + bytes(10)

    for of in ((96, False), (96, True), (97, True), (111, True), (96, True)):
        assert unread.unprotect(packet(*of)) == packet(*of)
    assert count.pictures == 2


@in_loop
async def test_a_witness_knows_how_old_a_picture_is() -> None:
    found = clip.read(clip.DEFAULT, 3, size=(256, 256))
    camera = Camera(packets.encoded("H264", found, numbered=True), 30, 0.0)
    witness = Witness(camera, Counted())
    planes = np.zeros((384, 256), np.uint8)
    timecode.draw(planes[:256], 1)
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    witness.deliver(frame, 0)
    assert not witness.ages_ms  # that one was never sent
    for _ in range(2):
        await camera.recv()
    await asyncio.sleep(0.03)
    for _ in range(2):  # a picture that is shown again is as old as it was
        witness.deliver(frame, 0)
    assert len(witness.ages_ms) == 1
    assert 25 < witness.ages_ms[0] < 5000


def test_cameras_do_not_fire_together() -> None:
    phases = sorted(phase(caller) for caller in range(8))
    gaps = [after - before for before, after in zip(phases, [*phases[1:], 1.0], strict=True)]
    assert min(gaps) > 0.05


# What is made of it.


def level(
    pictures: Sequence[int], ages: Sequence[float], steps: Sequence[str] = (), **other: Any
) -> dict[str, Any]:
    seen = levels.Seen(
        pictures, ages, other.get("reports", [{}]), {}, steps, other.get("late"), other.get("turn")
    )
    spent = levels.Spent(10, other.get("server", 6.0), 1, other.get("machine", 8.0))
    return levels.level(seen, spent, None if spent.server_s is None else HELD, 2)


@pytest.mark.parametrize(
    ("pictures", "ages", "words"),
    [
        ([300, 299], [30.0] * 300, ""),
        ([300, 240], [30.0] * 300, "slowest gets 24.0"),
        ([300, 299], [30.0] * 200 + [200.0] * 100, "age is 200 ms"),
        ([0, 299], [], "slowest gets 0.0"),
        ([300, 299], [], "age is inf ms"),
    ],
)
def test_a_level_breaks_for_the_reason_that_is_named(
    pictures: list[int], ages: list[float], words: str
) -> None:
    found = level(pictures, ages)
    assert words in levels.why_broken(found)
    assert bool(levels.why_broken(found)) == bool(words)
    assert found["others_cpu_percent"] == 10
    assert found["server_cpu_ms_per_picture"] == round(6000 / sum(pictures), 2)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"machine": 19.5}, "processors are full"),
        ({"machine": 19.5, "turn": 18.0}, "wait for their turn to draw, 18.0 ms a picture"),
        ({"machine": 12.0, "late": {"p50": 1.0, "p95": 66.0}}, "event loop is 66 ms late"),
        ({"machine": 12.0}, "pictures wait for each other"),
        ({"server": None}, "the server is elsewhere"),
    ],
)
def test_what_holds_calls_back_is_said(how: Mapping[str, Any], words: str) -> None:
    assert words in levels.why_broken(level([240, 240], [30.0] * 300, **how))


def test_without_a_code_the_servers_own_delay_counts() -> None:
    reports = [{"latency_ms": {"p50": 20, "p95": 40}}, {"latency_ms": {"p50": 25, "p95": 170}}]
    found = level([300, 300], [], reports=reports)
    assert found["server_latency_ms"] == {"p50": 25, "p95": 170}
    assert "170 ms" in levels.why_broken(found)


def test_what_became_of_calls_beyond_is_said() -> None:
    told = levels.beyond(level([200, 199], [30.0] * 200, ["20_fps", "20_fps"]))
    assert "drawn at 20_fps, as they were told, all alike" in told
    untold = levels.beyond(level([240, 100], [30.0] * 200, ["full", "full"]))
    assert "without having been told, unevenly: the slowest gets 42%" in untold
    assert levels.beyond(level([300, 299], [30.0] * 200)).startswith("drawn in full all alike")


def test_a_further_call_costs_what_the_levels_rise_by() -> None:
    found = [
        {"calls": n, "server_cpu_percent": 10 + 35 * n, "server_mb": 150 + 30.5 * n}
        for n in range(1, 5)
    ]
    more = levels.cost_of_one_more(found)
    assert more["server_cpu_percent"] == 35.0
    assert more["server_mb"] == 30.5
    assert more["server_threads"] is None
    assert levels.cost_of_one_more(found[:1])["server_cpu_percent"] is None


def test_lags_of_a_loop_are_those_of_the_level() -> None:
    before = {0.01: 100.0, 0.1: 100.0, float("inf"): 100.0}
    after = {0.01: 150.0, 0.1: 194.0, float("inf"): 200.0}
    since = sessions._since(before, after)
    assert sessions._percentiles(since) == {"p50": 10.0, "p95": float("inf")}
    assert sessions._percentiles(sessions._since(after, after)) is None


# Against a server.


@pytest.mark.alone
@in_loop
async def test_callers_count_what_a_server_sends_and_hear_its_refusal(tmp_path: Path) -> None:
    found = clip.read(clip.DEFAULT, 10, size=(256, 256))
    media = packets.encoded("H264", found, 5, numbered=True)
    runner = web.AppRunner(application(rooms(tmp_path, places=1, start=Session)))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/sessions?avatar=ada"
    with rtc.adapted(rtc.ADAPTATIONS):
        first, second = (
            LightCaller(url, None, Camera(media, 30, 0.0), packets.spoken()) for _ in range(2)
        )
        await first.open("H264")
        with pytest.raises(Refused, match="503: every place is taken"):
            await second.open("H264")
        had = first.count.pictures
        for _ in range(400):
            if first.count.pictures >= had + 10 and first.told:
                break
            await asyncio.sleep(0.05)
        report = await first.report()
        assert report is not None
        assert report["frames"]["out"] >= first.count.pictures
        assert first.told == ["full"]
        await first.close()
        assert await first.report() is None
    await runner.cleanup()

"""The latency benchmark: its matrix, its stages, what it says of calls, whom it can call."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import cv2
import numpy as np
import pytest
from aiortc.codecs import get_decoder
from aiortc.jitterbuffer import JitterFrame
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import (
    caller,
    cells,
    clip,
    goals,
    host,
    latency,
    latency_figures,
    movement,
    packets,
    stages,
    stamps,
    targets,
)
from benchmarks.call import CallFailed, CallPlan, Row, Seen, Stage, read_received
from benchmarks.cells import Cell
from benchmarks.latency_calls import settings_of
from benchmarks.stages import Passage
from live.errors import BadRequest
from live.measures import Histogram, Tally
from live.metrics import Metrics
from tests.foreign import Foreign, foreign

pytestmark = pytest.mark.alone

KINDS = ("echo", "avatar", "aiortc")
CELL = Cell("VP8", "track")


def run_of(ages: list[float], sent: int = 300) -> Seen:
    rows = [Row(index, float(index), 512, 512) for index in range(len(ages))]
    fields = read_received(rows) | {"ages_ms": ages, "size": (512, 512)}
    return Seen(
        **(fields | {"repeated": 0, "uncoded": 0}),
        sent=sent,
        seconds=10.0,
        first_frame_ms=200.0,
        server_cpu_s=3.0,
        caller_cpu_s=1.0,
        others_cpu_s=0.5,
    )


def test_what_the_avatar_adds_is_said_of_one_cell() -> None:
    """Echo at 10 ms, avatar at 30 ms and too slow in its second call, aiortc at 60 ms."""
    runs: latency_figures.Runs = {
        ("echo", CELL): [run_of([10.0] * 300), run_of([10.0] * 300)],
        ("avatar", CELL): [run_of([30.0] * 300), run_of([30.0] * 200)],
        ("aiortc", CELL): [run_of([60.0] * 300), run_of([60.0] * 300)],
    }
    figures = latency_figures.figures_of(runs, CELL, KINDS)
    assert figures["avatar_over_echo"] == {
        "median": 20.0,
        "by_run": [20.0, 20.0],
        "interval95": None,
        "p95": 20.0,
    }
    assert figures["echo_over_aiortc"]["median"] == -50.0
    assert (figures["echo"]["kept_up"], figures["avatar"]["kept_up"]) == (True, False)
    assert figures["avatar"]["lost"] == 100
    assert figures["avatar"]["server_cpu_ms_per_picture"] == 12.0
    assert figures["echo"]["by_call"][0]["ages"][:2] == [[0.0, 10.0], [0.001, 10.0]]
    rows = {row["what"]: row["met"] for row in goals.of(CELL, figures)}
    assert rows == {
        "VP8 track: echo, track to track, median": True,
        "VP8 track: offer to first avatar picture, median": True,
        "VP8 track: avatar over echo, median": False,  # it did not keep up, and is too late
        "VP8 track: avatar over echo, p95": False,
    }


def test_an_echo_that_did_not_keep_up_makes_no_avatar_look_good() -> None:
    runs: latency_figures.Runs = {
        ("echo", CELL): [run_of([50.0] * 200)],
        ("avatar", CELL): [run_of([30.0] * 300)],
    }
    figures = latency_figures.figures_of(runs, CELL, KINDS[:2])
    assert figures["avatar_over_echo"]["median"] == -20.0
    assert not any(row["met"] for row in goals.of(CELL, figures) if "first" not in row["what"])


def test_a_call_without_pictures_is_no_figure() -> None:
    runs: latency_figures.Runs = {(kind, CELL): [run_of([])] for kind in KINDS}
    with pytest.raises(CallFailed, match="no picture"):
        latency_figures.figures_of(runs, CELL, KINDS)


def parsed(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    latency.add_arguments(parser)
    return parser.parse_args(options)


@pytest.mark.parametrize(
    "options",
    [
        ["--sizes", "512"],
        ["--sizes", "512x512,511x512"],
        ["--codecs", "AV1"],
        ["--sinks", "ear"],
        ["--sinks", "display", "--client", "aiortc"],
        ["--codecs", "H264", "--browser", "firefox"],
        ["--fps", "0"],
        ["--offer", "ftp://example.org"],
        ["--whip", "http://localhost:1/whip"],
        ["--offer", "http://localhost:1/", "--whep", "http://localhost:1/"],
        ["--offer", "http://localhost:1/", "--token-file", "/nowhere"],
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_starts(options: list[str]) -> None:
    with pytest.raises(BadRequest, match="--"):
        latency.run(parsed(*options))


def test_a_matrix_is_every_combination_once() -> None:
    args = parsed(
        *("--codecs", "vp8,VP8", "--sinks", "display", "--fps", "30,60"),
        *("--sizes", "512x512,1280x720", "--drivers", "face,", "--renderers", "warp"),
    )
    assert [cell.name for cell in cells.cells(args)] == [
        "VP8 display face",
        "VP8 display",
        "VP8 display 60 fps face",
        "VP8 display 60 fps",
        "VP8 display 1280x720 face",
        "VP8 display 1280x720",
        "VP8 display 1280x720 60 fps face",
        "VP8 display 1280x720 60 fps",
    ]


def test_servers_are_set_to_what_a_cell_asks_for() -> None:
    square, wide = Cell("VP8", "track"), Cell("VP8", "track", (1280, 720), renderer="echo")
    assert settings_of("avatar", square) == {"ENGINES__RENDERER": "warp"}
    assert settings_of("avatar", wide) == {
        "ENGINES__RENDERER": "echo",
        "VIDEO__SHAPE": "wide",
        "VIDEO__SIZE": "720",
        "VIDEO__BITRATE": "6000",
    }
    assert settings_of("echo", wide) == {"VIDEO__BITRATE": "6000"}
    assert settings_of("echo", square) == settings_of("aiortc", wide) == {}


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_refused(text: str) -> None:
    args = parsed("--codecs", "VP8", "--sinks", "track")
    args.sizes = text
    try:
        found = cells.cells(args)
    except BadRequest:
        return
    assert all(64 <= side <= 1920 and side % 2 == 0 for cell in found for side in cell.size)


# Stages


def row(number: int, age_ms: float, **more: float) -> Row:
    """Drawn at `number` ticks of 0.1 ms."""
    return Row(number, number / 10 + age_ms, 512, 512, **more)


def summed(found: list[Stage]) -> float:
    return sum(stage.ms for stage in found)


def test_the_stages_of_what_is_displayed_add_up_and_nothing_is_left() -> None:
    """Drawn at 100: encoded and sent by 107, in the server until 120, received at 121, decoded in
    2, presented at 126, seen at 130."""
    seen = row(1000, 30.0, received_ms=121.0, decode_ms=2.0, presented_ms=126.0)
    page = {"encode": 3.0, "pace": 0.5, "network": 1.0, "buffer": 9.0}
    server = {"decode": 1.0, "track": 10.0, "send": 2.0}
    found = stages.split([seen, seen], page, server, {1000: Passage(107.0, 120.0)})
    assert [(one.stage, one.side, one.ms, one.exact) for one in found] == [
        ("capture", "page", 2.5, False),
        ("browser encode", "page", 3.0, False),
        ("pacer", "page", 0.5, False),
        ("network up", "network", 1.0, False),
        ("decode", "server", 1.0, False),
        ("track", "server", 10.0, False),
        ("send", "server", 2.0, False),
        ("network down", "network", 1.0, True),
        ("browser buffer", "page", 3.0, True),
        ("browser decode", "page", 2.0, True),
        ("display", "page", 4.0, True),
        ("rest", "rest", 0.0, False),
    ]


def test_what_nobody_tells_is_the_rest() -> None:
    found = stages.split([row(1000, 50.0)], {"encode": 4.0, "buffer": 6.0, "decode": 1.0}, {}, {})
    assert found[-1] == Stage("rest", "rest", 39.0, False)
    assert summed(found) == 50.0
    assert stages.split([], {}, {}, {}) == []


@given(
    st.lists(st.floats(1, 500), min_size=1, max_size=5),
    st.dictionaries(st.sampled_from(["encode", "pace", "network", "buffer"]), st.floats(0, 50)),
    st.booleans(),
)
def test_whatever_is_told_stages_add_up(
    ages: list[float], page: Mapping[str, float], noted: bool
) -> None:
    rows = [row(1000 * index, age) for index, age in enumerate(ages)]
    passages = {0: Passage(0.3 * ages[0], 0.6 * ages[0])} if noted else {}
    found = stages.split(rows, page, {"track": 5.0}, passages)
    mean = float(np.mean([each.age_ms for each in rows]))
    assert summed(found) == pytest.approx(mean, abs=0.01 * len(found))


def test_calls_of_different_lengths_are_weighed_by_their_pictures() -> None:
    short = replace(run_of([10.0]), stages=[Stage("rest", "rest", 10.0, False)])
    long = replace(
        run_of([40.0] * 3),
        stages=[Stage("track", "server", 30.0, False), Stage("rest", "rest", 10.0, False)],
    )
    assert latency_figures.stages_of([short, long]) == [
        Stage("track", "server", 22.5, False),
        Stage("rest", "rest", 10.0, False),
    ]


def test_the_servers_counters_are_read_as_it_writes_them() -> None:
    metrics = Metrics()
    tally = Tally({}, {"track": Histogram(), "latency": Histogram()})
    tally.times["track"].add(50_000_000)
    metrics.session_ended("hung_up", tally)
    before = stages.read_metrics(metrics.text().decode())
    tally = Tally({}, {"track": Histogram()})
    for ns in (4_000_000, 8_000_000):
        tally.times["track"].add(ns)
    metrics.session_ended("hung_up", tally)
    after = stages.read_metrics(metrics.text().decode())
    assert stages.means_ms(before, after) == {"track": pytest.approx(6.0)}


def test_the_browsers_counters_are_differences() -> None:
    before = {
        "video outbound-rtp": {
            "totalEncodeTime": 1.0,
            "framesEncoded": 10,
            "totalPacketSendDelay": 0.1,
            "packetsSent": 20,
        },
        "candidate-pair": {"currentRoundTripTime": 0.004},
    }
    after = {
        "video outbound-rtp": {
            "totalEncodeTime": 1.3,
            "framesEncoded": 110,
            "totalPacketSendDelay": 0.5,
            "packetsSent": 220,
        },
        "video inbound-rtp": {"totalDecodeTime": 0.2, "framesDecoded": 100},
        "candidate-pair": {"currentRoundTripTime": 0.002},
    }
    assert stages.page_ms(before, after) == pytest.approx(
        {"encode": 3.0, "pace": 2.0, "decode": 2.0, "network": 1.0}
    )
    assert stages.page_ms(before, before) == {"network": 2.0}


def test_stamps_of_one_process_are_read_by_another(tmp_path: Path) -> None:
    with stamps.stamping(tmp_path) as written:
        written.came(7, 1000)
        written.came(8, 2000)
        written.left(1000)
    with (tmp_path / stamps.FILE).open("a") as file:
        file.write("s 2000 12")  # being written now
    passed = stamps.passed(tmp_path)
    assert passed.keys() == {7}
    assert passed[7].came_ns == 1000 < passed[7].left_ns
    assert stamps.passed(tmp_path / "nowhere") == {}


# By movement


def test_what_moves_is_as_late_as_its_time_code_says() -> None:
    """The project's clip through the server's own codec, and late by turns."""
    found = clip.read(clip.DEFAULT, 180, (320, 320))
    times = [round(index * 10_000 / 30) for index in range(len(found))]
    late = 350 + np.random.default_rng(3).gamma(4, 12, len(found)).astype(int)
    decoder, back = get_decoder(packets.parameters("VP8")), []
    for data in packets.encoded("VP8", found):
        frames: Any = decoder.decode(JitterFrame(data, 0))
        back += [frame.to_ndarray(format="bgr24") for frame in frames]
    seen = replace(
        run_of([float(each) / 10 for each in late]),
        shown=list(zip(times, range(len(found)), strict=True)),
        pictures=[
            ((time + each) / 10, cv2.imencode(".jpg", bgr)[1].tobytes())
            for time, each, bgr in zip(times, late, back, strict=True)
        ],
    )
    figures = movement.measured(seen, found)
    assert figures["time_code_ms"] == pytest.approx(40, abs=1)
    off = movement.apart(figures)
    assert off.keys() == {"jaw", "yaw"}
    for name, ms in off.items():
        assert abs(ms) < 3 * figures[name]["uncertainty_ms"] + 1
    assert figures["jaw"]["uncertainty_ms"] < 2


def test_what_does_not_move_alike_is_not_held_against_its_code() -> None:
    echo = {"time_code_ms": 10.0, "jaw": {"ms": 12.5, "uncertainty_ms": 1.0}, "yaw": "still"}
    assert movement.apart(echo) == {"jaw": 2.5}
    assert movement.apart(echo | {"time_code_ms": None}) == {}


# Servers of others


@pytest.fixture(scope="module")
def echo() -> Iterator[Foreign]:
    """Sends back what comes, to who has the token."""
    with foreign() as running:
        yield running


@pytest.mark.parametrize("way", ["/offer", "/offer-json", "/moved"])
def test_an_offer_is_answered_in_whatever_way_the_server_likes(echo: Foreign, way: str) -> None:
    target = targets.named(echo.address + way, None, None, echo.token_file)
    assert target is not None
    plan = CallPlan("VP8", "track", warm_s=0.2, seconds=0.8)
    found = clip.read(clip.DEFAULT, 4)
    seen = asyncio.run(caller.call(None, plan, found, target=target))[0]
    assert seen.fps > 5
    assert seen.uncoded == 0
    assert seen.server_cpu_s == 0
    assert echo.ended == echo.begun


def test_a_pair_of_whip_and_whep_is_one_call(echo: Foreign) -> None:
    target = targets.named(None, f"{echo.address}/whip", f"{echo.address}/whep", echo.token_file)
    assert target is not None
    plan = CallPlan("VP8", "track", warm_s=0.2, seconds=0.8)
    seen = asyncio.run(caller.call(None, plan, clip.read(clip.DEFAULT, 4), target=target))[0]
    assert seen.fps > 5
    assert echo.ended == echo.begun


def test_who_has_no_token_is_told_what_the_server_said(echo: Foreign) -> None:
    with pytest.raises(CallFailed, match="401: a token"):
        targets.OfferAnswer(f"{echo.address}/offer").dial("both", "v=0\r\n")


@contextmanager
def answering(status: int, media_type: str, body: bytes) -> Iterator[str]:
    """A server that says the same to everybody."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Location", "/again")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "media_type", "body", "word"),
    [
        (200, "text/html", b"<p>hello", "holds no SDP"),
        (200, "application/json", b"{", "JSON that is none"),
        (200, "application/json", json.dumps({"sdp": 3}).encode(), "holds no SDP"),
        (200, "application/json", b"[]", "holds no SDP"),
        (503, "text/plain", b"full", "503: full"),
        (307, "text/plain", b"", "redirections"),
    ],
)
def test_answers_that_are_none_say_why(
    status: int, media_type: str, body: bytes, word: str
) -> None:
    with answering(status, media_type, body) as url, pytest.raises(CallFailed, match=word):
        targets.OfferAnswer(url).dial("both", "v=0\r\n")


def test_where_nobody_listens_that_is_said() -> None:
    with pytest.raises(CallFailed, match="no server answers at 127"):
        targets.OfferAnswer("http://127.0.0.1:1/").dial("both", "v=0\r\n")


@pytest.mark.parametrize("name", ["../calling.py", "picture/2.jpg", "picture/x.jpg", "", "x.js"])
def test_the_pages_host_gives_its_own_files_only(name: str) -> None:
    assert host.file("call.js", []) is not None
    assert host.file("picture/1.jpg", [b"a", b"b"]) == (b"b", "image/jpeg")
    assert host.file(name, [b"a", b"b"]) is None


def test_a_host_serves_until_its_block_ends() -> None:
    with host.hosted([b"jpeg"]) as address, urlopen(f"{address}/picture/0.jpg") as answer:
        assert answer.read() == b"jpeg"

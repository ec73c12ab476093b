"""What the delay of a call's pictures consists of, in the order of their way; it adds up.

Means, because means add up and medians do not. Three sources:

* **Exact**, picture by picture: when its first packet came to our server and its last one left it
  (`benchmarks.stamps`, on the machine's one monotonic clock), and, where a video element shows it,
  what the browser says of that very picture (`requestVideoFrameCallback`: when its last packet
  came, what decoding took, when it went to the compositor).
* The server's own counters (`visavis_stage_seconds` of `GET /metrics`; `live.stages`): what they
  have grown by in the measured part, for each picture.
* The browser's (`getStats`), likewise: encoding, the pacer, and, where pictures are taken off a
  track, its receive buffer and decoding. One way over the network is half of the round trip.

`capture` is what is left of the way from the drawn picture to the server's first packet; `deliver`
what is left of that from the server's last packet to a track's reader. `rest` is all that nobody
told of: above all, the whole of a server that is not ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import stamps, targets
from benchmarks.call import Row, Stage, first_seen
from benchmarks.serving import Serving
from live.clock import MILLISECOND
from live.stages import STAGES

Means = Mapping[str, float]
"""Milliseconds for each picture, by stage."""
Counters = Mapping[str, Mapping[str, Any]]
"""Of `getStats`, by kind and type: `video inbound-rtp`; `candidate-pair`."""
Told = Mapping[str, tuple[float, float]]
"""Seconds in all and how many pictures, by stage."""

_LATENCY = "latency"
"""From first packet to last: what the server's stages are together."""
_ROUND_TRIP = "currentRoundTripTime"
_PAGE = {
    "encode": ("video outbound-rtp", "totalEncodeTime", "framesEncoded"),
    "pace": ("video outbound-rtp", "totalPacketSendDelay", "packetsSent"),
    "buffer": ("video inbound-rtp", "jitterBufferDelay", "jitterBufferEmittedCount"),
    "decode": ("video inbound-rtp", "totalDecodeTime", "framesDecoded"),
}


class Passage(NamedTuple):
    """When a picture came to the server and left it, in ms of the page's clock."""

    came_ms: float
    left_ms: float


def told(server: Serving | None) -> Told:
    """The counters of a server of ours; none of others."""
    if server is None or server.kind == "aiortc":
        return {}
    answer = targets.ask("GET", f"{server.address}/metrics", None)
    return read_metrics(answer.body.decode())


def read_metrics(text: str) -> Told:
    """The stages' sums and counts in a Prometheus exposition."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        if family.name in ("visavis_stage_seconds", "visavis_latency_seconds"):
            for sample in family.samples:
                stage = sample.labels.get("stage", _LATENCY)
                found.setdefault(stage, {})[sample.name.rpartition("_")[2]] = sample.value
    return {stage: (values["sum"], values["count"]) for stage, values in found.items()}


def means_ms(before: Told, after: Told) -> Means:
    """What each stage took for a picture between two readings."""
    means = {}
    for stage, (sum_s, count) in after.items():
        old_s, old_count = before.get(stage, (0.0, 0.0))
        if count > old_count:
            means[stage] = 1000 * (sum_s - old_s) / (count - old_count)
    return means


def page_ms(before: Counters, after: Counters) -> Means:
    """The same of a browser's counters; `network` is half of the shorter round trip.

    A round trip is measured every few seconds, and now and then waits for a busy end.
    """
    means = {}
    for stage, (side, total, count) in _PAGE.items():
        old, new = before.get(side, {}), after.get(side, {})
        number = float(new.get(count, 0)) - float(old.get(count, 0))
        if total in new and number > 0:
            means[stage] = 1000 * (float(new[total]) - float(old.get(total, 0))) / number
    pairs = [each.get("candidate-pair", {}) for each in (before, after)]
    trips = [
        float(pair["currentRoundTripTime"]) for pair in pairs if "currentRoundTripTime" in pair
    ]
    return means | ({"network": 500 * min(trips)} if trips else {})


def passages(server: Serving | None, clock_ms: float) -> Mapping[int, Passage]:
    """By time code, what a server of ours has noted; `clock_ms`: from the page's clock to ours."""
    if server is None:
        return {}
    return {
        number: Passage(
            passed.came_ns / MILLISECOND - clock_ms, passed.left_ns / MILLISECOND - clock_ms
        )
        for number, passed in stamps.passed(server.folder).items()
    }


def split(
    received: Sequence[Row], page: Means, server: Means, passages: Mapping[int, Passage]
) -> list[Stage]:
    """The stages of the pictures that were seen, `rest` at the end; their sum is the mean age."""
    rows = first_seen(received)
    if not rows:
        return []
    noted = [(row, passages[row.number]) for row in rows if row.number in passages]
    found = [*_up(noted, page), *_inside(server), *_down(rows, noted, page)]
    total_ms = float(np.mean([row.age_ms for row in rows]))
    rest_ms = total_ms - sum(stage.ms for stage in found)
    return [*found, Stage("rest", "rest", round(rest_ms, 2), False)]


def _up(noted: Sequence[tuple[Row, Passage]], page: Means) -> list[Stage]:
    """From the drawn picture to the server."""
    parts = [
        Stage("browser encode", "page", page.get("encode", 0.0), False),
        Stage("pacer", "page", page.get("pace", 0.0), False),
        Stage("network up", "network", page.get("network", 0.0), False),
    ]
    capture = []
    if noted:
        way = [came.came_ms - (row.at_ms - row.age_ms) for row, came in noted]
        left = float(np.mean(way)) - sum(stage.ms for stage in parts)
        capture = [Stage("capture", "page", left, False)]
    return _rounded([*capture, *parts])


def _inside(server: Means) -> list[Stage]:
    return _rounded(
        [Stage(stage, "server", server[stage], False) for stage in STAGES if stage in server]
    )


def _down(rows: Sequence[Row], noted: Sequence[tuple[Row, Passage]], page: Means) -> list[Stage]:
    """From the server to where the picture was seen."""
    shown = [
        (row, row.received_ms, row.decode_ms or 0.0, row.presented_ms)
        for row in rows
        if row.received_ms is not None and row.presented_ms is not None
    ]
    if not shown:
        return _read_off(noted, page)
    network = [row.received_ms - left.left_ms for row, left in noted if row.received_ms is not None]
    waited = [presented - came - decode for _, came, decode, presented in shown]
    found = [
        Stage(
            "network down",
            "network",
            float(np.mean(network)) if network else page.get("network", 0.0),
            bool(network),
        ),
        Stage("browser buffer", "page", float(np.mean(waited)), True),
        Stage("browser decode", "page", float(np.mean([each[2] for each in shown])), True),
        Stage("display", "page", float(np.mean([row.at_ms - at for row, *_, at in shown])), True),
    ]
    return _rounded(found)


def _read_off(noted: Sequence[tuple[Row, Passage]], page: Means) -> list[Stage]:
    """From the server to a track's reader."""
    parts = [
        Stage("network down", "network", page.get("network", 0.0), False),
        Stage("browser buffer", "page", page.get("buffer", 0.0), False),
        Stage("browser decode", "page", page.get("decode", 0.0), False),
    ]
    deliver = []
    if noted:
        way = float(np.mean([row.at_ms - left.left_ms for row, left in noted]))
        deliver = [Stage("deliver", "page", way - sum(stage.ms for stage in parts), False)]
    return _rounded([*parts, *deliver])


def _rounded(found: Sequence[Stage]) -> list[Stage]:
    return [stage._replace(ms=round(stage.ms, 2)) for stage in found]

"""How far picture and sound are apart where they arrive, in a real Chromium, by what it received.

The server's own process shows and says the time (`benchmarks.beacon`): its pictures carry the
session's clock as a time code, and it speaks a burst of a tone every 250 ms, whose pitch tells
which one it is. The page notes when a picture lights up (`requestVideoFrameCallback`,
`expectedDisplayTime`) and when a burst is handed to the sound card, to which what the browser
states as the card's delay is added. The skew of a burst is how much later than it the picture
comes that is seen at that moment; above zero, sound is ahead. Nothing that server or page measure
of themselves is in it.

Beside it stands what the browser itself estimates (`estimatedPlayoutTimestamp` of both receivers).
It names other moments than those of lighting up and being heard; Chromium's are apart by some
11 ms where content is not (see `web_client/sync.js`).

`--through` lets the page's own camera and microphone go through the server and back instead:
`echo`, or `avatar` with everything drawn. Then what the browser tells the server of when both were
captured is in the figure, too.

`--drawn` needs no time code: an avatar says known syllables, and its jaw is compared with the
sound (`benchmarks.drawn`).

`--client browser` leaves everything to Chromium; `page` has our page's `sync.js` in it. `--stall`
loses every packet for two seconds, half-way, by a link in the path (`benchmarks.netem`).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks import browser, clip, drawn, record, synchrony
from benchmarks.call import CallFailed
from benchmarks.netem import Link
from benchmarks.processes import share_priority
from benchmarks.serving import Kind, Serving
from benchmarks.syllables import SECONDS

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

_SIZE = 512
_SETTLE_S = 10.0
_STALL_S = 2.0
_WATCHED_S = 20.0
"""After a stall."""
_SETTINGS = {
    "SESSIONS__PLACES": "2",
    "SERVER__POSTS_PER_MINUTE": "10000",
    "LOGS__LEVEL": "warning",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    record.add_arguments(parser)
    parser.add_argument("--minutes", type=float, help="measured (10; half a one with --quick)")
    parser.add_argument("--stall", action="store_true", help="stop the network for 2 s half-way")
    parser.add_argument("--client", choices=("page", "browser"), default="page")
    parser.add_argument("--codec", choices=("H264", "VP8"), default="H264")
    parser.add_argument("--drawn", action="store_true", help="by the jaw of a speaking avatar")
    parser.add_argument(
        "--through", choices=("echo", "avatar"), help="the page's own camera and microphone"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measures, prints, writes the record and returns it."""
    minutes = args.minutes or (0.5 if args.quick else 10.0)
    recorder = record.Recorder("avsync", args)
    kind: Kind = "syllables" if args.drawn else args.through or "beacon"
    if args.drawn:
        minutes = (SECONDS + 4) / 60
    with ExitStack() as stack:
        server = stack.enter_context(Serving(kind, _SETTINGS))
        chromium = stack.enter_context(browser.chromium())
        page = chromium.new_page(viewport={"width": _SIZE, "height": _SIZE})
        camera = browser.Camera.showing(clip.read(clip.DEFAULT, 60, (_SIZE, _SIZE)))
        link = stack.enter_context(Link()) if args.stall else None
        serve(page, link, camera)
        page.goto(f"{server.address}/bench/avsync.html")
        page.wait_for_function("() => window.probe !== undefined")
        share_priority(os.getpid())
        seen, stalled_ms = watched(page, args, minutes, link, len(camera.jpegs))
    recorder.ended(server.stopped_cpu_s)
    if args.drawn:
        figures = {"drawn": drawn.skew(seen.levels, seen.jpegs, seen.card_ms())}
        print(f"the jaw comes after its sound by, in ms: {json.dumps(figures['drawn'])}")
    else:
        figures = figures_of(seen, stalled_ms)
        show(figures)
    done = recorder.finish(figures)
    record.write(done, args.json)
    return done


def serve(page: Page, link: Link | None, camera: browser.Camera) -> None:
    """Lets the page have its files, and leads its call through the link, if there is one."""

    def lead(route: Route) -> None:
        assert link is not None
        answer = route.fetch(post_data=link.offer(route.request.post_data or ""))
        names = ("content-type", "location")
        headers = {name: answer.headers[name] for name in names if name in answer.headers}
        body = link.answer(answer.text()) if answer.ok else answer.text()
        route.fulfill(status=answer.status, headers=headers, body=body)

    page.route("**/bench/**", lambda route: browser.answer(route, camera.jpegs))
    if link is not None:
        page.route("**/sessions?**", lead)


def watched(
    page: Page, args: argparse.Namespace, minutes: float, link: Link | None, pictures: int
) -> tuple[synchrony.Seen, float | None]:
    """One call; what came in once it had settled, and when the stall ended."""
    options = {
        "codec": args.codec,
        "width": _SIZE,
        "height": _SIZE,
        "fps": 30,
        "pictures": pictures,
        "sends": args.through is not None,
        "keeps": args.drawn,
        "synchrony": args.client == "page",
        "target": "/sessions?avatar=mira" + ("" if args.drawn else "&driver=face"),
    }
    page.evaluate("options => probe.begin(options)", options)
    seen = synchrony.Seen()
    began, stalled_ms, said = time.monotonic(), None, False
    while (gone_s := time.monotonic() - began) < 60 * minutes + _SETTLE_S:
        page.wait_for_timeout(1000)
        if link is not None and stalled_ms is None and gone_s > _SETTLE_S + 30 * minutes:
            link.cut(_STALL_S)
            stalled_ms = 1000 * _STALL_S + page.evaluate("performance.now()")
        if args.drawn and not said and gone_s > _SETTLE_S:
            page.evaluate("probe.say('a')")
            said = True
        _collect(page, seen, keeps=said)
    page.evaluate("probe.end()")
    return seen, stalled_ms


def _collect(page: Page, seen: synchrony.Seen, *, keeps: bool) -> None:
    found = page.evaluate("probe.collect()")
    if found["errors"]:
        raise CallFailed(f"the page had {len(found['errors'])} errors: {found['errors'][0]}")
    seen.pictures += [(at, number) for at, number in found["pictures"]]
    seen.bursts += [(at, hertz) for at, hertz in found["bursts"]]
    seen.playouts += found["playouts"]
    if keeps:
        seen.levels += [(at, level) for at, level in found["levels"]]
        seen.jpegs += [(at, data) for at, data in found["jpegs"]]


def figures_of(seen: synchrony.Seen, stalled_ms: float | None = None) -> dict[str, Any]:
    """What is said of one call; raises `CallFailed` where nothing came."""
    content, told = synchrony.skews(seen), synchrony.estimated(seen)
    if len(content) < 20:
        raise CallFailed(
            f"{len(seen.pictures)} pictures and {len(seen.bursts)} bursts came back: too few to"
            " compare"
        )
    began = content[0, 0]
    figures: dict[str, Any] = {"first_seconds_ms": synchrony.by_second(content, began, 10)}
    if stalled_ms is not None:
        until = stalled_ms + 1000 * _WATCHED_S
        figures["after_stall"] = synchrony.recovery(content, stalled_ms, until)
        figures["after_stall"]["by_second_ms"] = synchrony.by_second(content, stalled_ms, 10)
    for name, values in (("content", content), ("browser", told)):
        settled = values[values[:, 0] > began + 1000 * _SETTLE_S]
        if stalled_ms is not None:
            apart = (settled[:, 0] < stalled_ms - 1000 * _STALL_S) | (
                settled[:, 0] > stalled_ms + 2000
            )
            settled = settled[apart]
        if len(settled):
            figures[name] = synchrony.spread(settled)
            figures[name]["drift"] = synchrony.drift(settled)
    figures["sound_card_ms"] = round(seen.card_ms(), 1)
    figures["sound_buffer_ms"] = _buffer_ms(seen, "audio")
    figures["picture_buffer_ms"] = _buffer_ms(seen, "video")
    return figures


def _buffer_ms(seen: synchrony.Seen, kind: str) -> float | None:
    """The mean wait in a receiver's buffer, over the second half."""
    rows = [row[kind] for row in seen.playouts[len(seen.playouts) // 2 :] if row[kind]]
    if len(rows) < 2 or rows[-1]["emitted"] == rows[0]["emitted"]:
        return None
    waited_s = rows[-1]["delay"] - rows[0]["delay"]
    return round(float(1000 * waited_s / (rows[-1]["emitted"] - rows[0]["emitted"])), 1)


def show(figures: dict[str, Any]) -> None:
    """Prints the table."""
    print("ms; above zero: sound ahead of its picture")
    print(f"{'':10}{'p50':>8}{'p95 of |x|':>12}{'max of |x|':>12}{'ahead':>8}{'behind':>8}  drift")
    for name in ("content", "browser"):
        one = figures.get(name)
        if one is None:
            continue
        drift = one["drift"]
        slope = "" if drift is None else f"{drift['ms_a_minute']:+.2f} a minute"
        error = "" if drift is None else f" (± {drift['standard_error']})"
        print(
            f"{name:10}{one['p50']:8.1f}{one['p95_abs']:12.1f}{one['max_abs']:12.1f}"
            f"{one['most_ahead']:8.1f}{one['most_behind']:8.1f}  {slope}{error}"
        )
    print(f"first seconds: {json.dumps(figures['first_seconds_ms'])}")
    if "after_stall" in figures:
        print(f"after a stall: {json.dumps(figures['after_stall'])}")
    for name in ("sound_buffer_ms", "sound_card_ms", "picture_buffer_ms"):
        print(f"{name.removesuffix('_ms').replace('_', ' ')}: {figures[name]} ms")

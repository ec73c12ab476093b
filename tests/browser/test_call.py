"""Calls in a real browser: the avatar that comes back moves as the face in the camera does."""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from engines.trackers.litert import LitertTracker
from engines.weights import ModelStore
from live.stages import STAGES
from tests.browser.conftest import Visiting, wait_for_phase
from tests.browser.motion import correlation, record

pytestmark = pytest.mark.alone

_log = logging.getLogger(__name__)

CORNER = """() => {
  const canvas = new OffscreenCanvas(8, 8), context = canvas.getContext("2d");
  const video = document.querySelector("#video");
  context.drawImage(video, video.videoWidth / 2 - 4, 4, 8, 8, 0, 0, 8, 8);
  const { data } = context.getImageData(0, 0, 8, 8), sum = [0, 0, 0];
  data.forEach((value, index) => index % 4 < 3 && (sum[index % 4] += value / 64));
  return sum;
}"""
"""The mean colour of a few pixels in the middle of the avatar's upper edge: background."""


@pytest.mark.parametrize(
    ("codec", "mirror"), [("H264", False), ("VP8", True)], ids=["H264", "VP8-mirrored"]
)
def test_avatar_moves_as_the_camera_does(visit: Visiting, codec: str, mirror: bool) -> None:
    # Small, as without a GPU the browser draws the page with the cores that the server needs.
    visiting = visit(viewport={"width": 820, "height": 640})
    page = visiting.open(f"?codec={codec}")
    if (page.get_attribute("#mirror", "aria-pressed") == "true") is not mirror:
        page.click("#mirror")
    page.check(".tile input[value=leo]", force=True)
    page.click("#primary")
    wait_for_phase(page, "live")
    page.wait_for_timeout(2500)  # the driver takes the neutral face in the first second
    tracker = LitertTracker(ModelStore())
    sent, received = record(page, tracker)
    tracker.close()

    assert np.std(sent.yaw) > 3, "the camera's face has to turn for this to mean anything"
    assert np.std(sent.jaw) > 0.05, "the camera's face has to speak for this to mean anything"
    yaw, yaw_delay = correlation(sent, received, "yaw")
    jaw, jaw_delay = correlation(sent, received, "jaw")
    _log.info(
        "%s: yaw r=%.3f at %.2f s, jaw r=%.3f at %.2f s", codec, yaw, yaw_delay, jaw, jaw_delay
    )
    assert (-yaw if mirror else yaw) > 0.9
    assert jaw > 0.8
    assert yaw_delay < 0.4
    assert jaw_delay < 0.4

    page.click("#quality")
    expect(page.locator("#stat-figures")).to_contain_text(f"512 × 512 {codec}")
    expect(page.locator("#stat-delay")).not_to_have_text("–")
    expect(page.locator("#stat-stages li.server")).to_have_count(len(STAGES))
    drawn = page.locator("#stat-stages li", has_text="Draw avatar").locator("b")
    expect(drawn).not_to_have_text("0.0")
    assert not visiting.complaints
    assert not visiting.foreign


def test_wide_call_fills_the_page(visit: Visiting) -> None:
    visiting = visit(viewport={"width": 900, "height": 640})
    page = visiting.start("?shape=wide")
    page.wait_for_function("() => document.querySelector('#video').videoWidth > 0")
    video = page.evaluate("(({ videoWidth, videoHeight }) => [videoWidth, videoHeight])(video)")
    assert video == [912, 512]
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    assert stage["width"] / stage["height"] == pytest.approx(912 / 512, rel=0.01)
    page.click("#primary")
    wait_for_phase(page, "lobby")
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    assert stage["width"] == pytest.approx(stage["height"], rel=0.01)
    assert not visiting.complaints


def test_call_changes_while_it_runs(visit: Visiting) -> None:
    page = visit().start()
    expect(page.locator("#disclosure")).to_have_text("AI avatar")

    page.check("[name=background][value=green]", force=True)
    _wait_for_corner(page, lambda red, green, blue: green > 1.8 * max(red, blue))
    page.check("[name=background][value=colour]", force=True)
    page.fill("#colour", "#c02020")
    _wait_for_corner(page, lambda red, green, blue: red > 1.8 * max(green, blue))

    before = page.locator(".tile input:checked").input_value()
    with page.expect_response("**/settings") as answer:
        page.locator(".tile input:not(:checked)").first.check(force=True)
    assert answer.value.status == 204
    after = page.locator(".tile input:checked").input_value()
    assert _get(answer.value.url.removesuffix("/settings"))["avatar"] == after != before
    name = page.locator(".tile:has(input:checked) .name").inner_text()
    expect(page.locator("#headline")).to_contain_text(f"{name}.")

    page.keyboard.press("c")
    expect(page.locator("#notice-title")).to_have_text("Look straight, mouth closed")
    expect(page.locator("#notice-title")).to_have_text("Calibrated")
    assert page.get_attribute("body", "data-phase") == "live"


def test_keyboard_alone_starts_and_ends_a_call(visit: Visiting) -> None:
    page = visit().open()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "primary":
            break
    assert page.evaluate("document.activeElement.matches('#primary:focus-visible')")
    page.keyboard.press("Enter")
    wait_for_phase(page, "live")
    page.keyboard.press("q")
    expect(page.locator("#stats")).to_be_visible()
    page.keyboard.press("Shift+E")
    wait_for_phase(page, "lobby")
    expect(page.locator("#notice-title")).to_have_text("Call ended")
    expect(page.locator("#spoken")).to_contain_text("Call ended")


def test_ended_call_frees_its_place(visit: Visiting, server: str) -> None:
    page = visit().start()
    assert _free(server) == 0
    with page.expect_response(lambda response: response.request.method == "DELETE") as answer:
        page.click("#primary")
    assert answer.value.status == 200
    assert _free(server) == 1
    wait_for_phase(page, "lobby")
    assert page.evaluate("document.querySelector('#video').srcObject") is None


def test_closed_page_frees_its_place(visit: Visiting, server: str) -> None:
    visiting = visit()
    visiting.start()
    visiting.page.close()
    other = visit().open()
    other.wait_for_function("() => fetch('/readyz').then((answer) => answer.ok)")


def test_interrupted_call_is_made_again(visit: Visiting, server: str) -> None:
    page = visit().open()
    with page.expect_response("**/sessions?*") as answer:
        page.click("#primary")
    wait_for_phase(page, "live")
    secret = answer.value.headers["location"]
    urllib.request.urlopen(urllib.request.Request(server + secret, method="DELETE")).close()
    expect(page.locator("#notice-title")).to_have_text("Reconnecting")
    expect(page.locator("#notice-title")).to_have_text("Connected again", timeout=10_000)
    assert _free(server) == 0


def test_a_call_that_falls_silent_is_asked_for(visit: Visiting) -> None:
    """Of a server that was started again, and of one that is not there."""
    page = visit().open()
    page.route("**/sessions/nobody", lambda route: route.abort())
    news = page.evaluate("""async () => {
      const { Pulse } = await import("/pulse.js");
      const told = (id) =>
        new Promise((tell) => new Pulse(tell).watch({ location: `/sessions/${id}` }));
      return Promise.all(["unknown", "nobody"].map(told));
    }""")
    assert news == ["gone", "unreachable"]


def test_the_notice_keeps_off_the_face(visit: Visiting) -> None:
    page = visit().start()
    page.evaluate("""async () => {
      const { Notice } = await import("/notice.js");
      const text = "Face the camera in good light; the avatar follows again by itself.";
      new Notice().show("test", "said", "Your face is out of view", text);
    }""")
    boxes = [page.locator(one).bounding_box() for one in ("#notice", "#stage", "#self")]
    notice, stage, own = (box for box in boxes if box)
    assert notice["y"] + notice["height"] < stage["y"] + 0.4 * stage["height"]
    assert notice["x"] + notice["width"] < own["x"]


def test_face_out_of_view_and_another_camera(
    launch: Callable[..., Browser], visit: Visiting, server: str
) -> None:
    # Of Chromium's fake cameras the second gives depth only, which no call can send.
    without_face = launch("--use-fake-device-for-media-stream=device-count=3")
    try:
        page = visit(without_face).open()
        with page.expect_response("**/sessions?*") as answer:
            page.click("#primary")
        report = server + answer.value.headers["location"]
        wait_for_phase(page, "live")
        expect(page.locator("#notice-title")).to_have_text("Your face is out of view")

        page.select_option("#camera", index=2)
        in_use = "document.querySelector('#self-video').srcObject.getTracks()[0].label"
        label = page.locator("#camera option").nth(2).inner_text()
        page.wait_for_function(f"(label) => {in_use} === label", arg=label)
        seen = _frames_in(report)
        for _ in range(100):
            if _frames_in(report) > seen + 20:
                break
            page.wait_for_timeout(50)
        else:
            pytest.fail("no picture of the second camera reached the server")
    finally:
        without_face.close()


def test_full_server_is_explained_and_asked_again(visit: Visiting) -> None:
    first = visit().start()
    second = visit().open()
    second.click("#primary")
    expect(second.locator("#notice-title")).to_have_text("All places are taken")
    expect(second.locator("#notice-text")).to_contain_text("Trying again in")
    first.click("#primary")
    wait_for_phase(first, "lobby")
    wait_for_phase(second, "live")


def test_blocked_network_is_explained(visit: Visiting) -> None:
    page = visit().open()
    # Neither end learns where the other is: no candidate of ours goes out, theirs lead nowhere.
    page.route("**/sessions/*", _abort_trickle)
    page.evaluate(
        """() => {
          const real = RTCPeerConnection.prototype.setRemoteDescription;
          RTCPeerConnection.prototype.setRemoteDescription = function (answer) {
            const sdp = answer.sdp.replace(/(a=candidate:\\S+ 1 udp \\d+ )\\S+/g, "$1192.0.2.1");
            return real.call(this, { type: "answer", sdp });
          };
        }"""
    )
    page.clock.install()
    with page.expect_request("**/settings"):  # sent once the page has begun to wait
        page.click("#primary")
    expect(page.locator("#notice-title")).to_have_text("Connecting")
    page.clock.fast_forward(20_000)
    expect(page.locator("#notice-text")).to_contain_text("firewall")
    assert page.get_attribute("body", "data-phase") == "lobby"


def _abort_trickle(route: Route) -> None:
    if route.request.method == "PATCH":
        route.abort()
    else:
        route.continue_()


def _wait_for_corner(page: Page, is_right: Callable[[float, float, float], bool]) -> None:
    for _ in range(100):
        colour = page.evaluate(CORNER)
        if is_right(*colour):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"the background did not change; it is {colour}")


def _frames_in(report: str) -> int:
    frames = _get(report)["frames"]
    assert isinstance(frames, dict)
    return int(frames["in"])


def _get(address: str) -> dict[str, object]:
    with urllib.request.urlopen(address) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def _free(server: str) -> int:
    try:
        return int(str(_get(f"{server}/readyz")["free"]))
    except urllib.error.HTTPError as answer:
        answer.close()
        return 0

"""The page has the avatar speak: what is received moves its mouth, can be stopped and read."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from engines.trackers.litert import LitertTracker
from engines.weights import ModelStore
from tests.browser import hearing
from tests.browser.conftest import Visit, Visiting, wait_for_phase

pytestmark = pytest.mark.alone

_log = logging.getLogger(__name__)

SYLLABLES = "Papa, mama! Bob got a lot of big apples. Pop, pop; a bar, and far off, a ball."
"""Lips that close between open vowels: the mouth has to move for every one of them."""
PICTURES = 60
"""From which on a mouth is known well enough."""
SOON_S = 0.3
"""A tenth of a second at the server, and what the browser holds of sound."""
LONGEST_MS = 60_000
"""What a busy machine may take to say a text."""
SPEAKING = "#talk[data-speaking=true]"
WITHOUT = {"camera": "none", "microphone": "none", "avatar": "leo"}


@pytest.fixture
def front_desk(visit: Visiting) -> Visit:
    """A visit in which the page may use no camera and no microphone, and is not to ask for any."""
    visiting = visit(permissions=[], viewport={"width": 820, "height": 640})
    _remember(visiting, WITHOUT)
    visiting.context.add_init_script(
        "if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia ="
        " () => { throw new Error('the page asked for a device'); }"
    )
    return visiting


def test_mouth_moves_with_the_sound(front_desk: Visit) -> None:
    page = front_desk.start()
    _say(page, "Ready.")  # loads the voice
    tracker = LitertTracker(ModelStore())
    for _ in range(3):  # of which a busy machine may spoil some
        r, lag = hearing.mouth_follows(_received(page), tracker)
        _log.info("jaw and sound: r=%.3f at %.0f ms", r, 1000 * lag)
        if r > 0.4 and abs(lag) <= 0.1:
            break
    tracker.close()
    assert r > 0.4
    assert abs(lag) <= 0.1
    assert not front_desk.complaints
    assert not front_desk.foreign


def test_stopped_avatar_falls_silent(front_desk: Visit) -> None:
    page = front_desk.start()
    for _ in range(3):  # of which a busy machine may spoil some
        took = _stopped_after(page)
        _log.info("the last sound came %.0f ms after the click", 1000 * took)
        if took < SOON_S:
            break
    assert -0.3 < took < SOON_S
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("#say-hint")).to_have_text("Enter says it")


def test_captions_tell_what_has_been_said(front_desk: Visit) -> None:
    page = front_desk.start()
    text = "We open at nine. The lift is to your left, behind the stairs."
    page.fill("#say", text)
    page.press("#say", "Enter")
    expect(page.locator("#caption")).to_be_visible(timeout=LONGEST_MS)
    early = page.locator("#caption-text").inner_text()
    assert text.startswith(early), "words come in their order"
    page.keyboard.press("Escape")
    page.locator("#captions").press("Space")
    expect(page.locator("#caption")).to_be_hidden()
    page.locator("#captions").press("Space")
    page.wait_for_selector("#stop", state="hidden")
    page.evaluate("document.querySelector('#caption-log').replaceChildren()")
    _say(page, text)
    said = page.locator("#caption-log p").all_inner_texts()
    assert " ".join(said) == text


def test_call_without_camera_and_microphone(front_desk: Visit) -> None:
    page = front_desk.open()
    expect(page.locator("#talk")).to_be_hidden()
    with page.expect_response("**/sessions?*") as answer:
        page.click("#primary")
    wait_for_phase(page, "live")
    assert page.evaluate("document.querySelector('#video').muted") is False
    expect(page.locator("#calibrate")).to_be_hidden()
    page.wait_for_timeout(1000)
    expect(page.locator("#notice")).to_be_hidden()
    page.keyboard.press("w")
    page.keyboard.type("One.\n")
    page.keyboard.type("Two.\n")
    expect(page.locator("#caption-log")).to_contain_text("Two.", timeout=LONGEST_MS)
    report = _get(front_desk.server + answer.value.headers["location"])
    assert report["frames"]["in"] == 0
    assert report["frames"]["out"] > 0


def test_what_is_refused_is_said_in_words_and_kept(front_desk: Visit) -> None:
    catalogue = {
        "voices": [{"name": "nobody", "available": True, "languages": ["en", "de"]}],
        "default": "nobody",
    }
    front_desk.page.route("**/voices", lambda route: route.fulfill(json=catalogue))
    page = front_desk.start()
    page.select_option("#language", label="German")
    page.fill("#say", "Hello.")
    page.press("#say", "Enter")
    expect(page.locator("#say-error")).to_contain_text("No voice is called 'nobody'")
    assert page.input_value("#say") == "Hello."
    page.fill("#say", "a" * 10_001)
    expect(page.locator("#say-error")).to_be_hidden()
    expect(page.locator("#say-hint")).to_have_text("Over 10,000 characters")
    page.press("#say", "Enter")
    expect(page.locator("#say-error")).to_contain_text("at most 10000")


def test_camera_and_microphone_come_and_go_in_a_call(visit: Visiting) -> None:
    visiting = visit()
    _remember(visiting, WITHOUT)
    page = visiting.open()
    with page.expect_response("**/sessions?*") as answer:
        page.click("#primary")
    wait_for_phase(page, "live")
    report = visiting.server + answer.value.headers["location"]
    assert _get(report)["frames"]["in"] == 0

    page.click("#camera-on")
    expect(page.locator("#self")).to_have_attribute("data-camera", "on")
    _wait_until(page, lambda: _get(report)["frames"]["in"] > 5)
    page.click("#mute")
    expect(page.locator("#mute")).to_have_attribute("aria-pressed", "false")
    page.click("#listen")  # nobody is sent a voice of their own that they do not listen to
    _wait_until(page, lambda: _get(report)["voice_latency_ms"] is not None)

    page.select_option("#camera", "none")
    expect(page.locator("#self")).to_have_attribute("data-camera", "off")
    _wait_until(page, lambda: not _grows(page, report))
    assert page.get_attribute("body", "data-phase") == "live"
    assert not visiting.complaints


def test_own_voice_does_not_come_back_but_the_avatar_is_heard(visit: Visiting) -> None:
    visiting = visit()
    _remember(visiting, {"avatar": "leo"})
    page = visiting.start()
    muted = "document.querySelector('#video').muted"
    assert page.evaluate(muted) is True
    page.fill("#say", SYLLABLES)
    page.press("#say", "Enter")
    page.wait_for_selector(SPEAKING, timeout=LONGEST_MS)
    assert page.evaluate(muted) is False
    page.wait_for_timeout(500)
    page.press("#say", "Escape")
    page.wait_for_function(f"() => {muted}")
    page.click("#listen")
    assert page.evaluate(muted) is False


def test_choices_reach_the_server_and_last(visit: Visiting) -> None:
    visiting = visit()
    page = visiting.open()
    page.check("[name=driver][value=speech]", force=True)
    page.select_option("#skin", "grey")
    with page.expect_request("**/sessions?*") as opened, page.expect_request("**/settings") as told:
        page.click("#primary")
    assert "driver=speech" in opened.value.url
    settings = json.loads(told.value.post_data or "")
    assert settings["skin"] == "grey"
    assert settings["liveliness"] == 0.5
    wait_for_phase(page, "live")
    with page.expect_response("**/settings") as answer:
        page.focus("#liveliness")
        page.keyboard.press("End")
    assert answer.value.status == 204
    assert answer.value.request.post_data == '{"liveliness":1}'
    with page.expect_response("**/settings") as answer:
        page.check("[name=driver][value=auto]", force=True)
    assert answer.value.status == 204
    visiting.open()
    assert page.locator("[name=driver]:checked").input_value() == "auto"
    assert page.input_value("#liveliness") == "1"
    assert page.input_value("#skin") == "grey"


def _received(page: Page) -> hearing.Received:
    """What came while a text was said, more than once where pictures come slowly."""
    hearing.begin(page, pictures=True)
    for _ in range(3):
        _say(page, SYLLABLES)
        if hearing.pictures(page) >= PICTURES:
            break
    page.wait_for_timeout(400)
    return hearing.end(page)


def _stopped_after(page: Page) -> float:
    """Seconds from a click on the button, in the middle of a text, to the last sound received."""
    page.fill("#say", 5 * SYLLABLES)
    page.press("#say", "Enter")
    page.wait_for_selector(SPEAKING, timeout=LONGEST_MS)
    hearing.begin(page)
    page.wait_for_timeout(1500)
    clicked: float = page.evaluate(
        "() => { document.querySelector('#stop').click(); return performance.now() / 1000; }"
    )
    page.wait_for_timeout(1200)
    return hearing.end(page).last_loud - clicked


def _say(page: Page, text: str) -> None:
    """Has a text said to its end."""
    page.fill("#say", text)
    page.press("#say", "Enter")
    page.wait_for_selector("#stop")
    page.wait_for_selector("#stop", state="hidden", timeout=LONGEST_MS)


def _remember(visiting: Visit, choices: dict[str, str]) -> None:
    """What an earlier visit has left."""
    visiting.context.add_init_script(
        f"for (const [key, value] of Object.entries({json.dumps(choices)}))"
        " localStorage.setItem(`visavis.${key}`, value);"
    )


def _grows(page: Page, report: str) -> bool:
    seen = _get(report)["frames"]["in"]
    page.wait_for_timeout(500)
    return bool(_get(report)["frames"]["in"] > seen)


def _get(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(address) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _wait_until(page: Page, met: Callable[[], bool]) -> None:
    for _ in range(100):
        if met():
            return
        page.wait_for_timeout(100)
    pytest.fail("what was waited for did not come in ten seconds")

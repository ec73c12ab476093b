"""A synthetic person is enrolled in the page, is shown as an avatar, and takes it all back."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visiting
from tests.performer import YAW, pose, spoken

pytestmark = pytest.mark.alone

PERFORMER = Path(__file__).with_name("performer.js")
WITHIN_MS = 40_000


@pytest.fixture(scope="module")
def performance() -> str:
    """What `performer.js` shows and plays, as JSON."""
    swing = np.sin(np.pi * np.arange(18) / 17)
    sound, jaw = spoken()
    sprites = {
        "rest": [_jpeg(sway=0.012 * np.sin(number / 2)) for number in range(12)],
        "left": [_jpeg(yaw=YAW * min(1.0, 1.3 * much)) for much in swing],
        "right": [_jpeg(yaw=-YAW * min(1.0, 1.3 * much)) for much in swing],
        "phrase": [_jpeg(jaw=float(one)) for one in jaw],
    }
    samples = np.rint(sound * 32767).astype("<i2").tobytes()
    return json.dumps({"sprites": sprites, "sound": base64.b64encode(samples).decode()})


def _jpeg(**held: float) -> str:
    done, data = cv2.imencode(".jpg", pose("leo", **held)[..., ::-1])
    assert done
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def test_person_is_enrolled_and_takes_it_back(
    visit: Visiting, enroller: str, performance: str
) -> None:
    visiting = visit(address=enroller)
    script = f"window.PERFORMANCE = {performance};\n{PERFORMER.read_text()}"
    visiting.context.add_init_script(script)
    page = visiting.open()
    before = page.locator(".tile input").count()
    page.click(".tile.add")
    page.fill("#upload-name", "Leonard")
    page.click("#upload-send")
    expect(page.locator("#enrol-agreement")).to_contain_text("Example Ltd makes an avatar")
    page.click("#enrol-agree .primary")
    expect(page.locator("#agree-error")).to_contain_text("Tick the box")
    page.check("#enrol-agreed")
    page.click("#enrol-agree .primary")
    _perform(page)
    code = page.inner_text("#done-code")
    expect(page.locator("#done-established")).to_contain_text("did what was asked")
    expect(page.locator("#done-open")).to_contain_text("came from a camera")
    page.keyboard.press("Escape")
    assert page.locator("#done-code").is_visible()  # it is shown only once
    page.click("#done-close")
    expect(page.locator("#primary")).to_have_text("Start as Leonard")
    expect(page.locator("#uses")).to_contain_text("The person consented before the camera")

    page.click("#withdraw")
    page.fill("#leave-code", "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA")
    page.click("#leave-do")
    expect(page.locator("#leave-error")).to_contain_text("not the withdrawal code")
    page.fill("#leave-code", code.lower())
    page.click("#leave-do")
    expect(page.locator(".tile input")).to_have_count(before)
    assert _only_refusals(visiting.complaints) == []
    assert not visiting.foreign


def _perform(page: Page) -> None:
    """Until it is done; a busy machine may need another try."""
    decided = page.locator("#enrol-done:not([hidden]), #enrol-failed:not([hidden])")
    for _ in range(3):
        decided.wait_for(timeout=WITHIN_MS)
        if page.locator("#enrol-done").is_visible():
            return
        why = page.inner_text("#failed-words")
        page.click("#failed-again")
    pytest.fail(why)


def _only_refusals(complaints: list[Any]) -> list[Any]:
    """What the console says but that the wrong code was refused."""
    return [one for one in complaints if "403" not in one]

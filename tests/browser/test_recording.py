"""A call that is recorded: the page says so, and the film is what was seen."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import av
from playwright.sync_api import expect

from tests.browser.conftest import Recorder, Visiting, wait_for_phase

SECONDS = 4


def test_a_recorded_call(visit: Visiting, recorder: Recorder) -> None:
    page = visit(address=recorder.address).start()
    notice = page.locator("#recording")
    expect(notice).to_be_visible()
    expect(notice).to_have_text("Being recorded")
    words = page.locator("#disclosure")
    expect(words).to_have_text("KI-Avatar")
    expect(words).to_have_attribute("lang", "de")
    page.wait_for_timeout(1000 * SECONDS)
    page.click("#primary")
    wait_for_phase(page, "lobby")
    expect(notice).to_be_hidden()

    deadline = time.monotonic() + 20
    while not (films := list(recorder.folder.glob("*.mp4"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    (film,) = films
    with av.open(str(film)) as container:
        # the page asks for no sound while it would hear its own voice only
        assert not container.streams.audio
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert times[-1] - times[0] > SECONDS - 1
    assert len(times) / (times[-1] - times[0]) > 3  # on however busy a machine

    def visavis(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "live", *command],
            env=recorder.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    verified = visavis("verify", str(film))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert film.stem.rpartition("-")[2] in verified.stdout  # the call's public id, by its mark
    assert visavis("audit", "verify").returncode == 0
    events = [one["event"] for one in json.loads(visavis("audit", "show", "--json").stdout)]
    told = [one for one in events if one.startswith(("session", "recording"))]
    assert told[:2] == ["session_opened", "recording_started"]
    assert sorted(told[2:]) == ["recording_made", "session_closed"]  # whichever is ready first

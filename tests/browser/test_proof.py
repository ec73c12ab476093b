"""The proof of a call, checked in the browser, and the page that looks at files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from live import keys
from live.keys import OperatorKeys
from live.sections import Keys
from tests import bad_files
from tests.browser.conftest import Visiting
from tests.test_verification import SESSION, as_picture, marked, pictures

CHECK = """async ([text, keys]) => {
  const { check } = await import("/proof.js");
  const { state, reason } = await check(text, keys);
  return [state, reason];
}"""


@pytest.fixture
def operator(server: str, tmp_path_factory: pytest.TempPathFactory) -> OperatorKeys:
    """The keys of the server that is visited."""
    folder = tmp_path_factory.getbasetemp() / "server0" / "data" / "visavis" / "keys"
    assert folder.is_dir()
    return keys.load(Keys(folder=folder))


def _check(page: Page, text: str, of: list[object]) -> tuple[str, str]:
    state, reason = page.evaluate(CHECK, [text, of])
    return state, reason


def _changed(text: str, part: int) -> str:
    """With another letter in the middle of one of its three parts."""
    parts = text.split(".")
    middle = len(parts[part]) // 2
    other = "A" if parts[part][middle] != "A" else "B"
    parts[part] = parts[part][:middle] + other + parts[part][middle + 1 :]
    return ".".join(parts)


def test_call_is_proved_and_what_was_changed_is_shown_as_broken(
    visit: Visiting, operator: OperatorKeys
) -> None:
    visiting = visit()
    page = visiting.start()
    page.click("#proof-open")
    state = page.locator("#proof-state")
    expect(state).to_have_attribute("data-state", "signed", timeout=15_000)
    expect(state).to_contain_text("unchanged")
    told = page.locator("#proof-facts").inner_text()
    assert operator.id in told
    assert operator.mark_id in told
    assert re.search(r"This call\s+[0-9a-f]{12}\b", told)
    text = page.locator("#proof-text").text_content() or ""
    page.keyboard.press("Escape")
    expect(page.locator("#proof")).to_be_hidden()
    assert page.evaluate("document.activeElement.id") == "proof-open"

    known = page.evaluate("fetch('/.well-known/jwks.json').then((one) => one.json())")["keys"]
    assert _check(page, text, known) == ("signed", "")
    for part in range(3):
        assert _check(page, _changed(text, part), known)[0] == "broken"
    assert _check(page, "", known)[0] == "broken"
    assert _check(page, text, [])[0] == "broken"
    renamed = [known[0] | {"x": "A" * 43}]
    assert "not the one that it names" in _check(page, text, renamed)[1]
    page.evaluate(
        "() => { crypto.subtle.importKey = async () => { throw new DOMException('unknown'); } }"
    )
    assert _check(page, text, known)[0] == "unchecked"

    def answer(route: Route) -> None:
        route.fulfill(json={"keys": []})

    page.route("**/.well-known/jwks.json", answer)
    page.keyboard.press("p")
    expect(state).to_have_attribute("data-state", "broken")
    expect(state).to_contain_text("do not believe")
    page.click("#proof-close")
    # before it ends: a call that the server has seen end first answers the page's own end by 404
    assert not visiting.complaints
    page.keyboard.press("Shift+E")
    expect(page.locator("#proof-open")).to_be_hidden()


@pytest.mark.parametrize("is_ours", [True, False])
def test_page_says_whether_a_picture_was_made_here(
    is_ours: bool, visit: Visiting, operator: OperatorKeys, tmp_path: Path
) -> None:
    shown = marked(operator.mark) if is_ours else pictures()
    file = tmp_path / "portrait.png"
    file.write_bytes(as_picture(shown[7]))
    visiting = visit()
    page = visiting.page
    page.goto(f"{visiting.server}/verify.html")
    page.set_input_files("#file", file)
    verdict = page.locator("#verdict")
    wanted = "made_here" if is_ours else "nothing_found"
    expect(verdict).to_have_attribute("data-verdict", wanted, timeout=60_000)
    expect(page.locator("#headline")).to_be_focused()
    expect(page.locator("#found")).to_contain_text(SESSION if is_ours else "none of this server")
    assert page.locator("#cannot-tell li").count() >= 3
    expect(page.locator("#preview img")).to_be_visible()
    assert page.locator("#record").text_content()
    assert not visiting.complaints
    assert not visiting.foreign


def test_page_says_why_a_file_cannot_be_looked_at(visit: Visiting, tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    visiting = visit()
    page = visiting.page
    page.goto(f"{visiting.server}/verify.html")
    fault = page.locator("#fault")
    for data, words in (
        (b"", "is empty"),
        (b"words", "This is no picture or film"),
        (bad_files.still("PNG")[:300], "cut off or damaged"),
    ):
        file.write_bytes(data)
        page.set_input_files("#file", file)
        expect(fault).to_contain_text(words, timeout=60_000)
        expect(page.locator("#result")).to_be_hidden()


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1200, 800)])
def test_nothing_hangs_over_the_side_of_the_page(visit: Visiting, width: int, height: int) -> None:
    visiting = visit(viewport={"width": width, "height": height})
    page = visiting.page
    page.goto(f"{visiting.server}/verify.html")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input")]
        .filter((one) => !one.ariaLabel && !one.textContent.trim() && !one.labels?.length)
        .map((one) => one.outerHTML)"""
    )
    assert nameless == []

"""The page of a server that asks for tokens: it has one, or asks for it, and keeps it to itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect

from engines import avatars as built_in
from tests.browser.conftest import ELSEWHERE, Guarded, Visit, Visiting, wait_for_phase

LOCAL = "local-network-access"
"""Which browsers ask for before a site from elsewhere reaches this machine."""
PORTRAITS = f"""
    () => [...document.querySelectorAll(".tile img")].filter((one) => one.naturalWidth).length
    === {len(built_in.ids())}
"""


def refusals(visiting: Visit) -> list[str]:
    """What the browser says of answers 401 and 403, without what else went wrong."""
    return [text for text in visiting.complaints if "status of 40" not in text]


def use(page: Page, token: str) -> None:
    page.fill("#token-value", token)
    page.get_by_role("button", name="Go in").click()


def test_a_call_with_the_token_of_the_address(visit: Visiting, guarded: Guarded) -> None:
    visiting = visit(address=guarded.address, viewport={"width": 1200, "height": 1400})
    token = guarded.token("session", "speak")
    page = visiting.open(f"?codec=VP8#token={token}")
    assert page.url == f"{guarded.address}/?codec=VP8"
    page.wait_for_function(PORTRAITS)
    page.click("#primary")
    wait_for_phase(page, "live")
    page.wait_for_function("() => document.querySelector('#video').videoWidth > 0")
    assert page.locator("#voice option").count() > 0
    page.fill("#say", "Hello there.")
    page.keyboard.press("Enter")
    expect(page.locator("#caption-text")).to_contain_text("Hello", timeout=20_000)
    page.click(".segments label:has([name=background][value=green])")
    page.wait_for_timeout(300)
    page.click("#primary")
    wait_for_phase(page, "lobby")
    page.reload()  # this tab remembers it
    page.wait_for_selector("#gallery[aria-busy=false]")
    page.wait_for_function(PORTRAITS)
    assert token not in page.content()
    assert token not in str(page.evaluate("({...localStorage})"))
    assert page.evaluate("document.cookie") == ""
    assert not visiting.complaints
    assert not visiting.foreign


def test_who_comes_without_a_token_is_asked_once(visit: Visiting, guarded: Guarded) -> None:
    visiting = visit(address=guarded.address)
    page = visiting.page
    page.goto(guarded.address)
    expect(page.get_by_role("dialog")).to_have_count(1)
    use(page, "")
    expect(page.locator("#token .field-error")).to_contain_text("Paste the token")
    use(page, "not a token")
    expect(page.locator("#token .field-error")).to_contain_text("no token")
    use(page, "a.b.c")
    expect(page.locator("#token .field-error")).to_contain_text("not made by this server")
    use(page, guarded.token("session"))
    page.wait_for_function(PORTRAITS)
    expect(page.locator("#token")).to_have_count(0)
    page.wait_for_function("() => document.querySelector('#voice').options.length > 0")
    assert not refusals(visiting)


def test_another_tab_and_another_visit_know_nothing(visit: Visiting, guarded: Guarded) -> None:
    visiting = visit(address=guarded.address)
    visiting.open(f"#token={guarded.token('session')}")
    other = visiting.context.new_page()
    other.goto(guarded.address)
    expect(other.locator("#token")).to_be_visible()


def test_who_has_no_token_may_go_on_looking(visit: Visiting, guarded: Guarded) -> None:
    page = visit(address=guarded.address).page
    page.goto(guarded.address)
    expect(page.locator("#token")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".gallery-fault")).to_contain_text("asks for a token")
    expect(page.locator("#primary")).to_be_disabled()
    page.click(".gallery-fault button")
    use(page, guarded.token("session"))
    page.wait_for_function(PORTRAITS)


def test_a_token_that_was_revoked_is_asked_for_anew(visit: Visiting, guarded: Guarded) -> None:
    visiting = visit(address=guarded.address)
    token = guarded.token("session")
    page = visiting.open(f"#token={token}")
    page.click("#primary")
    wait_for_phase(page, "live")
    guarded.revoke(token)
    # The server ends the call; the page tries to make it anew, and is asked for a token.
    expect(page.locator("#token")).to_be_visible(timeout=15_000)
    expect(page.locator("#token .field-error")).to_contain_text("revoked")
    use(page, guarded.token("session"))
    wait_for_phase(page, "live")
    assert not refusals(visiting)


def test_without_its_scope_a_thing_is_refused_in_words(visit: Visiting, guarded: Guarded) -> None:
    page = visit(address=guarded.address).open(f"#token={guarded.token('session')}")
    page.click("#primary")
    wait_for_phase(page, "live")
    page.fill("#say", "Hello there.")
    page.keyboard.press("Enter")
    expect(page.locator("#say-error")).to_contain_text("'speak'")


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1200, 800)])
def test_the_question_fits(visit: Visiting, guarded: Guarded, width: int, height: int) -> None:
    page = visit(address=guarded.address, viewport={"width": width, "height": height}).page
    page.goto(guarded.address)
    box = page.locator("#token").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= height
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.activeElement.id") == "token-value"


ASK_FROM_ELSEWHERE = """
async ([server, token]) => {
    const headers = { Authorization: `Bearer ${token}` };
    const listed = await fetch(`${server}/avatars`, { headers });
    const sdp = { ...headers, "Content-Type": "application/sdp" };
    const offer = { method: "POST", headers: sdp, body: "v=0" };
    const refused = await fetch(`${server}/sessions?avatar=ada`, offer);
    const gone = await fetch(`${server}/sessions/none`, { method: "DELETE", headers });
    const without = await fetch(`${server}/avatars`);
    const answers = [listed, refused, gone, without];
    return answers.map((one) => [one.status, one.headers.get("WWW-Authenticate")]);
}
"""


def asked_from(visiting: Visit, site: str, server: str, token: str) -> object:
    """What a page of another site gets to know."""
    page = visiting.page
    page.route(f"{site}/**", lambda route: route.fulfill(body="<p>", content_type="text/html"))
    page.goto(f"{site}/")
    return page.evaluate(ASK_FROM_ELSEWHERE, [server, token])


def test_a_site_that_may_asks_and_another_does_not(visit: Visiting, guarded: Guarded) -> None:
    token = guarded.token("session")
    answers = asked_from(visit(permissions=[LOCAL]), ELSEWHERE, guarded.address, token)
    challenge = 'Bearer realm="visavis"'
    assert answers == [[200, None], [400, None], [404, None], [401, challenge]]
    with pytest.raises(PlaywrightError, match="Failed to fetch"):
        asked_from(visit(permissions=[LOCAL]), "https://evil.example", guarded.address, token)

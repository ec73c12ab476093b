"""The page before a call: what it loads, how it looks at each size, what it says and takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from engines import avatars as built_in
from tests.browser.conftest import INSECURE_HOST, Guarded, Visiting, wait_for_phase


def test_page_loads_whole_from_its_own_server(visit: Visiting) -> None:
    visiting = visit()
    page = visiting.open()
    expect(page.locator("#primary")).to_be_enabled()
    page.wait_for_load_state("networkidle")
    unseen = page.evaluate(
        "[...document.querySelectorAll('.tile img')].filter((one) => !one.naturalWidth).length"
    )
    tiles = page.locator(".tile input").count()
    assert tiles == len(built_in.ids())
    assert unseen == 0
    assert not visiting.complaints
    assert not visiting.foreign


def test_camera_picture_shows_at_once_where_it_is_allowed(visit: Visiting) -> None:
    page = visit().open()
    page.wait_for_function("() => document.querySelector('#self-video').videoWidth > 0")
    assert page.locator("#camera option").count() == 2
    assert page.locator("#camera option").last.inner_text() == "No camera"
    assert page.locator("#microphone option").last.inner_text() == "No microphone"


def test_camera_of_the_last_visit_may_be_gone(visit: Visiting) -> None:
    visiting = visit()
    visiting.context.add_init_script("localStorage.setItem('visavis.camera', 'f00d')")
    page = visiting.open()
    page.wait_for_function("() => document.querySelector('#self-video').videoWidth > 0")
    assert not page.locator("#notice").is_visible()


@pytest.mark.parametrize(("width", "height"), [(360, 740), (390, 844), (1024, 768), (1440, 900)])
def test_nothing_hangs_over_the_side(visit: Visiting, width: int, height: int) -> None:
    page = visit(viewport={"width": width, "height": height}).open()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    box = page.locator("#primary").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= height
    page.click(".tile.add")
    sheet = page.locator("#upload").bounding_box()
    assert sheet is not None
    assert sheet["x"] >= 0
    assert sheet["x"] + sheet["width"] <= width


def test_colours_follow_the_system_until_told_otherwise(visit: Visiting) -> None:
    page = visit(color_scheme="dark").open()
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.click("#theme")
    light = page.evaluate(ground)
    assert _brightness(dark) < 0.2
    assert _brightness(light) > 0.8
    page.reload()
    assert page.evaluate(ground) == light


def test_every_control_has_a_name(visit: Visiting) -> None:
    page = visit().open()
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, select, textarea, video")]
        .filter((one) => !one.ariaLabel && !one.textContent.trim() && !one.labels?.length)
        .map((one) => one.outerHTML)"""
    )
    assert nameless == []


def test_blocked_camera_is_explained_and_can_be_tried_again(visit: Visiting) -> None:
    visiting = visit(permissions=[])
    page = visiting.open()
    page.click("#primary")
    expect(page.locator("#notice-title")).to_have_text("The camera is blocked")
    expect(page.locator("#notice-text")).to_contain_text("set Camera to Allow")
    expect(page.locator("#spoken-now")).to_contain_text("The camera is blocked")
    assert page.get_attribute("body", "data-phase") == "lobby"
    visiting.context.grant_permissions(["camera", "microphone"])
    page.click("#primary")
    page.wait_for_selector("body[data-phase=live]")


def test_missing_camera_is_explained_and_not_needed(
    launch: Callable[..., Browser], visit: Visiting
) -> None:
    without_camera = launch("--use-fake-device-for-media-stream=device-count=0")
    try:
        page = visit(without_camera).open()
        page.click("#primary")
        expect(page.locator("#notice-title")).to_have_text("No camera was found")
        expect(page.locator("#notice-text")).to_contain_text("Plug one in")
        page.get_by_role("button", name="Go without").click()
        wait_for_phase(page, "live")
        expect(page.locator("#notice")).to_be_hidden()
    finally:
        without_camera.close()


def test_page_without_https_says_so(visit: Visiting, guarded: Guarded) -> None:
    address = guarded.address.replace("127.0.0.1", INSECURE_HOST)
    page = visit(address=address, permissions=[]).open(f"#token={guarded.token('session')}")
    expect(page.locator("#notice-title")).to_have_text("This page needs HTTPS")
    expect(page.locator("#notice-text")).to_contain_text(f"https://{INSECURE_HOST}")


def test_unreachable_server_is_explained_and_asked_again(visit: Visiting) -> None:
    visiting = visit()
    visiting.page.route("**/avatars", lambda route: route.abort())
    page = visiting.open()
    expect(page.locator(".gallery-fault")).to_contain_text("The server does not answer")
    assert page.locator("#primary").is_disabled()
    visiting.page.unroute("**/avatars")
    page.click(".gallery-fault button")
    expect(page.locator("#primary")).to_be_enabled()


def test_added_face_is_somebodys_or_nobodys(visit: Visiting) -> None:
    visiting = visit()
    page = visiting.open()
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.method))
    page.click(".tile.add")
    for purpose in ("call", "render"):
        page.uncheck(f"[name=purpose][value={purpose}]")
    page.click("#upload-send")
    expect(page.locator("#upload-error")).to_contain_text("Choose at least one thing")
    page.check("[name=whose][value=nobody]", force=True)
    page.click("#upload-send")
    expect(page.locator("#upload-error")).to_have_text("Choose a portrait first.")
    page.set_input_files("#upload-file", _portrait())
    page.click("#upload-send")
    expect(page.locator("#upload-error")).to_contain_text("Say what it is")
    page.check("[name=basis][value=synthetic]", force=True)
    page.click("#upload-send")
    expect(page.locator("#upload-error")).to_contain_text("Say in a sentence")
    page.check("[name=whose][value=granted]", force=True)
    page.click("#upload-send")
    expect(page.locator("#upload-error")).to_contain_text("the record of consent")
    assert "POST" not in posts


def test_file_that_is_no_picture_is_refused_in_words(visit: Visiting, tmp_path: Path) -> None:
    file = tmp_path / "notes.png"
    file.write_bytes(b"not a picture")
    page = visit().open()
    page.click(".tile.add")
    page.check("#enrol-own-picture")
    page.set_input_files("#upload-file", file)
    expect(page.locator("#upload-error")).to_contain_text("not a picture that can be read")
    with page.expect_response("**/enrolments") as answer:
        page.click("#upload-send")
    assert answer.value.status in (415, 422)
    expect(page.locator("#upload-error")).to_be_visible()
    expect(page.locator("#upload-send")).to_be_enabled()


def test_added_portrait_is_chosen_and_can_be_removed(visit: Visiting) -> None:
    page = visit().open()
    before = page.locator(".tile input").count()
    page.click(".tile.add")
    page.check("[name=whose][value=nobody]", force=True)
    page.set_input_files("#upload-file", _portrait())
    page.fill("#upload-name", "Twin")
    page.check("[name=basis][value=synthetic]", force=True)
    page.fill("#upload-statement", "Rendered for this test; shows no real person.")
    with page.expect_response("**/avatars") as answer:
        page.click("#upload-send")
    assert answer.value.status == 201, answer.value.text()
    expect(page.locator(".tile input")).to_have_count(before + 1)
    expect(page.locator("#primary")).to_have_text("Start as Twin")
    assert not page.locator("#upload").is_visible()
    expect(page.locator("#uses")).to_contain_text("Nobody’s face: synthetic")
    expect(page.locator("#withdraw")).to_be_hidden()
    page.click("#remove")
    expect(page.locator("#leave-title")).to_have_text("Remove Twin?")
    page.click("#leave-cancel")
    expect(page.locator(".tile input")).to_have_count(before + 1)
    page.click("#remove")
    page.click("#leave-do")
    expect(page.locator(".tile input")).to_have_count(before)
    expect(page.locator("#remove")).to_be_hidden()  # what came with the program stays


def test_record_that_does_not_fit_is_refused_in_words(visit: Visiting, tmp_path: Path) -> None:
    record = tmp_path / "record.jws"
    record.write_text("e30.e30.e30")
    page = visit().open()
    page.click(".tile.add")
    page.check("[name=whose][value=granted]", force=True)
    page.set_input_files("#upload-file", _portrait())
    page.set_input_files("#upload-record", record)
    with page.expect_response("**/avatars") as answer:
        page.click("#upload-send")
    assert answer.value.status == 403
    expect(page.locator("#upload-error")).to_contain_text("no consent that is believed here")


def test_shortcuts_are_listed_and_can_be_switched_off(visit: Visiting) -> None:
    page = visit().open()
    page.keyboard.press("m")
    assert page.get_attribute("#mute", "aria-pressed") == "true"
    page.keyboard.press("?")
    expect(page.locator("#keys-list kbd").first).to_be_visible()
    page.click("#keys-on")
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    assert page.get_attribute("#mute", "aria-pressed") == "true"


def test_ice_servers_are_read_from_the_link_header(visit: Visiting) -> None:
    page = visit().open()
    header = (
        '<stun:one.example:3478>; rel="ice-server", '
        '<turn:two.example:3478?transport=udp>; rel="ice-server"; username="u,1"; '
        'credential="p;2"; credential-type="password", '
        '<https://three.example/>; rel="help", </four>'
    )
    servers = page.evaluate(
        "async (header) => (await import('/server.js')).iceServers(header)", header
    )
    assert servers == [
        {"urls": "stun:one.example:3478"},
        {
            "urls": "turn:two.example:3478?transport=udp",
            "username": "u,1",
            "credential": "p;2",
        },
    ]


def _portrait() -> Path:
    return built_in.folder("leo") / "portrait.jpg"


def _brightness(colour: str) -> float:
    parts = [float(one) for one in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    return sum(parts) / (3 * 255)

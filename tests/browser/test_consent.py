"""What a consent covers can be chosen, and a call whose consent ends says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import APIRequestContext, FilePayload, expect

from engines import avatars as built_in
from tests.browser.conftest import Visiting, wait_for_phase

NOBODY = {"basis": "synthetic", "statement": "Rendered for this test; shows no real person."}


class Faces:
    """Adds avatars to a server, and removes them in the end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.requests: APIRequestContext | None = None
        self._added: list[str] = []

    def add(self, requests: APIRequestContext, id: str, modes: str) -> str:
        """An avatar that may be driven in these modes; its consent's id."""
        self.requests = requests
        image: FilePayload = {
            "name": "leo.jpg",
            "mimeType": "image/jpeg",
            "buffer": built_in.contents("leo").portrait,
        }
        granted = requests.post(
            f"{self.address}/consents", multipart={**NOBODY, "modes": modes, "image": image}
        ).json()
        answer = requests.post(
            f"{self.address}/avatars",
            multipart={
                "image": image,
                "consent": granted["record"],
                "id": id,
                "name": id.title(),
            },
        )
        assert answer.status == 201, answer.text()
        self._added.append(id)
        return str(granted["id"])

    def close(self) -> None:
        for each in self._added:
            assert self.requests is not None
            assert self.requests.delete(f"{self.address}/avatars/{each}").status == 200


@pytest.fixture
def faces(visit: Visiting, server: str) -> Iterator[Faces]:
    made = Faces(server)
    yield made
    made.close()


def test_only_what_was_agreed_to_can_be_chosen(visit: Visiting, faces: Faces) -> None:
    page = visit().open()
    faces.add(page.request, "talker", "speech")
    page.reload()
    page.check("[name=avatar][value=talker]", force=True)
    expect(page.locator("[name=driver][value=speech]")).to_be_checked()
    expect(page.locator("[name=driver][value=face]")).to_be_disabled()
    expect(page.locator("[name=driver][value=auto]")).to_be_disabled()
    page.check("[name=avatar][value=ada]", force=True)
    expect(page.locator("[name=driver][value=auto]")).to_be_checked()
    expect(page.locator("[name=driver][value=face]")).to_be_enabled()


def test_a_call_whose_consent_is_revoked_says_so(visit: Visiting, faces: Faces) -> None:
    page = visit().open()
    consent = faces.add(page.request, "twin", "face,speech")
    page.reload()
    page.check("[name=avatar][value=twin]", force=True)
    page.click("#primary")
    wait_for_phase(page, "live")
    assert page.request.delete(f"{faces.address}/consents/{consent}").status == 200
    expect(page.locator("#notice-title")).to_have_text(
        "This avatar cannot be shown any more", timeout=5000
    )
    expect(page.locator("#notice-text")).to_contain_text("revoked")
    wait_for_phase(page, "lobby")

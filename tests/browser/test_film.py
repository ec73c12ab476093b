"""A browser plays a signed film, picture and sound, as if it had no credentials."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Route

from live.provenance.credentials import Credentials
from live.sections import Keys, Provenance
from tests.credentials import FACTS, film

ADDRESS = "http://films.test/"
PLAYED = """async () => {
  const video = document.querySelector("video");
  video.muted = true;
  const ended = new Promise((told) => {
    video.onended = () => told("ended");
    video.onerror = () => told(video.error.message);
  });
  await video.play();
  const how = await ended;
  const { totalVideoFrames } = video.getVideoPlaybackQuality();
  return [how, totalVideoFrames, video.webkitAudioDecodedByteCount > 0];
}"""


def test_a_signed_film_plays_to_its_end(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(film("+faststart"))
    Credentials.load(Provenance(), Keys(folder=tmp_path / "keys")).sign(file, FACTS)

    def serve(route: Route) -> None:
        if route.request.url.endswith(".mp4"):
            route.fulfill(body=file.read_bytes(), content_type="video/mp4")
        else:
            route.fulfill(body='<video src="film.mp4"></video>', content_type="text/html")

    context = browser.new_context()
    context.route(f"{ADDRESS}**", serve)
    page = context.new_page()
    page.goto(ADDRESS)
    how, pictures, is_heard = page.evaluate(PLAYED)
    assert (how, is_heard) == ("ended", True)
    assert pictures >= 10  # of 12; a busy browser may leave out the last
    context.close()

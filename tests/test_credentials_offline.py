"""Neither signing nor reading asks anything of a network, whatever a file asks for."""

from __future__ import annotations

import platform
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import c2pa
import pytest

from engines.trackers.no_sockets import deny_sockets
from live.provenance.credentials import Credentials
from live.provenance.library import offline
from live.provenance.manifest import DIGITAL_SOURCE_TYPE
from live.provenance.reading import Report, Standing, read
from live.sections import Keys, Provenance
from tests.credentials import FACTS, film


class Asked(ThreadingHTTPServer):
    """A server that counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/credentials.c2pa"


class _Handler(BaseHTTPRequestHandler):
    server: Asked

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test's output is its own."""


@pytest.fixture
def server() -> Iterator[Asked]:
    with Asked() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials.load(Provenance(), Keys(folder=tmp_path / "keys"))


def _pointing(url: str, credentials: Credentials, target: Path) -> None:
    """A film whose credentials are said to lie elsewhere."""
    certificate = credentials.certificate
    info = c2pa.C2paSignerInfo(
        certificate.algorithm, certificate.chain_pem.encode(), certificate.key_pem.encode(), None
    )
    actions = [{"action": "c2pa.created", "digitalSourceType": DIGITAL_SOURCE_TYPE}]
    stated = {
        "claim_generator_info": [{"name": "Elsewhere"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }
    source = target.with_name("source.mp4")
    source.write_bytes(film())
    with (
        c2pa.Builder(stated, context=offline()) as builder,
        c2pa.Signer.from_info(info) as signer,
        source.open("rb") as unsigned,
        target.open("w+b") as pointing,
    ):
        builder.set_no_embed()
        builder.set_remote_url(url)
        builder.sign(signer, "video/mp4", unsigned, pointing)


def test_what_lies_elsewhere_is_not_fetched(
    server: Asked, credentials: Credentials, tmp_path: Path
) -> None:
    file = tmp_path / "film.mp4"
    _pointing(server.url, credentials, file)
    report = read(file, own=credentials.certificate.leaf)
    assert report == Report(
        Standing.ABSENT, ("the file points to credentials that are not fetched",)
    )
    assert server.paths == []
    with file.open("rb") as stream, suppress(c2pa.C2paError), c2pa.Reader("video/mp4", stream):
        pass
    assert server.paths == ["/credentials.c2pa"], "as the library does unless it is told not to"


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="sockets can be denied on Linux x86-64 only",
)
def test_all_of_it_works_without_any_socket(tmp_path: Path) -> None:
    def sign_and_read() -> Report:
        deny_sockets()
        credentials = Credentials.load(Provenance(), Keys(folder=tmp_path / "keys"))
        file = tmp_path / "film.mp4"
        file.write_bytes(film())
        credentials.sign(file, FACTS)
        return read(file, own=credentials.certificate.leaf)

    with ThreadPoolExecutor(1) as thread:
        report = thread.submit(sign_and_read).result()
    assert report.standing is Standing.VALID
    assert report.facts == FACTS

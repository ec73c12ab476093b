from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live import sections, settings, settings_reference
from live.errors import SettingsError
from live.settings import load

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file in the working folder."""
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    file = Path("other.toml")
    file.write_text(text, "utf-8")
    return file


def test_command_line_beats_environment_beats_file(monkeypatch: pytest.MonkeyPatch) -> None:
    file = write('[server]\nhost = "file"\nport = 1\nposts_per_minute = 1\n[video]\nsize = 256\n')
    monkeypatch.setenv("VISAVIS_SERVER__HOST", "environment")
    monkeypatch.setenv("VISAVIS_SERVER__PORT", "2")
    chosen = load(file, {"server": {"port": 3, "host": None}})
    server = chosen.server
    assert (server.posts_per_minute, server.host, server.port) == (1, "environment", 3)
    assert chosen.video.size == 256


def test_the_file_in_the_working_folder_is_read() -> None:
    assert load().server.port == 8080
    Path("visavis.toml").write_text("[server]\nport = 99\n", "utf-8")
    assert load().server.port == 99


def test_a_list_comes_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAVIS_ICE__SERVERS", '[{"urls": "stun:a.example"}]')
    assert [server.urls for server in load().ice.servers] == ["stun:a.example"]
    monkeypatch.setenv("VISAVIS_ICE__SERVERS", '[{"urls"')
    with pytest.raises(SettingsError, match="JSON"):
        load()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sever]\n", "unknown setting sever; did you mean 'server'?"),
        ("[server]\nprot = 1\n", "unknown setting server.prot; did you mean 'port'?"),
        ("[server]\nport = 70000\n", "setting server.port: .*65535"),
        ('[server]\ntls_cert = "a"\n', "set both or neither"),
        ('[ice]\nservers = [{urls = "turn:a", user = "me"}]\n', "did you mean 'username'?"),
        ('[ice]\nservers = [{urls = "http://a"}]\n', "setting ice.servers.0.urls"),
        ('[label]\ntext = " "\n', "setting label.text: has to have printable"),
        ('[label]\ntext = "a\\nb"\n', "setting label.text: has to have printable"),
        ("[video]\nqqqqqq = 1\n", "known are: size, shape, bitrate"),
        ("port = = 1\n", "other.toml is not TOML"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words.replace("?", r"\?")):
        load(write(text))


def test_a_named_file_must_exist() -> None:
    with pytest.raises(SettingsError, match=r"cannot read gone\.toml"):
        load(Path("gone.toml"))


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("VISAVIS_SEVER__PORT", "did you mean 'server'"),
        ("VISAVIS_SERVER__PROT", "unknown setting server.prot; did you mean 'port'"),
    ],
)
def test_misspelt_variables_are_errors(
    monkeypatch: pytest.MonkeyPatch, variable: str, words: str
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(SettingsError, match=words):
        load()


def test_what_a_container_platform_invents_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAVIS_PORT", "tcp://10.0.0.1:80")
    assert load().server.port == 8080


def test_secrets_are_masked_in_what_is_shown_and_in_errors() -> None:
    table = '{urls = "turn:a", username = "me", credential = "hunter2"}'
    chosen = load(write(f"[ice]\nservers = [{table}]\n"))
    assert "hunter2" not in json.dumps(settings.masked(chosen)) + repr(chosen)
    bad = table.replace("hunter2", 'hunter2\\"')
    with pytest.raises(SettingsError) as caught:
        load(write(f"[ice]\nservers = [{bad}]\n"))
    assert "hunter2" not in str(caught.value)


@given(st.from_regex(re.compile(sections.QUOTABLE, re.ASCII), fullmatch=True))
def test_what_may_be_quoted_needs_no_escape(text: str) -> None:
    assert json.dumps(text) == f'"{text}"'


def test_the_example_is_valid_and_shows_every_key() -> None:
    example = settings_reference.example()
    enabled = re.sub(r"^#(?=\w+ = )", "", example, flags=re.MULTILINE)
    assert load(write(enabled)).ice.servers
    shown = {name: set(keys) for name, keys in tomllib.loads(enabled).items()}
    assert shown == {name: set(one.model_fields) for name, one in settings.sections()}
    assert load(write(example)) == load()


def test_every_key_is_described() -> None:
    for name, section in settings.sections():
        for key, info in section.model_fields.items():
            assert info.description, f"{name}.{key}"


def test_the_page_of_settings_is_up_to_date() -> None:
    page = (ROOT / "docs/configuration.md").read_text("utf-8")
    assert page == settings_reference.reference(), (
        "python -c 'from live.settings_reference import reference; print(reference(), end=\"\")'"
        " > docs/configuration.md"
    )

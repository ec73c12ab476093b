"""The settings' own descriptions go in, `docs/configuration.md` and an example file come out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from live.sections import Section
from live.settings import sections

_EXAMPLES = {
    "server.tls_cert": '"/etc/visavis/cert.pem"',
    "server.tls_key": '"/etc/visavis/key.pem"',
    "sessions.places": "4",
    "sessions.processes": "2",
    "ice.servers": (
        '[{urls = "turn:turn.example.org:3478", username = "me", credential = "change-me"}]'
    ),
    "voice.espeak_library": '"/usr/local/lib/libespeak-ng.so.1"',
    "voice.openai_url": '"https://speech.example.org/v1"',
    "voice.openai_key": '"change-me"',
    "voice.openai_model": '"tts-1"',
    "voice.openai_voice": '"alloy"',
    "voice.openai_languages": '"en, de"',
    "avatars.folder": '"/var/lib/visavis/avatars"',
    "consent.folder": '"/var/lib/visavis/consents"',
    "keys.folder": '"/var/lib/visavis/keys"',
    "keys.signing": '"-----BEGIN PRIVATE KEY-----…"',
    "keys.mark": '"64 hexadecimal digits"',
    "keys.trusted": '"/etc/visavis/trusted"',
    "audit.file": '"/var/lib/visavis/audit.jsonl"',
    "provenance.certificate": '"/etc/visavis/c2pa-chain.pem"',
    "provenance.private_key": '"/etc/visavis/c2pa-key.pem"',
    "recording.folder": '"/var/lib/visavis/recordings"',
    "models.folder": '"/var/lib/visavis/models"',
}
"""What a key without a plain default may look like."""

_HEAD = """\
# Configuration

Settings come from `visavis.toml` in the working folder (or the file named by `--config`), are
overruled by environment variables, and those by the command line. The variable of a key is
`VISAVIS_SECTION__KEY`, for instance `VISAVIS_SERVER__PORT=8443`; lists are written as JSON. An
unknown key is an error that names the nearest known one.

`visavis config example` prints a commented file to start from, `visavis config show` the settings
in force, with secrets masked. This page is made from the same descriptions.
"""


def reference() -> str:
    """The text of `docs/configuration.md`."""
    return _HEAD + "".join(_chapter(name, section) for name, section in sections())


def example() -> str:
    """A `visavis.toml` in which every key is commented out."""
    parts = [
        "# Settings of Visavis. Each key shows its default, or an example where it is unset:\n"
        "# remove the # before a key to set it.\n"
    ]
    for name, section in sections():
        parts.append(f"\n# {_line(section)}\n[{name}]\n")
        for key, info in section.model_fields.items():
            words = textwrap.fill(info.description or "", 98)
            parts.append(textwrap.indent(words, "# ") + "\n")
            parts.append(f"#{key} = {_example(name, key, info)}\n")
    return "".join(parts)


def _chapter(name: str, section: type[Section]) -> str:
    rows = "".join(
        f"| `{key}` | {_default(info)} | {value} | {_escaped(info.description or '')} |\n"
        for (key, info), value in zip(section.model_fields.items(), _values(section), strict=True)
    )
    head = "| key | default | value | meaning |\n| --- | --- | --- | --- |\n"
    return f"\n## `[{name}]`\n\n{_line(section)}\n\n{head}{rows}"


def _values(section: type[Section]) -> Iterator[str]:
    """What each key takes, in words, from the section's JSON schema."""
    for schema in section.model_json_schema()["properties"].values():
        first = next((one for one in schema.get("anyOf", []) if one["type"] != "null"), schema)
        yield _value(first)


def _value(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema["type"] == "array":
        of_texts = schema["items"].get("type") == "string"
        return "list of text" if of_texts else "list of `{urls, username, credential}`"
    if schema.get("format") == "path":
        return "path"
    words: str = {"string": "text", "boolean": "`true`, `false`"}.get(schema["type"], "number")
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        words += f" {least}…{most}"
    elif least is not None:
        words += f" ≥ {least}"
    elif "exclusiveMinimum" in schema:
        words += f" > {schema['exclusiveMinimum']:g}"
    if "multipleOf" in schema:
        words += f", a multiple of {schema['multipleOf']}"
    return words


def _default(info: FieldInfo) -> str:
    if info.default_factory is not None or info.default is None:
        return "unset"
    return f"`{_toml(info.default)}`"


def _example(name: str, key: str, info: FieldInfo) -> str:
    return _EXAMPLES.get(f"{name}.{key}") or _toml(info.default)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return "[]" if value == () else str(value)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _line(section: type[Section]) -> str:
    return (section.__doc__ or "").strip()

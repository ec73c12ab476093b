"""The JSON of a verdict as JSON schemas, made of the values' own types."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import TypeAdapter

from live.verification.verdict import VERSION, Code, Verdict


def schemas(reference: str) -> dict[str, Any]:
    """By name; `reference` is what they call each other, with `{model}` in it."""
    of_verdict = TypeAdapter(Verdict).json_schema(ref_template=reference, mode="serialization")
    parts: dict[str, Any] = of_verdict.pop("$defs")
    text = {"type": "string"}
    caveat = {
        "type": "object",
        "properties": {"code": text, "words": text},
        "required": ["code", "words"],
    }
    words = {
        "type": "object",
        "properties": {"headline": text, "found": {"type": "array", "items": text}},
        "required": ["headline", "found"],
    }
    more = {
        "version": {"const": VERSION},
        "verdict": {"enum": list(get_args(Code))},
        "words": words,
        "cannot_tell": {"type": "array", "items": caveat},
    }
    of_verdict["properties"] |= more
    of_verdict["required"] += list(more)
    return {**parts, "Verdict": of_verdict}

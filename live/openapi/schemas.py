"""The shapes of what the HTTP interface takes and gives, as JSON schemas."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from engines.voice_skins.changes import SKINS
from live.consent.record import Basis, Mode, Purpose
from live.load.steps import STEPS
from live.recording.recorder import End
from live.stages import STAGES
from live.utterance import Reason

Json = dict[str, Any]

_COUNT: Json = {"type": "integer", "minimum": 0}


def all_schemas() -> Json:
    """By name, for `components`."""
    return {
        "Problem": object_of(
            {
                "type": text(),
                "title": text(),
                "status": {"type": "integer"},
                "detail": text(description="For people."),
                "reason": text(description="For programs; of a portrait that cannot be used."),
            },
            optional=("reason",),
        ),
        "Avatar": object_of(
            {
                "id": text(),
                "name": text(),
                "description": text(description="Who one sees."),
                "built_in": {"type": "boolean"},
                "consent": text(description="The id of its consent record."),
                "basis": text(enum=list(Basis), description="How consent was granted."),
                "purposes": _some(Purpose),
                "modes": _some(Mode),
                "not_before": text(format="date-time"),
                "not_after": {
                    "type": ["string", "null"],
                    "format": "date-time",
                    "description": "From when on it cannot be shown any more; null: never.",
                },
                "portrait": text(format="uri-reference"),
            }
        ),
        "CallSettings": {
            "type": "object",
            "description": "What is left out stays as it is.",
            "properties": {
                "avatar": text(),
                "driver": text(),
                "background": text(pattern="^(keep|blur|colour|green|#[0-9a-fA-F]{6})$"),
                "mirror": {"type": "boolean"},
                "calibrate": {"type": "boolean", "description": "Take the neutral face anew."},
                "voice": text(description="A name of `GET /voices`."),
                "liveliness": {"type": "number", "minimum": 0, "maximum": 1},
                "skin": text(enum=list(SKINS), description="Of the peer's own voice."),
                "sound": {
                    "type": "boolean",
                    "description": "Whether the call's sound is sent to this peer.",
                },
            },
            "additionalProperties": False,
        },
        "Say": object_of(
            {
                "text": text(minLength=1, maxLength=10_000),
                "voice": text(description="A name of `GET /voices`."),
                "language": text(description="A BCP 47 tag that the voice speaks."),
                "pace": {"type": "number", "minimum": 0.5, "maximum": 2},
            },
            optional=("voice", "language", "pace"),
        )
        | {"additionalProperties": False},
        "End": object_of(
            {
                "utterance": text(),
                "reason": text(enum=list(Reason)),
                "characters": _COUNT | {"description": "Of the text, said to their end."},
                "seconds": {"type": "number", "minimum": 0, "description": "Of its own sound."},
                "message": text(description="What went wrong, where it failed."),
            },
            optional=("message",),
        ),
        "Voices": object_of(
            {
                "voices": {
                    "type": "array",
                    "items": object_of(
                        {
                            "name": text(),
                            "available": {"type": "boolean"},
                            "languages": {"type": "array", "items": text()},
                            "missing": text(description="What to do to make it available."),
                        },
                        optional=("missing",),
                    ),
                },
                "default": text(),
            }
        ),
        "Milliseconds": {
            "type": ["object", "null"],
            "description": "Percentiles of the last seconds; null where nothing was measured.",
            "properties": {name: {"type": "number"} for name in ("p50", "p95", "p99")},
        },
        "Report": object_of(
            {
                "state": text(
                    examples=["connecting", "tracking", "lost_face", "idle", "speaking", "closed"]
                ),
                "mode": text(description="The driver."),
                "skin": text(enum=list(SKINS), description="Of the peer's own voice."),
                "avatar": text(),
                "renderer": text(description="That draws now."),
                "codec": {"type": ["string", "null"], "description": "Of the video."},
                "frames": object_of({"in": _COUNT, "out": _COUNT, "dropped": map_of(_COUNT)}),
                "fps": object_of({"in": {"type": "number"}, "out": {"type": "number"}}),
                "rooms_ms": map_of(ref("Milliseconds")),
                "stages_ms": {
                    **map_of(ref("Milliseconds")),
                    "description": "A picture's way from its first packet to the avatar's last, in"
                    f" stages without a gap, in this order: {', '.join(STAGES)}.",
                },
                "latency_ms": ref("Milliseconds"),
                "voice_latency_ms": ref("Milliseconds"),
                "av_skew_ms": {"type": ["number", "null"]},
                "speech": object_of(
                    {
                        "speaking": {"type": "boolean"},
                        "queued": _COUNT | {"description": "Utterances that wait."},
                        "voice": text(),
                        "first_sound_ms": ref("Milliseconds"),
                    }
                ),
                "recording": text(
                    enum=["off", "waiting", "on", *End],
                    description="`waiting`: it begins when the client's data channel is open and"
                    " has told it so; else on, or why there is none any more.",
                ),
                "quality": object_of(
                    {
                        "step": text(enum=[step.name for step in STEPS]),
                        "fps": {
                            "type": ["number", "null"],
                            "description": "The most pictures a second; null: as the camera gives.",
                        },
                    }
                ),
                "statement": text(description="What is said of the call, as a JSON Web Signature."),
            }
        ),
    }


def _some(kind: type[StrEnum]) -> Json:
    return {
        "type": "array",
        "items": text(enum=list(kind)),
        "minItems": 1,
        "uniqueItems": True,
    }


def record_properties() -> Json:
    """Of a consent record that was granted."""
    portrait = object_of(
        {
            "sha256": text(description="Of height, width (4 bytes each) and RGB values."),
            "perceptual": text(description="Signs of 256 low frequencies of its cosine transform."),
        }
    )
    claims = object_of(
        {
            "v": {"const": 1},
            "id": text(),
            "subject": text(description="A pseudonym."),
            "portrait": portrait,
            "purposes": _some(Purpose),
            "modes": _some(Mode),
            "not_before": text(format="date-time"),
            "not_after": text(format="date-time"),
            "basis": text(enum=list(Basis)),
            "statement": text(),
            "evidence": map_of({"type": ["string", "number", "boolean"]}),
            "operator": text(),
            "granted_at": text(format="date-time"),
        }
    )
    return {
        "id": text(),
        "record": text(description="The signed document (JWS, Ed25519, `visavis-consent`)."),
        "claims": claims,
    }


def json_body(schema: Json) -> Json:
    """Content of one JSON document."""
    return {"application/json": {"schema": schema}}


def object_of(properties: Json, optional: tuple[str, ...] = ()) -> Json:
    """An object whose properties are required but for the `optional` ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def map_of(values: Json) -> Json:
    """An object of any keys."""
    return {"type": "object", "additionalProperties": values}


def text(**more: Any) -> Json:
    """A string."""
    return {"type": "string", **more}


def ref(name: str) -> Json:
    """One of `all_schemas`."""
    return {"$ref": f"#/components/schemas/{name}"}

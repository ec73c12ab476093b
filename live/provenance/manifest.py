"""The facts about a film in, the definition of its C2PA manifest out, and the way back.

The words are those of the C2PA specification 2.4 and of IPTC's list of digital source types; what
neither has a word for stands in an assertion of our own, `org.visavis.avatar`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pydantic import ValidationError

from live.provenance.facts import AvatarFacts, Facts, LabelFacts, MarkFacts

Json = dict[str, Any]

DIGITAL_SOURCE_TYPE = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
"""A given portrait and a voice, moved by what networks made of a camera's picture or of that voice.

`trainedAlgorithmicMedia` would say that a network made all of it: the portrait is somebody's, and
with a camera so are the movement and the voice. `algorithmicMedia` would say that nothing learnt
from people's pictures took part, which the tracking of the face does in every call.
"""

AVATAR = "org.visavis.avatar"
ACTIONS = "c2pa.actions.v2"
SOFT_BINDING = "c2pa.soft-binding"
_VERSION = 1
_HASH = "sha256"
_TEST = "a test certificate made by the server itself; it proves nothing about who signed"
_MADE = {
    "camera": "A still portrait that moves as a person before a camera did.",
    "voice": "A still portrait that speaks, moved by what a voice says.",
    "both": "A still portrait that moves as a person before a camera did, and as voices say.",
}
_NETWORKS = " Trained networks took part: they find faces and movements, and may draw the picture."


def definition(facts: Facts, *, is_test: bool) -> Json:
    """What `c2pa.Builder` is given; `is_test`: whether a test certificate will sign it."""
    return {
        "claim_generator_info": [{"name": "Visavis", "version": version("visavis")}],
        "title": f"Visavis {facts.kind} {facts.public_id}",
        "format": "video/mp4",
        "assertions": [
            _created(ACTIONS, {"actions": _actions(facts), "allActionsIncluded": True}),
            _created(SOFT_BINDING, _soft_binding(facts)),
            _created(AVATAR, _avatar(facts, is_test=is_test)),
        ],
    }


def _created(label: str, data: Json) -> Json:
    """An assertion that the signer stands for, and has not only gathered from others."""
    return {"label": label, "data": data, "created": True}


def _actions(facts: Facts) -> list[Json]:
    agent = {"name": "Visavis", "version": version("visavis")}
    when = facts.started_at.astimezone(UTC).isoformat(timespec="seconds")
    actions: list[Json] = [
        {
            "action": "c2pa.created",
            "when": when,
            "softwareAgent": agent,
            "digitalSourceType": DIGITAL_SOURCE_TYPE,
            "description": _MADE[facts.driven_by] + _NETWORKS,
        }
    ]
    if facts.label is not None:
        said = {"org.visavis.text": facts.label.text, "org.visavis.language": facts.label.language}
        actions.append(
            {
                "action": "c2pa.addedText",
                "softwareAgent": agent,
                "description": "A label on every picture that says what it is.",
                "parameters": said,
            }
        )
    actions.append(
        {
            "action": "c2pa.watermarked.bound",
            "softwareAgent": agent,
            "description": "An invisible mark in every picture; the soft binding names it.",
        }
    )
    return actions


def _soft_binding(facts: Facts) -> Json:
    mark = facts.mark
    return {
        "alg": mark.algorithm,
        "name": "Visavis live mark: its payload, and the id of the key that finds it",
        "blocks": [
            {
                "scope": {"timespan": {"start": 0, "end": facts.duration_ms}},
                "value": f"{mark.payload}.{mark.key}",
            }
        ],
    }


def _avatar(facts: Facts, *, is_test: bool) -> Json:
    said: Json = {
        "v": _VERSION,
        "kind": facts.kind,
        "avatars": [_avatar_claims(one) for one in facts.avatars],
        "driven_by": facts.driven_by,
    }
    if facts.label is not None:
        said["label"] = facts.label.model_dump()
    if facts.operator:
        said["operator"] = facts.operator
    if is_test:
        said["certificate"] = _TEST
    return said


def _avatar_claims(one: AvatarFacts) -> Json:
    consent: Json = {"id": one.consent, "basis": one.basis.value}
    if one.record is not None:
        consent["record"] = {"alg": _HASH, "hash": one.record}
    return {"portrait": {"alg": _HASH, "hash": one.portrait}, "consent": consent}


def facts_of(assertions: Iterable[Any]) -> Facts | None:
    """What a manifest's assertions, as read, say in our words; `None` where that is nothing.

    They may come from anybody: whoever signs can say anything.
    """
    data = _by_label(assertions)
    try:
        return _facts(data[AVATAR], data[SOFT_BINDING], data[ACTIONS])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ValidationError):
        return None


def actions_of(assertions: Iterable[Any]) -> list[Json]:
    """The actions that a manifest's assertions tell of, ours or others'."""
    actions: list[Json] = []
    for label, data in _by_label(assertions).items():
        if label.startswith("c2pa.actions") and isinstance(data, Mapping):
            told = data.get("actions")
            if isinstance(told, list):
                actions += [one for one in told if isinstance(one, dict)]
    return actions


def _by_label(assertions: Iterable[Any]) -> dict[str, Any]:
    return {
        str(one["label"]): one.get("data")
        for one in assertions
        if isinstance(one, Mapping) and "label" in one
    }


def _facts(avatar: Json, binding: Json, actions: Json) -> Facts | None:
    if avatar["v"] != _VERSION:
        return None
    block = binding["blocks"][0]
    payload, _, key = block["value"].partition(".")
    return Facts(
        kind=avatar["kind"],
        avatars=tuple(_avatar_facts(one) for one in avatar["avatars"]),
        mark=MarkFacts(algorithm=binding["alg"], key=key, payload=payload),
        label=LabelFacts(**avatar["label"]) if "label" in avatar else None,
        driven_by=avatar["driven_by"],
        started_at=datetime.fromisoformat(actions["actions"][0]["when"]),
        duration_ms=block["scope"]["timespan"]["end"],
        operator=avatar.get("operator", ""),
    )


def _avatar_facts(told: Json) -> AvatarFacts:
    consent = told["consent"]
    return AvatarFacts(
        portrait=told["portrait"]["hash"],
        consent=consent["id"],
        record=consent["record"]["hash"] if "record" in consent else None,
        basis=consent["basis"],
    )

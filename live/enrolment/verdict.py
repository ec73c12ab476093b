"""What an attempt showed goes in; what that establishes, and what not, comes out: in sentences.

The codes go into the consent record as its evidence, the sentences to the person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from live.enrolment.challenge import Challenge
from live.enrolment.codes import FAULTS, Fault


class Established(StrEnum):
    """What is known after an attempt that was passed."""

    STEPS = "steps"
    ONE_FACE = "one_face"
    DEPTH = "depth"
    VOICE = "voice"
    MOUTH = "mouth"
    OWN_PICTURE = "own_picture"
    PROPORTIONS = "proportions"


class Open(StrEnum):
    """What nobody knows after it."""

    IDENTITY = "identity"
    INJECTION = "injection"
    WORDS = "words"
    SOUND = "sound"
    LOOKALIKE = "lookalike"
    FREEDOM = "freedom"


ESTABLISHED: Final = {
    Established.STEPS: "A face did what was asked, in the order that was drawn by chance for this"
    " attempt, each step after it was shown and in its time.",
    Established.ONE_FACE: "It was one face all along: nobody else was in the picture, and nothing"
    " jumped, froze or was cut.",
    Established.DEPTH: "It turned like a head and not like a flat picture.",
    Established.VOICE: "While the phrase was on show, the mouth moved as the voice that was heard"
    " would move it.",
    Established.MOUTH: "The mouth moved while the phrase was on show.",
    Established.OWN_PICTURE: "The portrait is a picture of this attempt.",
    Established.PROPORTIONS: "The face has about the proportions of the face in the portrait that"
    " was sent.",
}

OPEN: Final = {
    Open.IDENTITY: "Who the person is. No name and no document was asked for.",
    Open.INJECTION: "That the pictures came from a camera. A program can pose as one, and a face"
    " swapped in by software can do what is asked as it is asked.",
    Open.WORDS: "That the words were those of the phrase: how the mouth moved was compared with"
    " the sound, what was said was not understood.",
    Open.SOUND: "Anything about the voice: no microphone was used.",
    Open.LOOKALIKE: "That it is the same person as in the portrait. Siblings and look-alikes pass,"
    " and so does about one stranger in seven.",
    Open.FREEDOM: "That the person understood what they agreed to, and was free to refuse.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one attempt."""

    challenge: Challenge
    fault: Fault | None
    established: tuple[Established, ...]
    open: tuple[Open, ...]
    difference: float | None
    """`likeness.difference` from the portrait that was sent; `None`: none was."""

    @property
    def passed(self) -> bool:
        """Whether consent may be granted on it."""
        return self.fault is None

    def evidence(self) -> dict[str, str | int | float | bool]:
        """What the record keeps of it."""
        kept: dict[str, str | int | float | bool] = {
            "challenge_sha256": self.challenge.sha256,
            "steps": " ".join(task.step for task in self.challenge.tasks),
            "established": " ".join(self.established),
            "not_established": " ".join(self.open),
        }
        if self.difference is not None:
            kept["likeness"] = round(self.difference, 2)
        return kept

    def described(self) -> dict[str, Any]:
        """For people and programs."""
        return {
            "passed": self.passed,
            "fault": self.fault,
            "words": FAULTS[self.fault] if self.fault else "Everything that was asked was seen.",
            "established": [{"code": one, "words": ESTABLISHED[one]} for one in self.established],
            "not_established": [{"code": one, "words": OPEN[one]} for one in self.open],
        }


def passed(challenge: Challenge, *, sound: bool, difference: float | None) -> Verdict:
    """Everything was done; `sound`: whether it was listened to."""
    sent = difference is not None
    established = (
        Established.STEPS,
        Established.ONE_FACE,
        Established.DEPTH,
        Established.VOICE if sound else Established.MOUTH,
        Established.PROPORTIONS if sent else Established.OWN_PICTURE,
    )
    unknown = [Open.IDENTITY, Open.INJECTION, Open.WORDS if sound else Open.SOUND]
    if sent:
        unknown.append(Open.LOOKALIKE)
    return Verdict(challenge, None, established, (*unknown, Open.FREEDOM), difference)


def failed(challenge: Challenge, fault: Fault, difference: float | None = None) -> Verdict:
    """Something was not as it has to be: nothing is established."""
    return Verdict(challenge, fault, (), (), difference)

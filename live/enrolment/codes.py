"""What an enrolment tells: a code for programs, and the sentence that people read."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from live.enrolment.challenge import Step


class Fault(StrEnum):
    """Why an attempt has failed."""

    TOO_SLOW = "too_slow"
    WRONG_TURN = "wrong_turn"
    UNASKED_TURN = "unasked_turn"
    UNASKED_CLOSING = "unasked_closing"
    FACE_LOST = "face_lost"
    FACE_JUMPED = "face_jumped"
    FACE_CHANGED = "face_changed"
    TWO_FACES = "two_faces"
    STILL_PICTURE = "still_picture"
    FLAT_PICTURE = "flat_picture"
    INTERRUPTED = "interrupted"
    FEW_PICTURES = "few_pictures"
    MOUTH_STILL = "mouth_still"
    NO_SOUND = "no_sound"
    SOUND_DISAGREES = "sound_disagrees"
    NO_PORTRAIT = "no_portrait"
    OTHER_FACE = "other_face"


class Hint(StrEnum):
    """What would help at this moment."""

    NO_FACE = "no_face"
    TWO_FACES = "two_faces"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    TOO_FAR = "too_far"
    TOO_NEAR = "too_near"
    LOOK_STRAIGHT = "look_straight"
    OPEN_EYES = "open_eyes"
    CLOSE_MOUTH = "close_mouth"
    SPEAK_UP = "speak_up"
    SLOW = "slow"


ASKED: Final = {
    Step.FRONT: "Look straight at the camera, eyes open, mouth closed.",
    Step.LEFT: "Turn your head to your left, then look at the camera again.",
    Step.RIGHT: "Turn your head to your right, then look at the camera again.",
    Step.EYES: "Close your eyes, count to two, and open them again.",
    Step.PHRASE: "Read this aloud, clearly:",
}

WAIT: Final = "Well done. Wait for the next step."

FAULTS: Final = {
    Fault.TOO_SLOW: "What was asked was not seen in time. Try again and follow each step as it"
    " appears.",
    Fault.WRONG_TURN: "The head turned to the other side than was asked. Left is your own left.",
    Fault.UNASKED_TURN: "The head turned when that was not asked. Look at the camera between the"
    " steps.",
    Fault.UNASKED_CLOSING: "The eyes were closed for long when that was not asked.",
    Fault.FACE_LOST: "The face was out of sight for a moment. Stay in the picture all the time.",
    Fault.FACE_JUMPED: "The face jumped from one place to another between two pictures. Sit still"
    " but for what is asked.",
    Fault.FACE_CHANGED: "The face did not stay the same all the time. The light may have changed,"
    " or another person has come before the camera.",
    Fault.TWO_FACES: "More than one face was in the picture. Be alone before the camera.",
    Fault.STILL_PICTURE: "The picture did not move as a living face does.",
    Fault.FLAT_PICTURE: "The head turned like a flat picture and not like a head.",
    Fault.INTERRUPTED: "The pictures stopped coming for a moment. Check the connection and try"
    " again.",
    Fault.FEW_PICTURES: "Too few pictures came in a second. Close what else uses the camera or the"
    " network, and try again.",
    Fault.MOUTH_STILL: "A voice was heard, but the mouth did not move with it.",
    Fault.NO_SOUND: "The mouth moved, but no voice was heard. Check the microphone.",
    Fault.SOUND_DISAGREES: "What was heard did not fit how the mouth moved. Read the words aloud"
    " in a quiet room, and show the whole mouth.",
    Fault.NO_PORTRAIT: "No picture of the attempt was good enough for a portrait. More light from"
    " the front helps.",
    Fault.OTHER_FACE: "The face before the camera does not have the proportions of the face in the"
    " portrait that was sent.",
}

HINTS: Final = {
    Hint.NO_FACE: "No face can be seen. Sit before the camera.",
    Hint.TWO_FACES: "More than one face can be seen. Be alone in the picture.",
    Hint.TOO_DARK: "It is too dark. Turn on a light before you.",
    Hint.TOO_BRIGHT: "It is too bright. Move out of the glare.",
    Hint.TOO_FAR: "Come nearer.",
    Hint.TOO_NEAR: "Move back a little.",
    Hint.LOOK_STRAIGHT: "Look straight at the camera.",
    Hint.OPEN_EYES: "Open your eyes.",
    Hint.CLOSE_MOUTH: "Close your mouth.",
    Hint.SPEAK_UP: "Nothing is heard. Speak louder.",
    Hint.SLOW: "Few pictures arrive. The camera or the network is slow.",
}

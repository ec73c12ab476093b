"""The root of the error tree and the branch that the engines raise; `live.errors` has the rest.

Every error says what was wrong, with what, and what to do, in words fit for the person at the other
end; none carries pixels, landmarks, addresses or names.
"""

from __future__ import annotations

from typing import ClassVar


class VisavisError(Exception):
    """Root of everything that Visavis raises on purpose."""

    status: ClassVar[int] = 500
    """The HTTP status under which the server reports it."""
    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later without a change."""


class EngineError(VisavisError):
    """A model or a part of the engines could not do its work."""


class UnknownPart(EngineError):
    """No tracker, driver, renderer, voice or backend of that name is installed."""

    status = 422


class SpaceMismatch(EngineError):
    """The driver speaks another motion space than the renderer understands."""

    status = 422


class ModelUnavailable(EngineError):
    """A model file is missing, cannot be fetched, or does not have its known hash."""

    status = 503
    retryable = True


class UnusablePortrait(EngineError):
    """No avatar can be made of this picture; `reason` is one of the documented short codes.

    `no_face`, `several_faces`, `too_small`, `turned_away`, `mouth_covered`, `cut_off`,
    `not_an_image`, `too_large`.
    """

    status = 422

    def __init__(self, reason: str, message: str) -> None:
        """`reason` is for programs, `message` for people."""
        super().__init__(message)
        self.reason = reason


class ChangedAvatar(EngineError):
    """A built-in avatar's files are not those that came with the program."""

    status = 403


class UnusableText(EngineError):
    """This text cannot be said: it is empty, too long, in SSML or not in the voice's language."""

    status = 422


class UnusableSound(EngineError):
    """This is no sound, or none of a kind that is taken."""

    status = 422


class VoiceUnavailable(EngineError):
    """The voice's program, package or service is not there, or does not answer."""

    status = 503
    retryable = True


class BackendUnavailable(EngineError):
    """A backend cannot work on this machine: its package, driver or device is not there."""

    status = 503


class DeviceFull(EngineError):
    """The device has no memory for one more session."""

    status = 503
    retryable = True


class DeviceLost(EngineError):
    """The device or its driver went away while a network ran."""

    status = 503
    retryable = True


class UnusableCheckpoint(EngineError):
    """These weights are of another model, incomplete, damaged, or not only numbers."""

    status = 422


class UnsupportedNetwork(EngineError):
    """A backend cannot build this network; the message names the operator or the layer."""


class BuildCancelled(EngineError):
    """The building of a network was cancelled before it was done."""

    status = 503
    retryable = True

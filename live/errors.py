"""The tree of errors: each with its HTTP status and whether the same call may succeed later.

VisavisError                      500
├── EngineError                   500    (engines.errors)
│   ├── UnknownPart               422
│   ├── SpaceMismatch             422
│   ├── ModelUnavailable          503  retry
│   ├── BackendUnavailable        503
│   ├── DeviceFull                503  retry
│   ├── DeviceLost                503  retry
│   ├── BuildCancelled            503  retry
│   ├── UnsupportedNetwork        500
│   ├── UnusableCheckpoint        422
│   ├── UnusablePortrait          422
│   ├── ChangedAvatar             403
│   ├── UnusableSound             422
│   ├── UnusableText              422
│   └── VoiceUnavailable          503  retry
├── BadRequest                    400
│   ├── BadSdp                    400
│   └── BadSignature              400
│       └── UnknownKey            400
├── Unauthorised                  401
│   └── InvalidToken              401
├── Forbidden                     403
│   └── MissingScope              403
├── NoConsent                     403
├── NotFound                      404
├── Conflict                      409
├── PreconditionFailed            412
├── TooLarge                      413
├── WrongType                     415
├── Unprocessable                 422
├── TooManyRequests               429  retry
├── Full                          503  retry
├── TooSlow                       503  retry
├── NotLogged                     503
└── SettingsError                 500
"""

from __future__ import annotations

from typing import ClassVar

from engines.errors import (
    BackendUnavailable,
    BuildCancelled,
    ChangedAvatar,
    DeviceFull,
    DeviceLost,
    EngineError,
    ModelUnavailable,
    SpaceMismatch,
    UnknownPart,
    UnsupportedNetwork,
    UnusableCheckpoint,
    UnusablePortrait,
    UnusableSound,
    UnusableText,
    VisavisError,
    VoiceUnavailable,
)

__all__ = [
    "BackendUnavailable",
    "BadRequest",
    "BadSdp",
    "BadSignature",
    "BuildCancelled",
    "ChangedAvatar",
    "Conflict",
    "DeviceFull",
    "DeviceLost",
    "EngineError",
    "Forbidden",
    "Full",
    "InvalidToken",
    "MissingScope",
    "ModelUnavailable",
    "NoConsent",
    "NotFound",
    "NotLogged",
    "PreconditionFailed",
    "SettingsError",
    "SpaceMismatch",
    "TooLarge",
    "TooManyRequests",
    "TooSlow",
    "Unauthorised",
    "UnknownKey",
    "UnknownPart",
    "Unprocessable",
    "UnsupportedNetwork",
    "UnusableCheckpoint",
    "UnusablePortrait",
    "UnusableSound",
    "UnusableText",
    "VisavisError",
    "VoiceUnavailable",
    "WrongType",
]


class BadRequest(VisavisError):
    """The request cannot be understood."""

    status = 400


class BadSdp(BadRequest):
    """The session description is not one, or not one that a call can be made of."""


class BadSignature(BadRequest):
    """A signed document that was changed, or that nobody who is believed here has signed."""


class UnknownKey(BadSignature):
    """A document that may be sound, but whoever signed it is not believed here."""


class Unauthorised(VisavisError):
    """The request says not, or not believably, on whose behalf it comes."""

    status = 401


class InvalidToken(Unauthorised):
    """The access token has expired, was revoked, or was not made by this server."""


class Forbidden(VisavisError):
    """The token is good, but not for this."""

    status = 403


class MissingScope(Forbidden):
    """The token does not have the scope that this takes."""

    def __init__(self, scope: str) -> None:
        """`scope`: the one that would do."""
        super().__init__(f"this takes a token with the scope {scope!r}; ask for one that has it")
        self.scope = scope


class NoConsent(VisavisError):
    """An avatar without a valid consent record, or for a use that its record does not cover."""

    status = 403


class NotFound(VisavisError):
    """There is no such avatar, session or page."""

    status = 404


class Conflict(VisavisError):
    """The request does not fit the state that the thing is in."""

    status = 409


class PreconditionFailed(VisavisError):
    """`If-Match` names another state than the present one."""

    status = 412


class TooLarge(VisavisError):
    """The body, picture or description is larger than is taken."""

    status = 413


class WrongType(VisavisError):
    """The body has another media type than the route takes."""

    status = 415


class Unprocessable(VisavisError):
    """Well-formed, but not something that can be done."""

    status = 422


class TooManyRequests(VisavisError):
    """The client asks too often."""

    status = 429
    retryable = True


class Full(VisavisError):
    """Every place is taken."""

    status = 503
    retryable = True
    retry_after_s: ClassVar[int] = 5


class TooSlow(VisavisError):
    """The server could not do it in time; it may later, with less to do."""

    status = 503
    retryable = True
    retry_after_s: ClassVar[int] = 5


class NotLogged(VisavisError):
    """The audit log cannot be written, so what was to be written there is not done."""

    status = 503


class SettingsError(VisavisError):
    """A setting is unknown or has a value that cannot be."""

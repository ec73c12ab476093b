"""What every operation is described with: bodies and answers in, an Operation Object out."""

from __future__ import annotations

from live import problems
from live.openapi.schemas import Json, ref, text

_MEANINGS = {
    400: "The request cannot be understood.",
    401: "No access token, or one that is not believed; see `WWW-Authenticate`.",
    403: "No consent, no scope for it, or asked by another site's page.",
    404: "There is no such thing.",
    409: "It does not fit the present state.",
    412: "`If-Match` names another state.",
    413: "More than is taken here.",
    415: "Another media type than is taken here.",
    421: "Asked for under a name that is not this machine's.",
    422: "Understood, but it cannot be done; for a portrait `reason` says why.",
    429: "Too many requests; `Retry-After` says when to try again.",
    503: "Full, or not ready; `Retry-After` says when to try again.",
}


def operation(
    summary: str,
    answers: Json,
    *refusals: int,
    body: Json | None = None,
    parameters: list[Json] | None = None,
) -> Json:
    """An operation with its answers, a problem for each status of `refusals`, and what it takes."""
    described: Json = {"summary": summary, "responses": dict(answers)}
    for status in refusals:
        described["responses"][str(status)] = refusal(status)
    if body is not None:
        described["requestBody"] = {"required": True, "content": body}
    if parameters is not None:
        described["parameters"] = parameters
    return described


def refusal(status: int) -> Json:
    """A problem of this status."""
    return {
        "description": _MEANINGS[status],
        "content": {problems.CONTENT_TYPE: {"schema": ref("Problem")}},
    }


def answer(status: int, content: Json | None, **headers: str) -> Json:
    """An answer that is no refusal; `headers`: what each of them means."""
    described: Json = {"description": "Done."}
    if content is not None:
        described["content"] = content
    if headers:
        described["headers"] = {
            name: {"description": meaning, "schema": text()} for name, meaning in headers.items()
        }
    return {str(status): described}


def ok(content: Json) -> Json:
    """200 with this content."""
    return answer(200, content)


def path_parameter(name: str, schema: Json) -> Json:
    """A part of the path that varies."""
    return {"name": name, "in": "path", "required": True, "schema": schema}

"""Request bodies go in, checked texts, objects and forms come out; each within a size and a time.

A client that sends too much, the wrong type, nothing, or too slowly is refused, and nothing of what
it sent is repeated to it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from aiohttp import BodyPartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from live.errors import BadRequest, TooLarge, WrongType

WAV = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")
"""Media types that one kind of file goes by."""
JSON = "application/json"
LARGEST_OBJECT = 1 << 14
"""Bytes of a JSON body, unless a route says else."""

_DEADLINE_S = 10.0
_UPLOAD_DEADLINE_S = 60.0
_FIELD_LIMIT = 1 << 15  # a signed document is the longest
_MOST_FIELDS = 8


@dataclass(slots=True)
class Form:
    """A `multipart/form-data` body."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


async def read_text(request: web.Request, media_type: str, limit: int) -> str:
    """The body as text; raises `WrongType`, `TooLarge` or `BadRequest`."""
    _check_type(request, media_type)
    _check_length(request, limit)
    with _sound():
        async with asyncio.timeout(_DEADLINE_S):
            data = await _joined(request.content.iter_chunked(1 << 16), limit)
        return data.decode()


async def read_bytes(request: web.Request, limit: int) -> bytes:
    """The body as it is, which may be large; raises `TooLarge` or `BadRequest`."""
    _check_length(request, limit)
    with _sound():
        async with asyncio.timeout(_UPLOAD_DEADLINE_S):
            return await _joined(request.content.iter_chunked(1 << 16), limit)


async def read_object(request: web.Request, limit: int = LARGEST_OBJECT) -> Mapping[str, Any]:
    """The body as a JSON object; raises `WrongType`, `TooLarge` or `BadRequest`."""
    text = await read_text(request, JSON, limit)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(values, dict):
        raise BadRequest("the body has to be a JSON object")
    return values


async def read_form(request: web.Request, *, files: frozenset[str], limit: int) -> Form:
    """The body as a form; the parts named in `files` may be large.

    Raises `WrongType`, `TooLarge` or `BadRequest`.
    """
    _check_type(request, "multipart/form-data")
    _check_length(request, limit + _MOST_FIELDS * _FIELD_LIMIT)
    form = Form()
    with _sound():
        async with asyncio.timeout(_UPLOAD_DEADLINE_S):
            async for part in await request.multipart():
                if len(form.texts) + len(form.files) >= _MOST_FIELDS:
                    raise TooLarge(f"a form of more than {_MOST_FIELDS} fields")
                if not isinstance(part, BodyPartReader) or not part.name:
                    raise BadRequest("every part of the form needs a name and no parts of its own")
                if part.name in form.texts or part.name in form.files:
                    raise BadRequest("a field is there twice; send each once")
                large = part.name in files
                data = await _joined(_chunks(part), limit if large else _FIELD_LIMIT)
                if large:
                    form.files[part.name] = data
                else:
                    form.texts[part.name] = data.decode()
    return form


async def read_file(
    request: web.Request, into: BinaryIO, *, field: str, limit: int, deadline_s: float
) -> None:
    """A large file, piece by piece: the body, or the part of a form that is called `field`.

    Raises `TooLarge` or `BadRequest`.
    """
    _check_length(request, limit + _MOST_FIELDS * _FIELD_LIMIT)
    with _sound():
        async with asyncio.timeout(deadline_s):
            if request.content_type.lower() != "multipart/form-data":
                await _write(request.content.iter_chunked(1 << 18), into, limit)
                return
            form = await request.multipart()
            for _ in range(_MOST_FIELDS):
                part = await form.next()
                if isinstance(part, BodyPartReader) and part.name == field:
                    await _write(_chunks(part), into, limit)
                    return
                if part is None:
                    break
    raise BadRequest(f"the form has no file called {field}")


def _check_type(request: web.Request, media_type: str) -> None:
    if request.content_type.lower() != media_type:
        raise WrongType(f"send the body as Content-Type: {media_type}")


def _check_length(request: web.Request, limit: int) -> None:
    """Refuses before anything is read; `_joined` refuses what claims no length.

    Compressed bodies are not taken: their length says nothing of what comes out.
    """
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise WrongType("send the body as it is, without Content-Encoding")
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(1 << 16):
        yield chunk


async def _joined(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > limit:
            raise _too_large(limit)
    return bytes(data)


async def _write(chunks: AsyncIterator[bytes], into: BinaryIO, limit: int) -> None:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        await asyncio.to_thread(into.write, chunk)


def _too_large(limit: int) -> TooLarge:
    size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit >> 10} KiB"
    return TooLarge(f"at most {size} are taken here; send less")


@contextmanager
def _sound() -> Iterator[None]:
    """Whatever the parsers below trip over is the body's fault."""
    try:
        yield
    except TimeoutError as error:
        raise BadRequest("the body did not arrive in time; send it faster") from error
    except UnicodeDecodeError as error:
        raise BadRequest("the text is not UTF-8") from error
    except HTTPRequestEntityTooLarge as error:
        raise TooLarge("the body is larger than is taken here; send less") from error
    except (ValueError, AssertionError, RuntimeError, HttpProcessingError) as error:
        raise BadRequest("the body cannot be read; it may be cut off or malformed") from error

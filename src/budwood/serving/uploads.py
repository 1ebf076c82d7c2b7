"""Bodies of requests: read with every bound, and taken apart into pictures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from budwood.serving.engine import Engine
from budwood.serving.errors import RequestError
from budwood.serving.limits import Limits

_LONGEST_NAME = 200


@dataclass(frozen=True)
class Upload:
    """One picture as it came."""

    name: str
    content: bytes


@asynccontextmanager
async def body_of(request: Request, limits: Limits, engine: Engine) -> AsyncIterator[bytes]:
    """Yield the whole body of a request, whose bytes count as held until the block ends.

    Raises:
        RequestError: there is no room for one more picture, the body is longer than allowed, whatever its head says, or
            slower, or all bodies are too many bytes.
    """
    engine.refuse_when_full()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        # Compressed it could become any number of bytes.
        raise RequestError("unsupported", "a compressed body is not read. Send it as it is")
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > limits.upload:
        raise _too_large(limits)
    parts: list[bytes] = []
    size = 0
    try:
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for part in request.stream():
                    engine.hold(len(part))
                    size += len(part)
                    if size > limits.upload:
                        raise _too_large(limits)
                    parts.append(part)
        except TimeoutError:
            text = f"the body did not come within {limits.body_seconds:g} seconds"
            raise RequestError("slow_body", text, {"Connection": "close"}) from None
        except ClientDisconnect:
            raise RequestError("bad_request", "the body ended too soon") from None
        yield parts[0] if len(parts) == 1 else b"".join(parts)
    finally:
        engine.release(size)


def pictures_of(content: bytes, content_type: str, limits: Limits) -> list[Upload]:
    """Return the pictures of a body: those of a form, or the one that it is.

    Raises:
        RequestError: no picture, too many, or a form that cannot be read.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        found = [Upload("image 0", content)] if content else []
    else:
        found = _parts(content, options.get(b"boundary", b""), limits)
    if not found:
        raise RequestError("empty", "there is no picture in the body. Send its bytes, or a form with files")
    return found


def _parts(content: bytes, boundary: bytes, limits: Limits) -> list[Upload]:
    found: list[Upload] = []
    header: list[bytes] = [b"", b""]
    headers: dict[bytes, bytes] = {}
    data: list[bytes] = []

    def begin() -> None:
        if len(found) == limits.batch:
            raise RequestError(
                "too_many_pictures", f"more than {limits.batch} pictures in a request. Send fewer at a time"
            )
        headers.clear()
        data.clear()

    def add(place: int):
        def take(some: bytes, start: int, end: int) -> None:
            header[place] += some[start:end]

        return take

    def end_header() -> None:
        headers[header[0].lower()] = header[1]
        header[:] = b"", b""

    def end() -> None:
        _, options = parse_options_header(headers.get(b"content-disposition", b""))
        if b"filename" not in options:
            field = _shown(options.get(b"name", b""), "")
            raise RequestError(
                "bad_request", f"the form has a field {field!r} that is no file. Options stand in the address"
            )
        found.append(Upload(_shown(options[b"filename"], f"image {len(found)}"), b"".join(data)))

    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": begin,
                "on_header_field": add(0),
                "on_header_value": add(1),
                "on_header_end": end_header,
                "on_part_data": lambda some, start, end: data.append(some[start:end]),
                "on_part_end": end,
            },
        )
        parser.write(content)
        parser.finalize()
    except FormParserError:
        raise RequestError("bad_request", "the form in the body is damaged, or ends too soon") from None
    if parser.state.name != "END":
        raise RequestError("bad_request", "the form in the body ends too soon")
    return found


def _shown(name: bytes, otherwise: str) -> str:
    """Return the name of an uploaded file, as a label and no path."""
    text = name.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)[:_LONGEST_NAME] or otherwise


def _too_large(limits: Limits) -> RequestError:
    return RequestError("too_large", f"the body has more than {limits.upload:,} bytes. Send less at a time")

"""What goes wrong with a request: a status of HTTP, one word, one sentence, and nothing of the machine's insides."""

from collections.abc import Mapping
from typing import Literal

from budwood.core.errors import BudwoodError, ImageError

Kind = Literal[
    "bad_request",
    "not_found",
    "method_not_allowed",
    "empty",
    "not_an_image",
    "unsupported",
    "truncated",
    "damaged",
    "too_large",
    "too_many_pictures",
    "slow_body",
    "took_too_long",
    "busy",
    "stopping",
    "rate",
    "key",
    "host",
    "origin",
    "not_possible",
    "internal",
]
RETRY = {"Retry-After": "1"}

STATUS_OF_KIND: Mapping[Kind, int] = {
    "bad_request": 400,
    "key": 401,
    "origin": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "slow_body": 408,
    "too_large": 413,
    "too_many_pictures": 413,
    "not_an_image": 415,
    "unsupported": 415,
    "host": 421,
    "empty": 422,
    "truncated": 422,
    "damaged": 422,
    "not_possible": 422,
    "rate": 429,
    "internal": 500,
    "took_too_long": 503,
    "busy": 503,
    "stopping": 503,
}
_OF_IMAGE: Mapping[str, Kind] = {
    "empty": "empty",
    "not_an_image": "not_an_image",
    "unsupported": "unsupported",
    "channels": "unsupported",
    "truncated": "truncated",
    "too_large": "too_large",
}


class RequestError(BudwoodError):
    """A request that gets no answer but a sentence."""

    def __init__(self, kind: Kind, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.kind, self.message = kind, message
        self.headers = dict(headers or (RETRY if self.status == 503 else {}))

    @property
    def status(self) -> int:
        """The status of HTTP."""
        return STATUS_OF_KIND[self.kind]


def of_picture(error: ImageError) -> RequestError:
    """Return what a client is told of a picture that cannot be decoded."""
    kind = _OF_IMAGE.get(error.kind, "damaged")
    if kind == "too_large":
        # The decoder's own sentence names a setting of the server.
        return RequestError(kind, "the picture has more pixels than this server decodes. Send a smaller one")
    return RequestError(kind, f"this picture cannot be read: {error.fault}")

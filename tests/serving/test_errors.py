"""What a client is told of what went wrong."""

from typing import get_args

import pytest

from budwood.core.errors import ImageError
from budwood.serving.errors import STATUS_OF_KIND, Kind, RequestError, of_picture


def test_status__each_kind_has_one():
    assert set(STATUS_OF_KIND) == set(get_args(Kind))


def test_headers__whoever_may_come_again_hears_when():
    assert RequestError("busy", "x").headers == {"Retry-After": "1"}
    assert RequestError("bad_request", "x").headers == {}
    assert RequestError("busy", "x", {"Connection": "close"}).headers == {"Connection": "close"}


@pytest.mark.parametrize(
    ("kind", "told", "status"),
    [
        ("empty", "empty", 422),
        ("channels", "unsupported", 415),
        ("truncated", "truncated", 422),
        ("what no one knows", "damaged", 422),
        ("too_large", "too_large", 413),
    ],
)
def test_of_picture(kind, told, status):
    found = of_picture(ImageError("raise BUDWOOD_MAX_PIXELS", kind))
    assert (found.kind, found.status) == (told, status)
    # A setting of the server is none of the client's business.
    assert ("BUDWOOD" in found.message) == (kind != "too_large")

"""Options in the address of a request."""

import pytest
from starlette.requests import Request

from budwood.inference.rules import PLAIN, Asked
from budwood.serving.errors import RequestError
from budwood.serving.queries import ExplainQuery, PredictQuery, parameters_of, read_query


def asked(address: str) -> Request:
    return Request({"type": "http", "query_string": address.encode(), "headers": []})


def test_read_query():
    query = read_query(asked("model=a%20b&top=3&coverage=0.9&precision=1"), PredictQuery)
    assert (query.model, query.top, query.asked) == ("a b", 3, Asked(precision=1.0, coverage=0.9))
    assert read_query(asked(""), PredictQuery).asked == PLAIN
    assert read_query(asked("target=red"), ExplainQuery).target == "red"


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("top=0", "top"),
        ("coverage=1", "coverage"),
        ("coverage=nan", "coverage"),
        ("precision=98", "precision"),
        ("coverge=0.9", "not known"),
        ("top=1&top=2", "twice"),
        ("model=", "model"),
    ],
)
def test_read_query__options_out_of_range(address, named):
    with pytest.raises(RequestError) as caught:
        read_query(asked(address), PredictQuery)
    assert caught.value.status == 400 and named in caught.value.message


def test_parameters_of__each_option_is_described():
    found = parameters_of(PredictQuery)
    assert [one["name"] for one in found] == list(PredictQuery.model_fields)
    assert all(one["description"] and "description" not in one["schema"] for one in found)

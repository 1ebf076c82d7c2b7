from typing import ClassVar

import pydantic
import pytest

from budwood.core.part import Part


class Sample(Part):
    left_out: ClassVar[frozenset[str]] = frozenset({"from", "note"})

    name: str
    count: int | None = None
    from_: str | None = pydantic.Field(default=None, alias="from")
    note: str | None = None


def test_part__leaves_out_what_has_nothing_to_say_and_nothing_else():
    assert Sample(name="a").to_json() == {"name": "a", "count": None}
    full = Sample(name="a", from_="b", note="c")
    assert full.to_json() == {"name": "a", "count": None, "from": "b", "note": "c"}
    assert Sample.model_validate(full.to_json()) == full


def test_part__knows_its_keys_and_never_changes():
    with pytest.raises(pydantic.ValidationError):
        Sample(name="a", colour="red")
    with pytest.raises(pydantic.ValidationError):
        Sample(name="a").name = "b"

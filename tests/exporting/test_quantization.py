import pytest

from budwood.core.errors import RunError
from budwood.exporting.quantization import (
    KINDS,
    by_added_noise,
    find_kind,
    loses_too_much,
    most_lost,
    refuse_few_photos,
)


def test_find_kind__of_each_name_and_the_nearest():
    assert [find_kind(name) for name in KINDS] == list(KINDS)
    with pytest.raises(RunError, match=r"no quantisation 'int_8'\. Did you mean int8"):
        find_kind("int_8")


def test_most_lost__is_half_a_point_or_one_photo():
    assert [most_lost(photos) for photos in (0, 50, 200, 5000)] == [0.005, 0.02, 0.005, 0.005]


def test_loses_too_much__chance_excuses_no_more_than_twice_as_much():
    assert not loses_too_much(-2 / 400, -0.001, 400) and loses_too_much(-3 / 400, -0.001, 400)
    assert not loses_too_much(-4 / 400, 0.0, 400) and loses_too_much(-5 / 400, 0.0, 400)
    assert not loses_too_much(-1 / 30, 0.1, 30) and loses_too_much(-3 / 30, 0.1, 30)
    assert not loses_too_much(0.2, 0.3, 10)


def test_refuse_few_photos__of_19_and_not_of_20():
    refuse_few_photos(20)
    with pytest.raises(RunError, match="and 19 are at hand. 20 are needed"):
        refuse_few_photos(19)


def test_by_added_noise__what_came_from_above_does_not_count():
    errors = {"stem": 0.05, "noisy": 0.4, "after": 0.41, "side": 0.1}
    above = {"stem": [], "noisy": ["stem"], "after": ["noisy", "side"], "side": ["not rounded"]}
    assert by_added_noise(errors, above) == ["noisy", "side", "stem", "after"]

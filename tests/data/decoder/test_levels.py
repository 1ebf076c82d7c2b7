import numpy as np
import pytest

from budwood.core.errors import DataError, ImageError
from budwood.data.decoder.levels import Samples, ValueRange, decide, describe, to_8_bit, usual_range


def whole(low: float, high: float, bright: float | None = None) -> Samples:
    return Samples("uint16", float(low), float(high), float(high if bright is None else bright))


def floats(low: float, high: float) -> Samples:
    return Samples("float32", float(low), float(high), float(high))


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([whole(3, 200), whole(0, 255)], (0, 255)),
        ([whole(0, 900), whole(0, 3000)], (0, 4095)),
        ([whole(0, 900), whole(0, 4096)], (0, 16383)),
        ([whole(0, 65535)], (0, 65535)),
        ([Samples("int32", 0.0, 70_000.0, 1.0)], (0, 70_000)),
        ([Samples("int16", -1024.0, 3071.0, 900.0), whole(0, 100)], (-1024, 3071)),
        ([floats(0, 0.5), floats(0, 1.0)], (0, 1)),
        ([floats(0, 1.0), floats(0, 1.02)], (0, 1.02)),
        ([floats(0, 200.5)], (0, 255)),
        ([floats(0, 4000)], (0, 4000)),
        ([floats(-1, 1)], (-1, 1)),
    ],
)
def test_decide__one_range_over_all(samples, expected):
    found = decide([*samples, None])
    assert found.range == ValueRange(float(expected[0]), float(expected[1]))
    assert found.num_deep == len(samples)
    assert f"{expected[0]:g} to {expected[1]:g} become black to white" in found.lines[0]


def test_decide__nothing_to_decide_about_8_bits():
    assert decide([None, None]).range is None
    assert not decide([None]).lines


def test_decide__what_is_given_is_taken():
    found = decide([whole(0, 65535, 60000), floats(0, 1)], ValueRange(100.0, 200.0))
    assert found.range == ValueRange(100.0, 200.0)
    assert "as data.range says" in found.lines[0]


def test_decide__floats_beside_whole_numbers_are_refused():
    with pytest.raises(
        DataError, match=r"1 picture hold.* up to 4000, and 1 hold floats up to 1.*data.range="
    ):
        decide([whole(0, 4000), floats(0, 1)])


def test_decide__warns_where_a_few_bright_pixels_make_all_others_black():
    found = decide([whole(0, 65535, 3000), whole(0, 4000, 2900), whole(0, 4000, 2900)])
    assert any("nearly black" in line and "data.range=[0,2900]" in line for line in found.lines)
    assert not any("nearly black" in line for line in decide([whole(0, 4000, 2900)]).lines)


def test_decide__warns_of_8_bits_beside_more():
    assert any(
        "2 pictures of 8 bits beside 1 deeper" in line for line in decide([whole(0, 9), None, None]).lines
    )


def test_describe__passes_over_what_is_no_number():
    values = np.array([[np.nan, 1.0], [np.inf, -2.0]], np.float32)
    assert describe(values) == Samples("float32", -2.0, 1.0, 1.0)
    assert describe(np.full((2, 2), np.nan)).high == 0


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_to_8_bit__scales_and_clips(dtype):
    values = np.array([[-5, 0, 100], [200, 300, 100]]).clip(0 if dtype == np.uint16 else -5).astype(dtype)
    assert to_8_bit(values, ValueRange(100.0, 200.0)).tolist() == [[0, 0, 0], [255, 255, 0]]
    assert to_8_bit(values, ValueRange(0.0, 510.0)).tolist() == [[0, 0, 50], [100, 150, 50]]


def test_to_8_bit__bands_do_not_show(monkeypatch):
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    whole_picture = to_8_bit(values, ValueRange(0.0, 4095.0))
    monkeypatch.setattr("budwood.data.decoder.levels._ROWS", 100)
    np.testing.assert_array_equal(to_8_bit(values, ValueRange(0.0, 4095.0)), whole_picture)


def test_to_8_bit__no_number_is_black():
    values = np.array([[np.nan, np.inf, -np.inf]], np.float32)
    assert to_8_bit(values, ValueRange(0.0, 1.0)).tolist() == [[0, 255, 0]]


@pytest.mark.parametrize(
    ("samples", "high"),
    [
        (whole(0, 200), 65535),
        (floats(0, 0.9), 1),
        (floats(0, 1.02), 1),
        (floats(0, 9), 255),
        (floats(0, 1e6), 1e6),
    ],
)
def test_usual_range__is_that_of_the_type(samples, high):
    assert usual_range(samples) == ValueRange(0.0, float(high))


def test_refuse_unclear():
    from budwood.data.decoder.levels import refuse_unclear

    for clear in (whole(0, 30000), floats(0, 1), floats(0, 200)):
        refuse_unclear(clear)
    for unclear in (whole(0, 3000), floats(-1, 1), floats(0, 4000)):
        with pytest.raises(ImageError, match="can be read in several ways"):
            refuse_unclear(unclear)

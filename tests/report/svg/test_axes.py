import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from budwood.report.svg.axes import Axis, round_step


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_axis__holds_every_share_and_never_passes_its_ends(values):
    axis = Axis.of("", values, within=(0.0, 1.0))
    assert 0.0 <= axis.low <= min(values) + 1e-9 and max(values) - 1e-9 <= axis.high <= 1.0
    assert axis.low < axis.high
    places = [axis.place(value) for value in sorted(values)]
    assert places == sorted(places) and all(0 <= place <= 1 for place in places)
    assert all(axis.low - 1e-9 <= tick <= axis.high + 1e-9 for tick, _ in axis.ticks)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20))
def test_axis__of_logarithms_and_of_seconds(values):
    for axis in (
        Axis.of_logarithms("", values, "{:g}".format),
        Axis.of_seconds("", [value + 0.01 for value in values], "{:g}".format),
    ):
        assert axis.low < axis.high and len(axis.ticks) <= 8
        places = [axis.place(tick) for tick, _ in axis.ticks]
        assert places == sorted(places)


def test_axis__writes_as_many_decimals_as_tell_its_lines_apart():
    assert [text for _, text in Axis.of("", [0.06, 0.16]).ticks] == [
        "0.06",
        "0.08",
        "0.10",
        "0.12",
        "0.14",
        "0.16",
    ]
    assert [text for _, text in Axis.of("", [0.0, 40.0]).ticks] == ["0", "10", "20", "30", "40"]


def test_axis__of_seconds_has_the_lines_of_a_clock():
    axis = Axis.of_seconds("", [1.0, 7200.0], "{:g}".format)
    assert axis.log and {tick for tick, _ in axis.ticks} <= {
        1,
        2,
        5,
        10,
        20,
        30,
        60,
        120,
        300,
        600,
        1200,
        1800,
        3600,
        7200,
    }
    assert not Axis.of_seconds("", [10.0, 20.0], "{:g}".format).log


def test_axis__values_that_are_not_finite_are_left_out():
    axis = Axis.of("", [0.4, 0.5, -math.inf, math.nan])
    assert (axis.low, axis.high) == pytest.approx((0.4, 0.5))
    # What lies beyond stands at the end.
    assert (axis.place(-5.0), axis.place(5.0)) == (0.0, 1.0)


@pytest.mark.parametrize(("span", "step"), [(1.0, 0.2), (0.01, 0.002), (12.0, 5.0), (0.3, 0.1)])
def test_round_step__is_1_2_or_5(span, step):
    assert round_step(span, 5) == pytest.approx(step)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
@example([0.0, 5e-324])
def test_axis__around_leaves_room_at_both_ends(values):
    axis = Axis.around("", values, pad=0.1)
    assert (axis.low < min(values) and max(values) < axis.high) or max(values) - min(values) < 1e-9
    assert all(axis.low - 1e-9 <= tick <= axis.high + 1e-9 for tick, _ in axis.ticks)


def test_axis__around_whole_numbers_and_ends_that_are_never_passed():
    assert [text for _, text in Axis.around("", [1.0, 4.0], "{:.0f}".format, whole=True).ticks] == [
        "1",
        "2",
        "3",
        "4",
    ]
    axis = Axis.around("", [0.5, 1.0, math.nan], pad=0.06, within=(0.0, 1.0))
    assert (axis.low, axis.high) == (pytest.approx(0.47), 1.0)


def test_axis__of_decades_has_the_values_at_its_ends():
    axis = Axis.of_decades("", [1e-4, 3.0])
    assert [text for _, text in axis.ticks] == ["10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]
    assert (axis.place(1e-4), axis.place(3.0)) == (pytest.approx(0.0), pytest.approx(1.0))

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.studies.figure import MEAN_AVERAGE_PRECISION
from budwood.studies.learning_curve import fit_curve


@given(exponent=st.floats(0.1, 0.9), height=st.floats(0.5, 3.0))
def test_fit_curve__finds_a_power_law(exponent, height):
    def accuracy(n):
        return 1 - height * n**-exponent / 10

    found = fit_curve("x", {n: [accuracy(n)] * 3 for n in (50, 100, 400)})
    assert found.next_photos == 800
    assert found.expected == pytest.approx(accuracy(800), abs=1e-3)


def test_fit_curve__too_little_to_say_more():
    two = fit_curve("x", {50: [0.8], 100: [0.9]})
    assert two.expected is None
    assert "takes 3 numbers of photos, the largest at least twice the smallest, and some errors" in two.words
    assert fit_curve("x", {50: [0.8], 100: [0.9], 200: [1.0]}).expected is None


def test_fit_curve__more_photos_do_no_harm():
    falling = fit_curve("x", {50: [0.9, 0.91], 100: [0.89, 0.9], 200: [0.88, 0.89]})
    assert falling.expected == pytest.approx(0.885)


def test_fit_curve__words_say_no_number_beyond_what_the_sizes_carry():
    def curve(asymptote, sizes, **options):
        return fit_curve("x", {n: [1 - asymptote - n**-0.5] * 3 for n in sizes}, **options)

    def plain(found):
        return found.words.split(").", 1)[1].strip()

    near = plain(curve(0.0, (25, 50, 100, 200), target=0.95))
    assert near.startswith("95 % would take about 400 photos (95 % interval ")
    assert near.endswith(
        "At 2 times the photos this forecaster was off by 0.0 points in the median here (1 forecast)."
    )
    far = curve(0.0, (100, 150, 200), target=0.999)
    assert far.forecast.reach == 400 and far.forecast.needed.low is None and not far.forecast.hindcasts
    assert plain(far) == "99.9 % would take more than 400 photos, and how many more cannot be told."
    asymptote = curve(0.1, (25, 50, 100, 200), target=0.895)
    assert "89.5 % would take more than 1,600 photos, if they do it at all (95 % interval " in asymptote.words
    assert "to beyond 1,600)" in asymptote.words
    assert "80 % is reached already." in curve(0.0, (25, 50, 100, 200), target=0.8).words


def test_fit_curve__sizes_that_are_near_one_another_carry_nothing():
    found = fit_curve("x", {100: [0.8], 120: [0.82], 140: [0.83]})
    assert found.forecast is None and found.next_photos is None


def test_fit_curve__of_another_figure_says_which():
    values = {n: [1 - n**-0.5] * 3 for n in (25, 50, 100, 200)}
    found = fit_curve("x", values, figure=MEAN_AVERAGE_PRECISION, target=0.95, spread=0.01)
    assert found.words.startswith("x: mean average precision 92.9 % with 200 training photos; about 95.0 %")
    assert "95 % would take about 400 photos" in found.words
    written = found.to_json()
    assert written["figure"] == "mean_average_precision"
    assert written["points"][-1]["mean_average_precision"] == found.points[-1].value
    assert written["forecast"]["needed"]["mean_average_precision"] == 0.95
    assert fit_curve("x", values).to_json()["points"][-1]["accuracy"] == found.points[-1].value
    # The less sure the largest, the less sure what comes.
    narrow = fit_curve("x", values, figure=MEAN_AVERAGE_PRECISION, spread=0.001)
    assert found.high - found.low > 1.2 * (narrow.high - narrow.low)


def test_fit_curve__without_an_interval_nothing_is_forecast_of_another_figure():
    values = {n: [1 - n**-0.5] * 3 for n in (25, 50, 100, 200)}
    found = fit_curve("x", values, dict.fromkeys(values), figure=MEAN_AVERAGE_PRECISION)
    assert found.forecast is None and found.points[0].low is None
    assert "takes an interval of the mean average precision, and none can be stated" in found.words


def test_fit_curve__of_few_groups_states_a_range_and_no_interval():
    accuracies = {n: [1 - n**-0.5] * 3 for n in (25, 50, 100, 200)}
    found = fit_curve("x", accuracies, target=0.95, measured=12, few_groups=12)
    assert found.few_groups == 12 and found.to_json()["few_groups"] == 12
    assert "95 % interval" not in found.words and "about 95.0 % with 400 (range " in found.words
    assert "would take about 400 photos (range " in found.words
    assert found.words.endswith(
        " The photos it is measured on belong together in 12 groups, and 20 or more are needed for an interval: the "
        "ranges are none, but as if each group were one photo."
    )
    many = fit_curve("x", accuracies, target=0.95, measured=1200)
    assert many.few_groups is None and many.high - many.low < 0.5 * (found.high - found.low)

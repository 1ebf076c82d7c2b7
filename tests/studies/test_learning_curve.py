import pytest
from hypothesis import given
from hypothesis import strategies as st

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

import numpy as np
import pytest

from budwood.studies.forecast import forecast, hindcasts

SIZES = (25, 50, 100, 200, 400, 800)


def drawn(error, seed, trials=5, measured=1000):
    """Accuracies of trials that were each measured on so many photos."""
    rng = np.random.default_rng(seed)
    return {n: [1 - rng.binomial(measured, error(n)) / measured for _ in range(trials)] for n in SIZES}


@pytest.mark.parametrize("asymptote", [0.0, 0.05, 0.2])
def test_forecast__finds_a_power_law_above_asymptote(asymptote):
    def accuracy(n):
        return 1 - asymptote - 1.5 * n**-0.6

    found = forecast({n: [accuracy(n)] * 3 for n in SIZES}, target=accuracy(2000))
    assert found.reach == 6400
    assert [one.photos for one in found.expected] == [1600, 3200, 6400]
    for one in found.expected:
        assert one.value == pytest.approx(accuracy(one.photos), abs=2e-3)
        assert one.low <= one.value <= one.high
    assert 0.75 * 2000 <= found.needed.photos <= 1.3 * 2000


def test_forecast__intervals_hold_what_comes_and_grow_with_the_distance():
    held = {1600: 0, 3200: 0, 6400: 0}
    repeats = 40
    for seed in range(repeats):
        # Neither a power law nor one with an asymptote.
        def error(n, bend=0.02 * (seed % 3 - 1)):
            return float(np.exp(-0.2 - 0.35 * np.log(n / 10) + bend * np.log(n / 200) ** 2))

        found = forecast(drawn(error, seed), measured=5000)
        widths = [one.high - one.low for one in found.expected]
        assert widths == sorted(widths)
        for one in found.expected:
            held[one.photos] += one.low <= 1 - error(one.photos) <= one.high
    assert all(times >= 0.85 * repeats for times in held.values())


def test_forecast__what_more_photos_cannot_do_has_no_number():
    found = forecast({n: [0.9 - n**-0.8] * 3 for n in SIZES}, target=0.99)
    assert (found.needed.photos, found.needed.high) == (None, None)
    # Asked for nothing it is the next round accuracy.
    assert forecast({n: [0.9 - n**-0.8] * 3 for n in SIZES}).needed.value == 0.9
    assert forecast({n: [0.9 - n**-0.8] * 3 for n in SIZES}, target=0.5).needed is None


def test_forecast__goes_no_further_than_the_sizes_are_apart():
    found = forecast({n: [1 - n**-0.5] * 3 for n in (100, 200, 300)})
    assert found.reach == 900 and [one.photos for one in found.expected] == [600]
    assert forecast({n: [1 - n**-0.5] for n in (100, 130, 160)}) is None
    assert forecast({n: [1 - n**-0.5] for n in (100, 400)}) is None
    assert forecast({100: [0.8], 200: [0.9], 400: [1.0]}) is None


def test_forecast__few_photos_measured_on_make_it_longer():
    accuracies = {n: [0.99 - n**-0.5] * 3 for n in SIZES}
    few, many = (forecast(accuracies, measured=measured).expected[0] for measured in (100, 100_000))
    assert few.high - few.low > 1.3 * (many.high - many.low)


def test_forecast__more_photos_do_no_harm():
    found = forecast({50: [0.9, 0.91], 100: [0.89, 0.9], 200: [0.88, 0.89]})
    assert found.expected[0].value == pytest.approx(0.885)


def test_hindcasts__by_how_far_apart_the_sizes_are():
    errors = np.array([0.05 + n**-0.5 for n in SIZES])
    found = {one.times: one for one in hindcasts(SIZES, errors)}
    assert {times: one.forecasts for times, one in found.items()} == {2: 3, 4: 2, 8: 1}
    assert all(one.off < 0.004 for one in found.values())
    # A curve that bends up at its end was promised too much of.
    errors[-1] = errors[-2]
    (two,) = [one for one in hindcasts(SIZES[2:], errors[2:]) if one.times == 2]
    assert two.forecasts == 1 and two.bias == two.off > 0.003
    assert hindcasts((100, 200, 400), np.array([0.3, 0.2, 0.15])) == []

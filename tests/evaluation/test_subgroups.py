import numpy as np
import pytest

from budwood.evaluation.groups import Grouping
from budwood.evaluation.subgroups import figures_by


def values(*numbers):
    """The value of each photo: so many of the first letter, and so on."""
    return [
        letter for letter, number in zip("abcdefghijklmnop", numbers, strict=False) for _ in range(number)
    ]


@pytest.mark.parametrize("repeats", [30, pytest.param(400, marks=pytest.mark.slow)])
def test_figures_by__of_nothing_but_chance_seldom_finds_a_difference_and_all_intervals_hold_the_truth(
    repeats,
):
    rng = np.random.default_rng(0)
    found = held = 0
    for _ in range(repeats):
        right = rng.random(600) < 0.9
        (one,) = figures_by({"camera": values(*[60] * 10)}, right)
        found += any(part.difference.differs for part in one.subgroups)
        held += all(part.interval[0] <= 0.9 <= part.interval[1] for part in one.subgroups)
    # 5 % and 95 %, each with three standard errors.
    error = 3 * (0.05 * 0.95 / repeats) ** 0.5
    assert found / repeats <= 0.05 + error
    assert held / repeats >= 0.95 - error


def test_figures_by__a_planted_difference_is_found():
    right = np.concatenate([np.arange(100) % 10 > 2, np.arange(300) % 20 > 0])
    (found,) = figures_by({"camera": values(100, 150, 150)}, right)
    by_value = {one.value: one for one in found.subgroups}
    assert by_value["a"].difference.differs and by_value["a"].difference.points == pytest.approx(0.7 - 0.95)
    assert by_value["b"].n == 150 and found.compared == 3
    assert [one.value for one in found.subgroups] == ["b", "c", "a"]


def test_figures_by__difference_is_newcombes_and_fishers():
    from scipy.stats import fisher_exact
    from statsmodels.stats.proportion import confint_proportions_2indep

    right = np.concatenate([np.arange(80) % 8 > 0, np.arange(120) % 12 > 2])
    (found,) = figures_by({"x": values(80, 120)}, right)
    one = next(part for part in found.subgroups if part.value == "a")
    expected = confint_proportions_2indep(70, 80, 90, 120, method="newcomb", alpha=0.05)
    np.testing.assert_allclose(one.difference.interval, expected, atol=1e-9)
    assert one.difference.p == pytest.approx(fisher_exact([[70, 10], [90, 30]]).pvalue)
    # Of two parts each is the rest of the other: one comparison, nothing to adjust for.
    assert found.compared == 1
    assert {part.difference.p_adjusted for part in found.subgroups} == {one.difference.p}


def test_figures_by__columns_that_are_asked_for_together_are_adjusted_for_together():
    right = np.arange(200) % 10 > 0
    alone = figures_by({"x": values(100, 100)}, right)[0]
    both = figures_by({"x": values(100, 100), "y": values(50, 50, 100)}, right)
    assert both[0].compared == both[1].compared == 4
    assert both[0].level == pytest.approx(0.95 ** (1 / 5)) and alone.level == pytest.approx(0.95**0.5)
    assert both[0].subgroups[0].interval[0] < alone.subgroups[0].interval[0]


def test_figures_by__too_small_and_not_stated():
    right = np.ones(100, bool)
    right[:3] = False
    (found,) = figures_by({"x": [*values(19), *[""] * 40, *["b"] * 41]}, right)
    assert [(one.value, one.n) for one in found.subgroups] == [("b", 41), ("a", 19), (None, 40)]
    small = found.subgroups[1]
    assert small.difference is None and small.interval[0] < small.accuracy < small.interval[1]
    assert found.subgroups[2].difference is not None
    # Of one value there is no rest.
    assert figures_by({"x": ["a"] * 50}, right[:50])[0].subgroups[0].difference is None


def test_figures_by__what_the_classes_alone_would_give():
    labels = np.repeat([0, 1], 100)
    right = np.concatenate([np.ones(100, bool), np.arange(100) % 2 == 0])
    (found,) = figures_by({"camera": values(100, 100)}, right, labels=labels)
    by_value = {one.value: one for one in found.subgroups}
    assert (by_value["a"].by_class, by_value["b"].by_class) == (1.0, 0.5)
    assert figures_by({"camera": values(100, 100)}, right)[0].subgroups[0].by_class is None


def test_figures_by__groups_say_less_than_photos():
    rng = np.random.default_rng(3)
    chance = np.repeat(rng.random(80) < 0.85, 5)
    right = np.where(rng.random(400) < 0.95, chance, ~chance)
    # In the first half the groups are a little worse.
    right[:50] = False
    column = {"x": values(200, 200)}
    photos = figures_by(column, right)[0].subgroups[0]
    groups = figures_by(column, right, groups=Grouping(np.arange(400) // 5))[0].subgroups[0]
    assert groups.groups == 40 and photos.groups is None
    assert groups.interval[0] < photos.interval[0]
    assert groups.difference.p > 3 * photos.difference.p
    # The p-value is the level at which the interval of the difference just holds 0.
    low, high = groups.difference.interval
    assert (groups.difference.p < 0.05) == (not low <= 0 <= high)


def test_figures_by__few_groups_have_a_range_and_no_comparison():
    right = np.arange(400) % 10 > 0
    groups = Grouping(np.concatenate([np.arange(100) // 10, 10 + np.arange(300)]))
    (found,) = figures_by({"x": values(100, 300)}, right, groups=groups)
    few = next(one for one in found.subgroups if one.value == "a")
    assert few.interval is None and few.range[0] < few.accuracy < few.range[1] and few.difference is None


@pytest.mark.slow
def test_figures_by__groups_that_are_right_together_keep_the_level():
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(200):
        right = np.repeat(rng.random(90) < 0.85, 4)
        (one,) = figures_by({"x": values(120, 120, 120)}, right, groups=Grouping(np.arange(360) // 4))
        found += any(part.difference.differs for part in one.subgroups)
    assert found <= 19

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budwood.evaluation.groups import Grouping
from budwood.evaluation.statistics import paired_difference
from budwood.evaluation.verdict import compare_means, compare_models, compare_phases


def photos(both: int, gained: int, lost: int, neither: int):
    """Right before and after, photo by photo."""
    before = np.repeat([True, False, True, False], [both, gained, lost, neither])
    after = np.repeat([True, True, False, False], [both, gained, lost, neither])
    return before, after


def draw(rng, n: int, gained: float, lost: float, both: float = 0.85):
    counts = rng.multinomial(n, [both, gained, lost, 1 - both - gained - lost])
    return photos(*counts.tolist())


def test_compare_phases__better():
    found = compare_phases(*photos(330, 16, 4, 17))
    assert found["difference"] == pytest.approx(12 / 367)
    assert found["interval"][0] > 0
    assert found["words"] == (
        "Fine-tuning helped: +3.3 points of accuracy on 367 test photos (95 % interval 1.0 to 6.0, p = 0.012). "
        "16 photos became right, 4 became wrong."
    )


def test_compare_phases__worse():
    found = compare_phases(*photos(330, 1, 16, 20))
    assert found["difference"] < found["interval"][1] < 0
    assert found["words"].startswith("Fine-tuning did harm: -4.1 points of accuracy on 367 test photos")
    assert found["words"].endswith("1 photo became right, 16 became wrong.")


def test_compare_phases__of_groups_is_less_sure():
    before, after = photos(280, 14, 2, 4)
    alone = compare_phases(before, after)
    assert compare_phases(before, after, groups=Grouping(np.arange(300))) == alone
    # Ten neighbours in a row are one scene: what changed, changed in two of them.
    grouped = compare_phases(before, after, groups=Grouping(np.arange(300) // 10))
    assert grouped["difference"] == alone["difference"]
    assert grouped["interval"][0] < 0 < alone["interval"][0]
    assert grouped["p"] > 0.05 > alone["p"]
    assert grouped["words"].startswith("Cannot tell whether fine-tuning helped")
    assert "groups" in grouped["method"]


def test_compare_phases__of_few_groups_nobody_can_tell():
    before, after = photos(200, 80, 0, 20)
    found = compare_phases(before, after, groups=Grouping(np.arange(300) // 30))
    assert found["interval"] is None
    assert found["p"] is None
    assert "10 groups" in found["words"]


def test_compare_phases__cannot_tell():
    found = compare_phases(*photos(335, 8, 6, 18))
    assert found["words"].startswith(
        "Cannot tell whether fine-tuning helped: +0.5 points of accuracy on 367 test photos, "
        "and the truth may lie anywhere between -1.6 and 2.8 (95 % interval, p = 0.79)."
    )


def test_compare_phases__right_on_the_same_photos():
    found = compare_phases(*photos(335, 0, 0, 32))
    assert (found["difference"], found["p"]) == (0.0, 1.0)
    assert ": 0.0 points of accuracy" in found["words"]
    assert found["words"].endswith("Both phases are right on the same photos.")


def test_compare_phases__interval_and_test_that_disagree_settle_nothing():
    found = compare_phases(*photos(330, 20, 9, 10))
    assert found["interval"][0] > 0 and found["p"] > 0.05
    assert found["words"].startswith("Cannot tell")
    assert "do not agree" in found["words"]


def test_compare_phases__numbers_are_those_of_the_paired_difference():
    before, after = photos(800, 60, 35, 105)
    pair, found = paired_difference(after, before), compare_phases(before, after)
    assert found["difference"] == pair.difference == pytest.approx(after.mean() - before.mean())
    assert (found["interval"], found["p"], found["n"]) == ([pair.low, pair.high], pair.p, 1000)
    assert "McNemar" in found["method"] and "Tango" in found["method"]


def test_compare_phases__validation_photos_chose_the_epoch():
    before, after = photos(330, 16, 4, 17)
    assert "also chose the epoch" in compare_phases(before, after, split="validation")["words"]
    assert "367 validation photos" in compare_phases(before, after, split="validation")["words"]
    assert "chose" not in compare_phases(before, after)["words"]


def test_compare_phases__small_differences_of_many_photos_keep_their_decimals():
    words = compare_phases(*photos(99_000, 60, 20, 920))["words"]
    assert words.startswith("Fine-tuning helped: +0.04 points of accuracy on 100,000 test photos")
    assert "interval 0.02 to 0.06" in words


@given(st.tuples(*[st.integers(0, 40)] * 4).filter(any))
def test_compare_phases__any_photos_give_plain_numbers_and_words_that_follow_from_them(counts):
    found = compare_phases(*photos(*counts))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    low, high = found["interval"]
    assert -1 <= low <= high <= 1
    told = "helped" if low > 0 else "did harm" if high < 0 else None
    sure = told is not None and found["p"] < 0.05
    assert found["words"].startswith(f"Fine-tuning {told}: " if sure else "Cannot tell")
    assert not re.search(r"-0\.0+\b|nan|inf\b", found["words"])


# Of 367 photos: (becomes right, becomes wrong), and how often each answer is expected.
TRUTHS = {"equal": (0.04, 0.04), "better": (0.09, 0.02), "worse": (0.01, 0.07)}


@pytest.mark.parametrize(
    "truth", ["better", *(pytest.param(one, marks=pytest.mark.slow) for one in ("equal", "worse"))]
)
def test_compare_phases__covers_the_truth_and_seldom_errs(truth):
    gained, lost = TRUTHS[truth]
    rng = np.random.default_rng(0)
    found = [compare_phases(*draw(rng, 367, gained, lost)) for _ in range(600)]
    covered = np.mean([one["interval"][0] <= gained - lost <= one["interval"][1] for one in found])
    assert 0.93 < covered < 0.98
    said = {
        name: np.mean([one["words"].startswith(start) for one in found])
        for name, start in [
            ("equal", "Cannot tell"),
            ("better", "Fine-tuning helped"),
            ("worse", "Fine-tuning did"),
        ]
    }
    assert said[truth] > 0.9
    assert sum(said.values()) == pytest.approx(1)
    assert said["worse" if truth == "better" else "better"] < 0.035


@pytest.mark.parametrize(
    ("gained", "lost", "words"), [(0.05, 0.05, "Cannot tell"), (0.09, 0.01, "b is better than a")]
)
def test_compare_models__says_what_was_injected(gained, lost, words):
    rng = np.random.default_rng(0)
    said = [compare_models("a", "b", *draw(rng, 1000, gained, lost)) for _ in range(100)]
    assert sum(line.startswith(words) for line in said) >= 93


def test_compare_models__names_the_better_one_whichever_comes_first():
    before, after = photos(330, 40, 4, 17)
    assert compare_models("a", "b", before, after) == compare_models("b", "a", after, before)
    assert compare_models("a", "b", before, after, p=0.2).startswith("Cannot tell b from a")


@pytest.mark.parametrize(
    ("difference", "needed", "words"),
    [
        (0.02, None, "more photos are needed to tell a difference of this size."),
        (0.0, None, "both have the same mean average precision."),
        (0.02, 1234, "about 1,200 test photos in a trial would be needed to tell a difference of this size."),
    ],
)
def test_compare_means__of_another_figure(difference, needed, words):
    options = {"where": "5 splits", "photos": "test", "figure": "mean average precision", "unit": "photos"}
    found = compare_means("a", "b", difference, (-0.01, 0.05), 0.2, needed=needed, **options)
    assert found.startswith("Cannot tell a from b") and found.endswith(words)
    assert "between -1.0 and 5.0 points of mean average precision (95 % interval" in found
    better = compare_means("a", "b", 0.03, (0.01, 0.05), 0.01, needed=None, **options)
    assert "by 3.0 points of mean average precision (95 % interval 1.0 to 5.0" in better


def test_compare_means__an_interval_that_tells_beside_an_adjusted_test_that_does_not():
    told = compare_means(
        "a", "b", 0.04, (0.01, 0.075), 0.091, where="5 splits", photos="test", needed=None, adjusted=True
    )
    assert (
        "between 1.0 and 7.5 points (95 % interval, adjusted p = 0.091, 5 splits; the interval is of this pair alone)"
        in told.replace("\u00a0", " ")
    )
    assert "of this pair alone" not in compare_means(
        "a", "b", 0.04, (-0.01, 0.075), 0.091, where="5 splits", photos="test", needed=None, adjusted=True
    )

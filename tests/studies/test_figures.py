"""The figures of a study as values: which is best, and whether there are too few groups."""

import pytest

from budwood.studies.figures import StudyFigures, Summary
from budwood.studies.outcomes import Estimate


def figures(tmp_path, *summaries, split="test"):
    return StudyFigures(tmp_path, "split", split, list(summaries), [], [], {}, 0, {})


def summary(name, complete=2, *, validation=None, test=None):
    return Summary(name, complete, 2, validation, 0.1, test, None, None)


def estimate(mean, few_groups=None):
    return Estimate(mean, 0.01, mean - 0.01, mean + 0.01, 100, few_groups)


def test_best__is_the_first_of_which_all_trials_are_complete(tmp_path):
    assert figures(tmp_path, summary("a", 1), summary("b"), summary("c")).best == "b"
    assert figures(tmp_path, summary("a", 1)).best is None


@pytest.mark.parametrize(("split", "expected"), [("test", 7), ("validation", 3)])
def test_few_groups__are_those_of_the_split_that_is_compared(tmp_path, split, expected):
    one = summary("a", validation=estimate(0.9, 3), test=estimate(0.9, 9))
    other = summary("b", validation=estimate(0.9), test=estimate(0.8, 7))
    assert figures(tmp_path, one, other, split=split).few_groups == expected
    assert figures(tmp_path, summary("a", test=estimate(0.9)), split=split).few_groups is None


def test_to_json__names_the_best_and_each_configuration(tmp_path):
    found = figures(tmp_path, summary("a", validation=estimate(0.9))).to_json()
    assert found["best"] == "a" and found["search"] is None
    assert [one["name"] for one in found["configurations"]] == ["a"]
    assert found["configurations"][0]["validation"]["mean"] == 0.9

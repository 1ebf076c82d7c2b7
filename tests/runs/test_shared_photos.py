"""Which photos runs are compared on; `test_compare.py` and `test_compare_labels.py` ask for what is refused."""

from pathlib import Path

import pytest

from budwood.core.errors import RunError
from budwood.evaluation.groups import MIN_GROUPS, Grouping
from budwood.runs.shared_photos import names_of, refuse_few_groups


def test_names_of__as_much_of_a_path_as_tells_it_apart():
    assert names_of([Path("/runs/a"), Path("/runs/b")]) == ["a", "b"]
    assert names_of([Path("/one/run"), Path("/two/run"), Path("/two/other")]) == [
        "one/run",
        "two/run",
        "two/other",
    ]


def test_refuse_few_groups__says_how_many_it_takes():
    refuse_few_groups(Grouping.of([""] * 5), "test")
    with pytest.raises(RunError, match=f"40 test photos .* of 2 groups .* {MIN_GROUPS} or more are needed"):
        refuse_few_groups(Grouping.of(["a"] * 20 + ["b"] * 20), "test")

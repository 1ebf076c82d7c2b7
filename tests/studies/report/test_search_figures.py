from dataclasses import replace

import pytest

from budwood.studies.report import search_figures
from budwood.studies.results import read_results
from tests.studies.made import fill_search


def test_course__is_empty_where_nothing_is_complete(made):
    fill_search(made, number=4)
    search = read_results(made.folder).search
    assert "<svg" in search_figures.course(search)
    assert search_figures.course(replace(search, configurations=search.configurations[3:4])) == ""


@pytest.mark.slow
def test_slices__the_most_important_first_and_no_dimension_of_one_value(made):
    fill_search(made)
    names = [name for name, _ in search_figures.slices(read_results(made.folder).search)]
    assert names == ["finetune.learning_rate", "backbone"]

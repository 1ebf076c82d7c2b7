from pathlib import Path

import pytest

from budwood.core.errors import RecipeError
from budwood.studies.request import StudyRequest


def request(**more):
    return StudyRequest(**{"data": "photos", "output": "s", "recipes": ["frozen-linear"], **more})


@pytest.mark.parametrize(
    ("resume", "overwrite", "goes_on"),
    [(False, False, False), (True, False, True), (True, True, False), (False, True, False)],
)
def test_goes_on__not_where_it_is_overwritten(resume, overwrite, goes_on):
    assert request(resume=resume, overwrite=overwrite).goes_on is goes_on
    assert request().folder == Path("s")


@pytest.mark.parametrize(("more", "measured"), [({}, True), ({"test": False}, False), ({"search": 3}, False)])
def test_read_grid__a_search_opens_no_test_split(more, measured):
    settings = ["evaluate.test=true"] if measured else ["evaluate.test=true", "seed=2"]
    (one,) = request(settings=settings, **more).read_grid().combinations()
    assert one.recipe.evaluate.test is measured
    assert list(request().seeds) == [0, 1, 2, 3, 4]


def test_read_grid__of_no_recipe():
    with pytest.raises(RecipeError, match="nowhere"):
        request(recipes=["nowhere"]).read_grid().combinations()

import pytest

from budwood.core.errors import RecipeError
from budwood.core.progress.base import SILENT
from budwood.studies import study as module
from budwood.studies.request import StudyRequest


def test_plan_study__what_is_wrong_is_said_before_a_photo_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "read_source", lambda *given, **options: pytest.fail("the photos were read"))

    def asked(recipe):
        return StudyRequest(data=tmp_path, output=tmp_path / "s", recipes=[recipe])

    with pytest.raises(RecipeError, match="no recipe"):
        module.plan_study(asked("frozen-liner"), SILENT)
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "thesis.txt").write_text("mine")
    with pytest.raises(module.RunError, match="not a study of Budwood"):
        module.plan_study(asked("quick"), SILENT)


def test_plan_study__recipes_that_read_the_photos_in_two_ways_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "read_source", lambda *given, **options: pytest.fail("the photos were read"))
    request = StudyRequest(
        data=tmp_path, output=tmp_path / "s", recipes=["quick"], grid=['data.layout=["classes", "nested"]']
    )
    with pytest.raises(RecipeError, match=r"data\.layout differs"):
        module.plan_study(request, SILENT)

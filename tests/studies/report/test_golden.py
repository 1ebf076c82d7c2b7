"""All that the page of a study says."""

from pathlib import Path

from budwood.studies.report.page import write_study_report
from tests.golden import assert_golden, words_of
from tests.studies.made import fill

GOLDEN = Path(__file__).parent / "golden"


def test_golden__page_of_a_study(made, tmp_path):
    fill(made, {"good": 0.9, "bad": 0.6, "alike": 0.9})
    made.info |= {"command": "budwood study photos -o s", "versions": {"numpy": "9.9"}}
    made.save()
    html = write_study_report(made.folder).read_text(encoding="utf-8")
    assert_golden(GOLDEN / "page-study.txt", words_of(html), folder=tmp_path)

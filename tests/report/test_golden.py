"""All that the pages of a run say."""

from pathlib import Path

import pytest

from budwood.report.card import write_card
from budwood.report.page import write_report
from tests.golden import assert_golden, words_of

GOLDEN = Path(__file__).parent / "golden"
RUNS = {"linear": {}, "finetuned": {"fit": "gradient", "finetuned": True}}


@pytest.mark.parametrize("name", RUNS)
def test_golden__page(make_run, tmp_path, name):
    run = make_run(per_class=60, **RUNS[name])
    html = write_report(run.folder, run.photos).read_text(encoding="utf-8")
    assert_golden(GOLDEN / f"page-{name}.txt", words_of(html), folder=tmp_path)


def test_golden__page_of_many_classes_with_one_test_photo_each(make_run, tmp_path):
    run = make_run([f"species {number:02}" for number in range(33)], per_class=10, fit="gradient")
    html = write_report(run.folder, run.photos).read_text(encoding="utf-8")
    assert_golden(GOLDEN / "page-many-classes.txt", words_of(html), folder=tmp_path)


def test_golden__card(make_run, tmp_path):
    run = make_run(per_class=60)
    (run.folder / "model").mkdir(exist_ok=True)
    assert_golden(GOLDEN / "card.txt", write_card(run.folder).read_text(encoding="utf-8"), folder=tmp_path)

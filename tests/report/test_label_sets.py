import re

import pytest

from budwood.evaluation.label_coverage import LabelSets, PromisedLabelSets, choose_label_sets
from budwood.report.key_facts import none_of_these
from budwood.report.label_sets import label_sets_as_text, photos_with_labels, show_label_sets
from budwood.report.page import write_report
from budwood.report.summary import read_contents
from budwood.runs.files import RunFiles
from tests.report.label_run import LABELS, build_label_run


@pytest.fixture
def made(tmp_path):
    build_label_run(tmp_path / "run", pictures=False)
    return tmp_path / "run"


def test_show_label_sets__is_what_metrics_json_says(made):
    contents = read_contents(made)
    found, shown = contents.metrics.label_sets, show_label_sets(contents)
    assert [row.promised.replace("\u00a0", " ") for row in shown.rows][:1] == ["90 % of the labels"]
    assert len(shown.rows) == len(found.promised)
    first = found.promised[0].test
    assert shown.rows[0].size == f"{first.mean_size:.2f}"
    assert shown.rows[0].observed.startswith(f"{100 * first.observed:.1f}")
    # Of thirty validation photos some have no label, and calibrate nothing.
    assert found.with_labels < found.n == 30
    assert f"30 validation photos, of which {found.with_labels} have a label" in shown.lead
    assert "misses no more than 10" in shown.lead and "These photos also chose" in shown.lead
    assert {row.name for row in shown.labels} == set(LABELS)
    shares = [row.cells[0][2] for row in shown.labels]
    assert shares == sorted(shares)


def test_show_label_sets__few_photos_and_older_runs(made):
    contents = read_contents(made)
    few = LabelSets(calibrated_on="calibration", n=5, with_labels=3, promised=())
    object.__setattr__(contents.metrics, "label_sets", few)
    shown = show_label_sets(contents)
    assert (
        "5 calibration photos, of which 3 have a label are too few" in shown.lead and "needs 9" in shown.lead
    )
    assert shown.rows == shown.labels == [] and shown.measured == ""
    no_test = PromisedLabelSets(
        coverage=0.9, per_label=False, threshold=0.5, coverage_range=(0.8, 0.97), test=None
    )
    object.__setattr__(contents.metrics, "label_sets", few.model_copy(update={"promised": (no_test,)}))
    shown = show_label_sets(contents)
    assert "These photos chose nothing else" in shown.lead and shown.measured == ""
    object.__setattr__(contents.metrics, "label_sets", None)
    assert show_label_sets(contents) is None


def test_write_report__has_the_section(made):
    html = write_report(made).read_text(encoding="utf-8")
    assert '<section id="label_sets">' in html and "<h2>Sets of labels</h2>" in html
    assert '<section id="sets">' not in html


def test_label_sets_as_text__says_promise_and_what_was_seen(made):
    by_split = RunFiles(made).scored_labels
    text = label_sets_as_text(choose_label_sets(by_split, LABELS, 0.8))
    assert text.startswith(
        "sets hold 80 % of a photo's labels on average (calibrated on 30 validation photos, of which"
    )
    assert "with so many, it lies between" in text and "\n  test: the sets of" in text
    each = label_sets_as_text(choose_label_sets(by_split, LABELS, 0.6, per_label=True))
    assert (
        each.startswith("of the photos that have a label, 60 % have it in their set, for each label")
        and "lies between" not in each
    )
    assert "weakest on test" not in text
    assert re.search(
        r"\n  weakest on test: .+, held by [\d.]+ % of the sets of its [\d]+ photos? \(95 % interval", each
    )


def test_photos_with_labels__says_of_groups_and_of_those_without():
    assert photos_with_labels(9, 9, 4, "test") == "9 test photos of 4 groups"


def test_none_of_these__names_labels_where_there_are_several(made):
    contents = read_contents(made)
    object.__setattr__(contents, "info", contents.info.model_copy(update={"saved": True}))
    (line,) = none_of_these(contents)
    assert "may pass as one of the labels; it takes" in line and "classes" not in line

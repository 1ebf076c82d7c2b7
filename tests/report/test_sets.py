import dataclasses

import pytest

from budwood.core.files import read_json, write_json
from budwood.report.page import write_report
from budwood.report.sets import show_sets
from budwood.report.summary import read_contents


def test_show_sets__says_what_metrics_say(make_run):
    contents = read_contents(make_run(per_class=100).folder)
    shown, found = show_sets(contents), contents.metrics.sets
    assert (
        "calibrated on 50 validation photos" in shown.lead and "80.8" in shown.lead and "96.7" in shown.lead
    )
    assert "also chose the temperature" in shown.lead and "group" not in shown.lead
    assert [row.promised.replace("\u00a0", " ") for row in shown.rows] == [
        *["lac, 90 %", "lac, 95 %", "lac, 90 % of each class"],
        *["adaptive, 90 %", "adaptive, 95 %", "adaptive, 90 % of each class"],
    ]
    assert (
        shown.measured == "50 test photos" and shown.rows[0].size == f"{found.promised[0].test.mean_size:.2f}"
    )
    # The class that is held least often stands first.
    least = min(found.promised[0].test.classes, key=lambda one: (one.observed, one.label))
    assert shown.classes[0].name == least.label and len(shown.classes) == 5
    assert shown.columns == ["lac", "lac, per class", "adaptive", "adaptive, per class"]


def test_show_sets__calibration_photos_keep_the_promise_exactly(make_run):
    contents = read_contents(make_run(per_class=100).folder)
    sets = contents.metrics.sets.model_copy(update={"calibrated_on": "calibration", "groups": 20})
    metrics = contents.metrics.model_copy(update={"sets": sets})
    lead = show_sets(dataclasses.replace(contents, metrics=metrics)).lead
    assert "50 calibration photos of 20 groups" in lead and "chose nothing else" in lead
    assert "Photos of one group count as one photo together" in lead


def test_show_sets__too_few_photos_and_no_test(make_run):
    few = show_sets(read_contents(make_run(per_class=10).folder))
    assert "5 validation photos are too few to promise anything" in few.lead and "needs 9" in few.lead
    assert few.rows == []


def test_show_sets__without_test_nothing_was_observed(make_run):
    run = make_run(per_class=100, test=False)
    shown = show_sets(read_contents(run.folder))
    assert shown.measured == "" and shown.classes == [] and shown.rows[0].observed == ""
    assert "There is no test split" in write_report(run.folder).read_text("utf-8")


@pytest.mark.parametrize("sets", [True, False])
def test_show_sets__a_run_of_an_older_version_has_no_section(make_run, sets):
    run = make_run()
    metrics = run.folder / "metrics.json"
    if not sets:
        write_json(metrics, {key: value for key, value in read_json(metrics).items() if key != "sets"})
    assert (show_sets(read_contents(run.folder)) is not None) == sets
    assert ('id="sets"' in write_report(run.folder).read_text("utf-8")) == sets

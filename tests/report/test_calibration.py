from budwood.core import files
from budwood.report.calibration import describe_calibration
from budwood.report.page import write_report
from budwood.report.summary import read_contents


def test_describe_calibration__says_what_the_temperature_did(make_run):
    contents = read_contents(make_run(per_class=200).folder)
    found = describe_calibration(contents)
    measured = contents.metrics.calibration.test
    assert "a temperature of 1.60" in found.lead
    for part in ("before", "after"):
        assert f"{100 * getattr(measured, part).ece:.1f}\u00a0%" in found.lead
    after = [row for row in found.table.rows if row[0] == "calibrated"]
    assert sum(int(row[-1]) for row in after) == contents.metrics.test.n
    ((title, chart),) = found.charts
    assert title == "Reliability" and chart.count("<polyline") == 2 and "%" in chart


def test_describe_calibration__validation_where_no_test_was_asked_for(make_run):
    assert "on the validation photos" in describe_calibration(read_contents(make_run(test=False).folder)).lead


def test_describe_calibration__is_on_the_page(make_run):
    page = write_report(make_run().folder).read_text()
    assert '<section id="calibration">' in page and '<a href="#calibration">' in page


def test_describe_calibration__one_photo(make_run):
    run = make_run(["a", "b"], per_class=10)
    metrics = files.read_json(run.folder / "metrics.json")
    one = {"ece": 0.2, "loss": 0.2, "reliability": [{"n": 1, "confidence": 0.8, "accuracy": 1.0}]}
    metrics["calibration"]["test"] = {"before": one, "after": one}
    files.write_json(run.folder / "metrics.json", metrics)
    found = describe_calibration(read_contents(run.folder))
    assert [row[-1] for row in found.table.rows] == ["1", "1"]


def test_describe_calibration__bins_of_a_handful_of_photos_are_not_drawn(make_run):
    contents = read_contents(make_run(per_class=10).folder)
    found = describe_calibration(contents)
    assert contents.metrics.test.n == 5 and len(found.table.rows) > 2
    assert all(int(row[-1]) < 5 for row in found.table.rows)
    assert "<polyline" not in found.charts[0][1]

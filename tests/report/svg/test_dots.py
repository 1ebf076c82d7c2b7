from xml.etree import ElementTree

import pytest

from budwood.core import files
from budwood.evaluation.statistics import wilson_interval
from budwood.report.phases import describe_phases
from budwood.report.summary import read_contents
from budwood.report.svg.dots import WIDTH, Dot, dot_chart

TWO = [
    Dot("before", "took 2 s", 0.80, 0.70, 0.88, False),
    Dot("<after>", "took 3 min", 0.90, 0.81, 0.95, True),
]


def test_dot_chart__dots_lie_within_their_intervals():
    chart = ElementTree.fromstring(dot_chart(TWO, x_label="accuracy"))
    lines = [line for line in chart.iter("line") if line.attrib["class"] == "interval"]
    circles = list(chart.iter("circle"))
    assert [circle.attrib["class"] for circle in circles] == ["hollow", "full"]
    for line, circle in zip(lines, circles, strict=True):
        assert float(line.attrib["x1"]) < float(circle.attrib["cx"]) < float(line.attrib["x2"]) < WIDTH
    assert float(circles[0].attrib["cx"]) < float(circles[1].attrib["cx"])
    assert "<after> 90.0\u00a0%, 81.0\u00a0% to 95.0\u00a0%" in chart.attrib["aria-label"]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_dot_chart__at_the_ends_of_the_scale(value):
    chart = ElementTree.fromstring(
        dot_chart([Dot("a", "", value, value, value, True)] * 2, x_label="accuracy")
    )
    assert all(0 <= float(circle.attrib["cx"]) <= WIDTH for circle in chart.iter("circle"))


def test_describe_phases__both_phases_with_wilson_intervals(make_run):
    run = make_run(finetuned=True)
    metrics = files.read_json(run.folder / "metrics.json")
    n, phases = metrics["test"]["n"], metrics["phases"]
    dots = describe_phases(read_contents(run.folder))["dots"]
    for phase in phases:
        low, high = wilson_interval(round(phase["test_accuracy"] * n), n)
        assert f"{100 * low:.1f}\u00a0% to {100 * high:.1f}\u00a0%" in dots
    assert "accuracy on 20 test photos" in dots and "took 5 min 42 s, kept" in dots


def test_describe_phases__one_phase_has_nothing_beside_it(make_run):
    run = make_run(fit="gradient", finetuned=True)
    metrics = files.read_json(run.folder / "metrics.json")
    metrics["phases"] = metrics["phases"][1:]
    files.write_json(run.folder / "metrics.json", metrics)
    assert describe_phases(read_contents(run.folder))["dots"] is None

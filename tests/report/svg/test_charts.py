import math
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from budwood.report.svg.axes import Axis
from budwood.report.svg.charts import Line, line_chart

WIDTH, HEIGHT, TOP = 440, 260, 14


def _draw(lines, *, log=False, within=(-math.inf, math.inf), **options):
    xs, ys = ([one for line in lines for one in getattr(line, way)] for way in "xy")
    x_axis = Axis.of_decades("x", xs) if log else Axis.around("x", xs, "{:g}".format, whole=max(xs) > 1)
    y_axis = Axis.around("loss", ys, pad=0.06, within=within)
    return ElementTree.fromstring(line_chart(lines, x_axis, y_axis, **{"alt": "words", **options}))


def _texts(chart):
    return [element.text for element in chart.iter("text")]


def test_line_chart__names_two_lines_and_marks_the_best():
    lines = [
        Line("validation", [1.0, 2.0, 3.0], [3.0, 1.0, 2.0]),
        Line("train", [1.0, 2.0, 3.0], [3.0, 2.0, 2.0]),
    ]
    chart = _draw(lines, mark=(2.0, "best: 2"))
    assert chart.attrib["aria-label"] == "words"
    assert {"validation", "train", "best: 2", "x", "1", "2", "3"} <= set(_texts(chart))
    assert sorted(circle.attrib["r"] for circle in chart.iter("circle")) == ["2.5"] * 4 + ["5"] * 2
    named = [float(text.attrib["y"]) for text in chart.iter("text") if text.text in ("validation", "train")]
    assert abs(named[0] - named[1]) >= 15.9


def test_line_chart__log_axis_has_decades_and_a_band():
    strengths = [1e-4, 1e-3, 1e-2]
    chart = _draw([Line("loss", strengths, [0.3, 0.2, 0.4], band=[0.01, 0.01, 0.01])], log=True)
    assert {"10⁻⁴", "10⁻³", "10⁻²"} <= set(_texts(chart))
    assert len(chart.findall("polygon")) == 1
    x = [float(circle.attrib["cx"]) for circle in chart.iter("circle")]
    assert math.isclose(x[1] - x[0], x[2] - x[1], abs_tol=0.2)


def test_line_chart__leaves_out_what_is_not_finite():
    chart = _draw([Line("loss", [1.0, 2.0, 3.0], [1.0, math.nan, math.inf])])
    assert len(list(chart.iter("circle"))) == 1


def test_line_chart__nothing_finite():
    chart = _draw([Line("loss", [1.0], [math.nan])])
    assert chart.tag == "p"


def test_line_chart__texts_are_escaped():
    chart = _draw([Line("loss", [1.0, 2.0], [1.0, 2.0])], alt='<b> & "quotes"', mark=(1.0, "<i>"))
    assert chart.attrib["aria-label"] == '<b> & "quotes"'
    assert "<i>" in _texts(chart)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30))
def test_line_chart__stays_inside(values):
    x = [float(i) for i in range(1, len(values) + 1)]
    chart = _draw([Line("a", x, values), Line("b", x, values[::-1], style="second")], mark=(x[-1], "last"))
    for circle in chart.iter("circle"):
        assert -0.1 <= float(circle.attrib["cx"]) <= WIDTH + 0.1
        assert -0.1 <= float(circle.attrib["cy"]) <= HEIGHT + 0.1


def test_line_chart__start_is_a_line_named_above_the_curves():
    x = [float(i) for i in range(1, 11)]
    lines = [Line("validation", x, x), Line("train", x, x[::-1], style="second")]
    for place in (1.5, 5.5, 9.5):
        chart = _draw(lines, start=(place, "fine-tuning starts"), mark=(9.0, "kept: 9"))
        (line,) = [element for element in chart.iter("line") if element.attrib["class"] == "start"]
        assert line.attrib["x1"] == line.attrib["x2"]
        circles = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in chart.iter("circle")]
        left = max(x for x, _ in circles if x < float(line.attrib["x1"]))
        right = min(x for x, _ in circles if x > float(line.attrib["x1"]))
        assert math.isclose(float(line.attrib["x1"]), (left + right) / 2, abs_tol=0.11)
        (name,) = [text for text in chart.iter("text") if text.text == "fine-tuning starts"]
        assert float(name.attrib["y"]) < min(y for _, y in circles)
        assert 63 <= float(name.attrib["x"]) <= WIDTH - 63


def test_line_chart__diagonal_lies_where_y_is_x():
    chart = _draw([Line("a", [0.5, 1.0], [0.2, 0.9])], diagonal=True)
    (line,) = [line for line in chart.iter("line") if line.attrib["class"] == "diagonal"]
    assert float(line.attrib["x1"]) < float(line.attrib["x2"])
    assert float(line.attrib["y1"]) > float(line.attrib["y2"])
    assert "0.6" in _texts(chart)
    apart = _draw([Line("a", [0.1, 0.2], [0.8, 0.9])], diagonal=True)
    assert not [line for line in apart.iter("line") if line.attrib["class"] == "diagonal"]


def test_line_chart__without_a_start_has_no_such_line():
    chart = _draw([Line("loss", [1.0, 2.0], [1.0, 2.0])])
    assert [line for line in chart.iter("line") if line.attrib["class"] == "start"] == []


def test_line_chart__an_axis_of_shares_ends_at_one():
    def top_point(end: float) -> float:
        chart = _draw([Line("accuracy", [1.0, 2.0], [0.9, 1.0])], within=(0.0, end))
        return min(float(circle.attrib["cy"]) for circle in chart.iter("circle"))

    # With nothing above 1 the highest point lies at the upper end.
    assert top_point(1.0) == TOP < top_point(2.0)


def test_line_chart__is_interrupted_where_another_model_begins():
    line = Line("loss", [1.0, 2.0, 3.0, 4.0], [0.5, 0.4, 0.9, 0.8], breaks=[2.5])
    courses = list(_draw([line]).iter("polyline"))
    assert [len(one.attrib["points"].split()) for one in courses] == [2, 2]


def test_line_chart__discs_only_where_they_are_asked_for():
    line = Line("sea", [0.0, 0.5, 0.5, 1.0], [1.0, 0.9, 0.8, 0.2], dots=((0.5, 0.8),))
    (disc,) = _draw([line], mark=(0.5, "threshold 0.3")).iter("circle")
    assert disc.attrib["r"] == "5" and disc.find("title").text == "sea loss 0.8 at 0.5"
    assert not list(_draw([Line("sea", [0.0, 1.0], [1.0, 0.9], dots=())]).iter("circle"))

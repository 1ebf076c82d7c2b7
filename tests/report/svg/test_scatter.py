import re
from itertools import combinations

from budwood.report.svg.axes import Axis
from budwood.report.svg.scatter import Course, Mark, scatter

AXIS = Axis.of("x", [0.0, 1.0])


def draw(marks, **options):
    return str(scatter(marks, AXIS, AXIS, alt="what it says", **options))


def test_scatter__points_intervals_and_lines():
    marks = [
        Mark(0.0, 0.0, "a"),
        Mark(1.0, 1.0, "b", 0.5, 1.0, style="hollow"),
        Mark(0.5, 0.5, "c", style="cross"),
    ]
    found = draw(marks, courses=[Course([(0.0, 0.0), (1.0, 1.0)], "dotted"), Course([(0.0, 0.0)])])
    assert 'role="img" aria-label="what it says"' in found
    assert found.count('class="reach"') == 1 and found.count("<polyline") == 1
    assert found.count('class="full"') == found.count('class="hollow"') == found.count('class="cross"') == 1
    # From the corner where the axes meet to the opposite one.
    assert '<circle class="full" cx="58.0" cy="254.0"' in found and 'points="58.0,254.0 424.0,16.0"' in found


def test_scatter__labels_stand_apart():
    marks = [Mark(0.5 + 0.02 * at, 0.5, str(at), label=str(at)) for at in range(5)]
    spots = re.findall(r'<text class="marked" x="([\d.]+)" y="([\d.]+)"', draw(marks))
    assert len(spots) == 5
    for (x, y), (other_x, other_y) in combinations([(float(x), float(y)) for x, y in spots], 2):
        assert abs(x - other_x) >= 7 or abs(y - other_y) >= 9


def test_scatter__labels_stay_within_the_chart():
    marks = [Mark(x, y, "", label="123") for x in (0.0, 1.0) for y in (0.0, 1.0)]
    for x, y in re.findall(r'<text class="marked" x="([\d.]+)" y="([\d.]+)"', draw(marks)):
        assert float(x) - 12 >= 58 and float(x) + 12 <= 424 and 10 <= float(y) <= 254


def test_scatter__words_are_escaped():
    assert "<script>" not in draw([Mark(0.0, 0.0, "<script>", label="<script>")])


def test_scatter__labels_of_neighbours_do_not_run_together():
    marks = [Mark(0.055, 0.96, "b", 0.4, 1.0, label="2"), Mark(0.0, 0.96, "a", 0.4, 1.0, label="3")]
    chart = scatter(marks, Axis.of("", [-0.1, 2.0]), Axis.of("", [0.2, 1.0]), alt="", size=(440, 330))
    (x3, y3), (x2, y2) = re.findall(r'class="marked" x="([\d.]+)" y="([\d.]+)"', chart)
    assert abs(float(x3) - float(x2)) >= 12 or abs(float(y3) - float(y2)) >= 12

import re

from budwood.report.svg.axes import Axis
from budwood.report.svg.intervals import Row, interval_rows, share_rows

AXIS = Axis.of("on test photos", [0.5, 1.0])


def draw(*rows, **options):
    return str(interval_rows(rows, AXIS, show="{:.2f}".format, **options))


def test_interval_rows__say_in_words_what_they_draw():
    found = draw(Row("a", 0.75, 0.6, 0.9, "75 %", dots=(0.7, 0.8), number="1"), each="split")
    assert 'aria-label="0.75, 95 % interval 0.60 to 0.90; every split: 0.70, 0.80"' in found
    assert '<line class="reach" x1="20.00%" x2="80.00%"' in found and 'cx="50.00%"' in found
    assert found.count('class="one"') == 2 and "<b>1</b>" in found


def test_interval_rows__an_end_beyond_the_axis_has_no_stroke():
    assert draw(Row("a", 0.75, 0.6, 0.9, "")).count('class="end"') == 2
    assert draw(Row("a", 0.75, 0.3, 0.9, "")).count('class="end"') == 1


def test_interval_rows__rings_and_a_line_across():
    found = draw(Row("a", 0.75, 0.6, 0.9, "", hollow=True), Row("b", 0.75, 0.6, 0.9, ""), zero=0.5)
    assert found.count('class="hollow"') == 1 and found.count('class="full"') == 1
    assert found.count('<line class="zero" x1="0.00%"') == 2


def test_interval_rows__alike_figures_do_not_hide_one_another():
    found = draw(Row("a", 0.75, 0.6, 0.9, "", dots=(0.7, 0.7, 0.7)))
    assert len(set(re.findall(r'class="one" cx="40.00%" cy="(\d+)"', found))) == 3


def test_interval_rows__names_are_escaped():
    found = draw(Row("<script>", 0.75, 0.6, 0.9, "<b>", note="<i>"))
    assert "<script>" not in found and "&lt;b&gt;" in found and "&lt;i&gt;" in found
    assert "<script>" not in share_rows([("<script>", 0.5, "50 %")])


def test_share_rows__are_bars_from_0():
    found = str(share_rows([("a", 0.25, "25 %"), ("b", 7.0, "all")]))
    assert re.findall(r'class="share" width="([\d.]+%)"', found) == ["25.00%", "100.00%"]

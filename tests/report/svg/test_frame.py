from xml.etree import ElementTree

from budwood.report.svg.axes import Axis
from budwood.report.svg.frame import Frame

FRAME = Frame(Axis.of("photos <n>", [0.0, 10.0]), Axis.of("", [0.0, 1.0]))


def test_frame__values_stand_between_its_margins():
    assert (FRAME.across(0.0), FRAME.down(0.0)) == (58, 218)
    assert (FRAME.across(10.0), FRAME.down(1.0)) == (418, 14)
    assert FRAME.spot(5.0, 0.5) == f"{FRAME.middle:.1f},116.0"


def test_frame__draws_a_grid_with_its_ticks_and_escapes_words():
    chart = ElementTree.fromstring(
        FRAME.draw([FRAME.upright("mark", 5.0)], alt='<b> & "so"', style="scatter")
    )
    assert chart.attrib["class"] == "chart scatter" and chart.attrib["aria-label"] == '<b> & "so"'
    texts = [text.text for text in chart.iter("text")]
    assert texts == [text for _, text in (*FRAME.y.ticks, *FRAME.x.ticks)] + ["photos <n>"]
    lines = [line.attrib for line in chart.iter("line")]
    assert sum(line["class"] == "grid" for line in lines) == len(FRAME.y.ticks)
    (mark,) = [line for line in lines if line["class"] == "mark"]
    assert (mark["y1"], mark["y2"], mark["x1"]) == ("14", "218", mark["x2"])


def test_frame__what_is_written_at_an_end_stays_within_the_picture():
    frame = Frame(Axis.of("share", [0.0, 1.0], "{:.0%} of all".format), Axis.of("", [0.0, 1.0]))
    chart = ElementTree.fromstring(frame.draw([], alt=""))
    below = [text.attrib for text in chart.iter("text") if text.attrib["y"] == str(frame.floor + 18)]
    half = 3.5 * len("100% of all")
    assert float(below[-1]["x"]) + half <= frame.width
    # The tick itself stays where its value is.
    ticks = [line.attrib["x1"] for line in chart.iter("line") if line.attrib["y1"] == str(frame.floor)]
    assert f"{frame.across(1.0):.1f}" in ticks

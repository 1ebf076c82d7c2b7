import pytest

from budwood.studies.outcomes import Pair
from budwood.studies.report import figures
from budwood.studies.results import read_results
from tests.studies.made import fill


@pytest.mark.parametrize(("low", "p", "told"), [(0.01, 0.01, True), (-0.01, 0.01, False), (0.01, 0.2, False)])
def test_is_significant__interval_and_test_agree(low, p, told):
    assert figures.is_significant(Pair("a", "b", 0.05, low, 0.1, p / 2, p, 3, "m", "w")) is told


def test_is_significant__says_what_the_words_say(made):
    fill(made, {"good": 0.9, "bad": 0.6, "alike": 0.9})
    pairs = read_results(made.folder).pairs
    assert {figures.is_significant(pair) for pair in pairs} == {True, False}
    assert all(figures.is_significant(pair) == (" is better than " in pair.words) for pair in pairs)


def test_differences__are_seen_from_the_best(made):
    # By its loss the best is the one that is worse on test photos.
    fill(made, {"a": 0.6, "b": 0.95})
    for name in ("a", "b"):
        for number in range(6):
            path = made.folder / "trials" / f"{name}-split-{number}" / "metrics.json"
            path.write_text(path.read_text().replace('"loss": ', '"loss": 2' if name == "b" else '"loss": '))
    results = read_results(made.folder)
    assert results.best == "a"
    found = str(figures.differences(results))
    assert "this one is better" in found and ">−" in found


def test_figure_by_time__takes_two(made):
    fill(made, {"only": 0.8}, replicates=2)
    assert figures.figure_by_time(read_results(made.folder)) is None

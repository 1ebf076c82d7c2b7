import pytest

from budwood.report.checklists import answers, figures, photos, training
from budwood.report.checklists.facts import Facts
from budwood.report.summary import read_contents
from tests.report.checklists.conftest import TREE


@pytest.fixture
def tree(facts):
    return facts(taxonomy=TREE, per_class=200)


def plain(text):
    return text.replace("\u00a0", " ")


def test_answers__nothing_of_what_the_run_has_not(facts, built_with_labels):
    found, labels = facts(), Facts(read_contents(built_with_labels))
    for part in (answers.of_tree, answers.of_levels, answers.of_branches, answers.of_climb):
        assert part(found) == part(labels) == answers.NOTHING
    assert answers.of_sets(labels) == answers.NOTHING
    assert "tree" not in figures.performance(found).text + photos.outcome(found).text


def test_of_sets__promised_and_observed(tree):
    text, places = answers.of_sets(tree)
    first = next(one for one in tree.metrics.sets.promised if one.test)
    assert f"observed {100 * first.test.observed:.1f} %" in plain(text) and "promised 90 %" in plain(text)
    assert "metrics.json: sets" in places and text in figures.uncertainty(tree).text


def test_of_sets__too_few_photos_promise_none(facts):
    few = facts(per_class=10)
    assert not few.metrics.sets.promised and answers.of_sets(few) == answers.NOTHING


def test_of_tree__its_shape(tree):
    said = photos.outcome(tree)
    assert "1 label with labels below it, 2 classes directly" in said.text and "taxonomy.csv" in said.where


def test_of_levels__each_above_the_classes(tree):
    said, level = figures.performance(tree), tree.scores.taxonomy.levels[0]
    low, high = level.accuracy_ci95
    assert (
        f"at depth 1, of 3 labels, {100 * level.accuracy:.1f} % ({100 * low:.1f} % to {100 * high:.1f} %)"
        in (plain(said.text))
    )
    assert "metrics.json: test.taxonomy" in said.where


def test_of_branches__how_near_mistakes_are(tree):
    said = figures.mistakes(tree)
    assert f"Of {tree.scores.taxonomy.mistakes} mistakes" in said.text
    assert "metrics.json: test.taxonomy" in said.where


def test_of_climb__how_deep_it_answers(tree):
    said, asked = training.output_form(tree), tree.metrics.climbs[1]
    shares = [f"{100 * one.test.coverage:.1f} %" for one in asked.depths]
    assert "Asked for 95 % right answers" in plain(said.text) and "metrics.json: climbs" in said.where
    assert all(share in plain(said.text) for share in shares)

import numpy as np
import pytest

from budwood.studies.records import StudyFolder
from budwood.studies.report import sections
from budwood.studies.results import read_results
from tests.studies.made import fill, fill_search, rights

LONG = "backbone " + "x" * 200


def read(made):
    return read_results(made.folder)


def record(made):
    return StudyFolder(made.folder).read()


def test_verdict__good_bad_and_alike(made):
    fill(made, {"good": 0.95, "bad": 0.5, "alike": 0.95}, replicates=4)
    results = read(made)
    found = sections.verdict(results)
    best = results.best
    assert found.title.startswith(f"{best} has the lowest validation loss: ")
    assert "better than 1 of the 2 others and cannot be told from 1" in found.title
    assert found.interval[0] < found.accuracy < found.interval[1]
    assert found.warnings == []
    assert len([line for line in found.notes if " points (95" in line]) == 2


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"a": 0.95, "b": 0.4}, "; the other one is worse."),
        ({"b": 0.4, "z": 0.95}, "; the other one is worse."),
        ({"a": 0.9, "b": 0.9}, "; but the other one cannot be told apart from it."),
        ({"a": 0.95, "b": 0.4, "c": 0.4}, ", and it is better than each of the 2 others."),
        ({"a": 0.9, "b": 0.9, "c": 0.9}, ", but none of the 2 others can be told apart from it."),
        ({"a": 0.9}, "a: 9"),
    ],
)
def test_verdict__how_the_best_stands(made, shares, words):
    fill(made, shares, replicates=3)
    title = sections.verdict(read(made)).title.replace("\u00a0", " ")
    assert words in title
    assert title.endswith(".")


def test_verdict__more_pairs_than_the_head_has_room_for(made):
    fill(made, {name: 0.9 - 0.05 * place for place, name in enumerate("abcde")}, replicates=2)
    notes = sections.verdict(read(made)).notes
    assert f"These are {sections.SENTENCES} of 4; all are under Pairs." in notes


def test_verdict__what_failed_and_what_is_not_done(made):
    fill(made, {"a": 0.9}, replicates=2)
    made.add("b", "split 0", [], error="x")
    found = sections.verdict(read(made))
    assert found.warnings[0].startswith("1 trial failed and is in none of the figures")
    made.add("b", "split 1", [], error="x")
    assert sections.verdict(read(made)).warnings[0].startswith("2 trials failed and are in none")


def test_verdict__nothing_complete(made):
    made.add("a", "split 0", [], error="x")
    found = sections.verdict(read(made))
    assert found.title == "No trial is complete, so there is nothing to compare yet."
    assert (found.accuracy, found.interval) == (None, None)


def test_verdict__of_a_search_tests_no_pair(made):
    fill_search(made, 4)
    found = sections.verdict(read(made))
    assert "is the best of 4 configurations" in found.title
    assert found.notes[0] == "4 configurations: 3 complete, 1 pruned, 0 failed."
    assert "No pair is tested" in found.notes[1]


def test_facts__name_value_and_note(made):
    fill(made, {"a": 0.9, "b": 0.8}, replicates=3)
    made.add("b", "split 3", [], error="x", seconds=None)
    found = {name: rest for name, *rest in sections.facts(read(made), record(made))}
    assert found["Compared"] == ["2 configurations", "6 of 7 trials complete; 4 splits"]
    assert found["Time"] == ["9.0 s", "all trials added up; the longest 1.5 s"]
    assert found["Test-set evaluations"] == ["6", "one by every trial"]
    assert "Photos" not in found


def test_table__the_best_first_with_its_number(made):
    fill(made, {"bad": 0.5, "good": 0.9})
    rows = sections.table(read(made))
    assert [row.one.name for row in rows] == ["good", "bad"]
    assert rows[0].evaluation.mean > rows[1].evaluation.mean
    assert [row.state for row in rows] == ["", ""]


def test_pairs__say_which_is_better(made):
    fill(made, {"good": 0.95, "bad": 0.4, "alike": 0.95}, replicates=3)
    found = sections.pairs(read(made))
    names = {frozenset((pair.a, pair.b)): which for pair, _, _, which in found.rows}
    assert names[frozenset(("good", "alike"))] == "cannot tell"
    assert names[frozenset(("good", "bad"))].endswith(" is better")
    assert (found.all, found.with_best) == (3, 2)
    assert len(found.sentences) == 3


def test_best_recipe__and_how_to_go_on(made):
    fill_search(made, 4)
    found = sections.best_recipe(read(made))
    assert found.text == "# the best\nsplit_seed = 3\n"
    assert len(found.commands.splitlines()) == 2
    assert "split_seed 3, new to the search" in found.advice
    made.info |= {"test_is_given": True}
    made.save()
    found = sections.best_recipe(read(made))
    assert len(found.commands.splitlines()) == 1
    assert "Your test photos stayed closed" in found.advice


def test_best_recipe__none_of_a_study_that_is_no_search(made):
    fill(made, {"a": 0.9})
    assert sections.best_recipe(read(made)) is None


def test_making__leaves_out_what_nobody_knows(made):
    fill(made, {"a": 0.9})
    made.info |= {
        "command": "budwood study 'my photos' -o s",
        "started": "2026-11-22T07:40:12+00:00",
        "finished": "?",
    }
    made.save()
    found = sections.reproducibility(read(made), record(made))
    names = dict(found.facts)
    assert names["begun"] == "2026-11-22 07:40 UTC"
    assert "last finished" not in names
    assert found.go_on == "budwood study 'my photos' -o s --resume"
    assert found.versions == [("budwood", "")]


@pytest.mark.parametrize(
    ("command", "again"),
    [
        ("", ""),
        ("budwood study p -o s --resume", "budwood study p -o s --resume"),
        ("budwood study 'a", "budwood study 'a"),
    ],
)
def test_resume_command__once(command, again):
    assert sections.resume_command(command) == again


@pytest.mark.parametrize(
    ("p", "text"), [(0.00099, "< 0.001"), (0.001, "0.001"), (0.0456, "0.046"), (0.5, "0.5")]
)
def test_chance__two_figures(p, text):
    assert sections.chance(p) == text


def test_shortener__shortens_long_names_alone(made):
    made.add(LONG, "split 0", rights(0.9, np.random.default_rng(0)))
    made.add("a", "split 0", [True] * 100)
    brief = sections.shortener(read(made))
    assert brief("a is no backbone") == "a is no backbone"
    assert len(brief(f"{LONG} is best")) <= sections.LONG + len(" is best")

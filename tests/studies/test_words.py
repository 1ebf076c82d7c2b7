import shlex
from dataclasses import replace

from budwood.studies.figures import SearchResults
from budwood.studies.results import read_results
from budwood.studies.search import Tried
from budwood.studies.words import (
    as_text,
    commands_for_best,
    pair_sentences,
    search_sentences,
    state_sentence,
    trust_sentences,
)
from tests.studies.made import Made, fill, fill_search
from tests.studies.made_labels import MadeLabels
from tests.studies.made_labels import fill as fill_labels


def test_as_text__a_row_for_each_configuration_in_columns(made):
    fill(made, {"good": 0.9, "bad": 0.6}, replicates=3)
    text = as_text(read_results(made.folder))
    header, good, bad = text.splitlines()[:3]
    assert header.split("  ")[0] == "configuration"
    assert good.startswith("good ") and bad.startswith("bad ")
    place = header.index("validation")
    assert header[place - 1] == good[place - 1] == bad[place - 1] == " "
    assert good[place].isdigit() and bad[place].isdigit()
    assert "\u00a0" not in "\n".join(text.splitlines()[:3])


def test_as_text__what_is_missing_is_a_dash_and_what_failed_is_told(made):
    fill(made, {"good": 0.9}, replicates=2)
    made.add("broken", "split 0", [], error="no space left")
    text = as_text(read_results(made.folder))
    row = next(line for line in text.splitlines() if line.startswith("broken"))
    assert row.split()[1:4] == ["0", "of", "1"] and row.split()[4] == "-"
    assert "no space left" in text


def test_as_text__names_cannot_speak_to_the_terminal(made):
    made.add("a\x1b[31m", "split 0", [True] * 10)
    assert "\x1b" not in as_text(read_results(made.folder))


def test_pair_sentences__of_the_best_alone_and_what_was_measured_on_other_photos(made):
    fill(made, {"a": 0.95, "b": 0.6, "c": 0.5}, replicates=4)
    results = read_results(made.folder)
    assert len(results.pairs) == 3
    lines = pair_sentences(results)
    assert len(lines) == 2 and all("a" in line for line in lines)
    made.add(
        "elsewhere", "split 0", [True] * 50, photos=[f"other {number}" for number in range(50)], loss=0.9
    )
    lines = pair_sentences(read_results(made.folder))
    assert lines[-1] == "Measured on other photos, and not compared: elsewhere."


def test_trust_sentences__two_trials_are_few(made):
    fill(made, {"a": 0.9}, replicates=2)
    lines = trust_sentences(read_results(made.folder))
    assert lines[0].startswith("Two splits hardly say how much figures vary")
    assert lines[-1].startswith("2 test-set evaluations, one by every trial;")


def test_trust_sentences__without_a_test_split(tmp_path):
    made = Made(tmp_path / "study")
    made.has_test = False
    fill(made, {"a": 0.9}, replicates=3)
    (line,) = trust_sentences(read_results(made.folder))
    assert line.startswith("No test-set evaluation.")


def test_trust_sentences__of_nothing_complete(made):
    made.add("a", "split 0", [], error="x")
    assert trust_sentences(read_results(made.folder)) == []


def test_search__states_and_commands_that_can_be_pasted(made):
    fill_search(made, 4)
    made.info |= {"source": "my photos"}
    made.save()
    results = read_results(made.folder)
    assert state_sentence(results.search) == "4 configurations: 3 complete, 1 pruned, 0 failed."
    train, several = (shlex.split(command) for command in commands_for_best(results, results.search))
    assert train == ["budwood", "train", "my photos", "--recipe", str(made.folder / "best.toml")]
    assert several[:3] == ["budwood", "study", "my photos"]
    assert several[several.index("--seeds") + 1] == "3-7"
    assert f"Train it: {shlex.join(train)}" in as_text(results)


def test_trust_sentences__near_twins_are_in_the_figures(made):
    fill(made, {"a": 0.9}, replicates=3)
    results = read_results(made.folder)
    assert not any("twin" in line for line in trust_sentences(results))
    lines = trust_sentences(replace(results, near_twins=4, linear=True))
    assert lines[0].startswith("Up to 4 test photos of a trial have a near twin in training")
    assert lines[1].startswith("Linear probes look for near twins by the perceptual hash alone")


def test_search_sentences__of_several_labels(tmp_path):
    made = MadeLabels(tmp_path / "study")
    fill_labels(made, {"good": 2.0}, replicates=2)
    tried = [Tried(0, "good", {"recipe": "good"}, "complete", [0.5, 0.5])]
    search = SearchResults({}, 2, 7, {}, tried, source="photos", test_is_given=False)
    lines = search_sentences(read_results(made.folder), search)
    assert "Lowest validation loss: good: 0.500, mean average precision " in lines[1]
    assert not [line for line in lines if "correct" in line or "accura" in line]


def test_trust_sentences__thresholds_are_chosen_on_validation_photos(tmp_path):
    results = replace(read_results(made_of_labels(tmp_path)), test_evaluations=0)
    assert trust_sentences(results)[-1].endswith(
        "chose the epoch, the phase and the thresholds of each trial, which flatters macro F1 and exact match."
    )


def made_of_labels(tmp_path):
    made = MadeLabels(tmp_path / "study")
    fill_labels(made, {"a": 2.0}, replicates=1)
    return made.folder

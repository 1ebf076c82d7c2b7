import pytest

from budwood.studies import figures
from budwood.studies.results import Pair, read_results
from tests.studies.made import fill, fill_search


def short(made, *names):
    for name in names:
        made.add(name, "split 0", [True, False])
    return figures.short_names(read_results(made.folder)), figures.common_words(read_results(made.folder))


def test_short_names__leave_out_what_all_have(made):
    found, common = short(
        made,
        "quick, b0, finetune.epochs=2, data.resize=crop",
        "quick, b0, finetune.epochs=4, data.resize=crop",
    )
    assert list(found.values()) == ["epochs=2", "epochs=4"]
    assert common == "quick, b0, data.resize=crop"


def test_short_names__keep_what_tells_keys_and_lists_apart(made):
    found, common = short(
        made,
        "quick, frozen.epochs=2, finetune.epochs=2, frozen.strengths=[1, 0.1]",
        "quick, frozen.epochs=4, finetune.epochs=4, frozen.strengths=[2, 0.1]",
    )
    assert set(found.values()) == {
        "frozen.epochs=2, finetune.epochs=2, strengths=[1, 0.1]",
        "frozen.epochs=4, finetune.epochs=4, strengths=[2, 0.1]",
    }
    assert common == "quick"


@pytest.mark.parametrize("names", [("a",), ("a", "a, b"), ("a", "b")])
def test_short_names__of_which_nothing_would_be_left_stay(made, names):
    found, _ = short(made, *names)
    assert all(found.values()) and len(set(found.values())) == len(names)


@pytest.mark.parametrize(("low", "p", "told"), [(0.01, 0.01, True), (-0.01, 0.01, False), (0.01, 0.2, False)])
def test_is_told__interval_and_test_agree(low, p, told):
    assert figures.is_told(Pair("a", "b", 0.05, low, 0.1, p / 2, p, 3, "m", "w")) is told


def test_is_told__says_what_the_words_say(made):
    fill(made, {"good": 0.9, "bad": 0.6, "alike": 0.9})
    pairs = read_results(made.folder).pairs
    assert {figures.is_told(pair) for pair in pairs} == {True, False}
    assert all(figures.is_told(pair) == (" is better than " in pair.words) for pair in pairs)


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


def test_course__is_empty_where_nothing_is_complete(made):
    fill_search(made, number=4)
    search = read_results(made.folder).search
    assert "<svg" in figures.course(search)
    assert figures.course({"configurations": [search["configurations"][3]]}) == ""


def test_slices__the_most_important_first_and_no_dimension_of_one_value(made):
    fill_search(made)
    names = [name for name, _ in figures.slices(read_results(made.folder).search)]
    assert names == ["finetune.learning_rate", "backbone"]


def test_accuracy_by_time__takes_two(made):
    fill(made, {"only": 0.8}, units=2)
    assert figures.accuracy_by_time(read_results(made.folder)) is None

import re

import pytest

from budwood.core import files
from budwood.core.errors import RunError
from budwood.report.checklists.fill import CHECKLISTS, as_markdown, fill_checklist, find_checklist
from budwood.report.summary import read_contents
from tests.report.checklists.conftest import KINDS, edit, set_recipe


@pytest.fixture
def filled(made):
    return lambda name="reforms", **options: fill_checklist(read_contents(made(**options)), name)


def answer(filled, number):
    return next(one for one in filled.answers if one.number == number)


def is_there(folder, place):
    """Whether a run has a file, and in it the key that is named."""
    name, _, key = place.partition(": ")
    file = folder / name
    if not file.is_file():
        return False
    if not key:
        return True
    if file.suffix == ".csv":
        return key in file.read_text(encoding="utf-8").splitlines()[0].split(",")
    if file.suffix == ".toml":
        import tomllib

        part = tomllib.loads(file.read_text(encoding="utf-8"))
    else:
        part = files.read_json(file)
    for one in key.split("."):
        if not isinstance(part, dict) or one not in part:
            return False
        part = part[one]
    return True


@pytest.mark.parametrize("kind", [*KINDS, "several labels"])
def test_fill_checklist__says_of_every_answer_where_in_the_run_it_is_from(kind, made, labelled):
    folder = labelled if kind == "several labels" else made(**KINDS[kind])
    for name in CHECKLISTS:
        for one in fill_checklist(read_contents(folder), name).answers:
            lost = [place for place in one.where if not is_there(folder, place)]
            assert lost == [], f"{name} {one.number}"
            assert one.state == "question" or (one.text and one.where), f"{name} {one.number}"
            assert one.question or one.state != "question", f"{name} {one.number}"
            assert not re.search(r"[a-z(:] None\b|nan %", one.text), f"{name} {one.number}: {one.text}"


def test_is_there__finds_what_is_not(made):
    folder = made()
    assert is_there(folder, "metrics.json: test.accuracy_ci95") and is_there(folder, "split.csv: group")
    assert not is_there(folder, "metrics.json: test.accurracy") and not is_there(folder, "split.csv: groups")
    assert not is_there(folder, "layers.csv") and not is_there(folder, "recipe.toml: data.sizes")


def test_fill_checklist__most_of_reforms_is_answered_from_the_run(filled):
    found = filled()
    assert len(found.answers) == 32
    assert found.from_the_run >= 16 and found.num("answered") + found.num("not applicable") >= 24
    asked = [one.number for one in found.answers if one.state == "question"]
    assert asked == ["1a", "1b", "1c", "3a", "3b", "3c", "3g", "8a"]


def test_fill_checklist__of_several_labels_a_photo(labelled):
    found = fill_checklist(read_contents(labelled), "reforms")
    assert found.from_the_run >= 16 and found.num("answered") + found.num("not applicable") >= 24
    assert "mean average precision" in answer(found, "7a").text and "Always" not in answer(found, "7a").text
    assert "the threshold of each label" in answer(found, "6a").text


def test_fill_checklist__without_a_test_the_figures_answer_nothing_that_needs_one(filled):
    claim = filled("claim", test=False)
    for number in ("32", "37", "38"):
        assert answer(claim, number).state == "question"
    assert "validation photos" in answer(claim, "37").text


def test_fill_checklist__a_run_of_an_older_version_does_not_guess_its_machine(filled):
    found = answer(filled(machine=False), "2c")
    assert (
        found.state == "question" and "run.json: machine" not in found.where and "keras 3.15.1" in found.text
    )


def test_fill_checklist__a_trial_without_a_model_claims_none(filled):
    found = filled("tripod-ai", saved=False)
    assert answer(found, "22").state == "question" and "keeps no model" in answer(found, "22").text
    assert answer(found, "27a").state == "question"
    assert not any(place.startswith("model/") for one in found.answers for place in one.where)


@pytest.mark.parametrize(("name", "number"), [("reforms", 32), ("claim", 44), ("tripod-ai", 52)])
def test_fill_checklist__has_every_item(filled, name, number):
    found = filled(name)
    assert len(found.answers) == len({one.number for one in found.answers}) == number
    assert all(re.fullmatch(r"\d+[a-g]?", one.number) for one in found.answers)
    assert re.fullmatch(r"10\.\d+/\S+", found.doi) and "2024" in found.source


def test_find_checklist():
    assert find_checklist("REFORMS").name == "reforms"
    with pytest.raises(RunError, match="Did you mean tripod-ai"):
        find_checklist("tripod")


def test_as_markdown__counts_and_lists_what_is_asked(filled):
    found = filled()
    text = as_markdown(found)
    assert f"Of 32 items the run answers **{found.num('answered')}**" in text
    assert "Questions to you: 1a, 1b, 1c, 3a, 3b, 3c, 3g, 8a." in text
    assert text.count("\n### ") == 32 and text.count("> **To answer:**") == found.num("question")
    assert f"<https://doi.org/{found.doi}>" in text and "\u00a0" not in text


@pytest.mark.parametrize("evil", ["<script>x</script>", "# big", "[x](http://y)", "a`b```c", "|a|"])
def test_as_markdown__no_name_is_markup(made, evil):
    folder = made(classes=[evil, "other"])
    edit(folder, "run.json", command=f"budwood train '{evil}'")
    text = as_markdown(fill_checklist(read_contents(folder), "reforms"))
    from budwood.report.markdown import as_html

    page = str(as_html(text))
    assert "<script" not in page and page.count("<h1>") == 1 and 'href="http://y"' not in page
    assert page.count("<h3>") == 32 and page.count("<pre>") == 2


def test_fill_checklist__a_recipe_changes_what_is_said(made):
    folder = made()
    set_recipe(folder, "data.train_photos=100", "loss.class_weights=balanced", "data.folds=5")
    found = fill_checklist(read_contents(folder), "reforms")
    assert "100 training photos" in answer(found, "4a").text
    assert "classes weighted" in answer(found, "5a").text
    assert "fold 0 of 5" in answer(found, "5c").text.lower()

import pytest

from budwood.report.checklists.item import Answer, FilledChecklist, Item, Said, fill_item


def item(said=None, **changes):
    return Item("1a", "Name", "Why?", (lambda facts: said) if said else None, more="more", **changes)


@pytest.mark.parametrize(
    ("said", "state", "question"),
    [
        (None, "question", "Why?"),
        (Said("question", "a hint", ("run.json",)), "question", "Why?"),
        (Said("answered", "so", ("run.json",)), "answered", "more"),
        (Said("not applicable", "not here", ("run.json",)), "not applicable", ""),
    ],
)
def test_fill_item__asks_as_its_state_says(facts, said, state, question):
    found = fill_item(item(said), "1. Goals", facts())
    assert (found.state, found.question, found.section) == (state, question, "1. Goals")
    assert found.text == (said.text if said else "")


def test_fill_item__a_hint_answers_nothing(facts):
    found = fill_item(item(Said("answered", "so", ("run.json",)), is_hint=True), "1. Goals", facts())
    assert (found.state, found.text, found.question) == ("question", "so", "Why?")


def test_fill_item__without_a_text_there_is_no_place(facts):
    assert fill_item(item(Said("question", "", ("run.json",))), "", facts()).where == ()


def test_filled_checklist__counts():
    states = [("answered", "add"), ("answered", ""), ("question", "why?"), ("not applicable", "")]
    answers = tuple(Answer("1", "", "", state, "", ("run.json",), asked) for state, asked in states)
    answers += (Answer("2", "", "", "answered", "from nowhere", (), ""),)
    filled = FilledChecklist("a", "A", "", "", "run", "1", answers)
    assert (filled.num("answered"), filled.from_the_run, filled.to_be_added_to) == (3, 2, 1)

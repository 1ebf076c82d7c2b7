from budwood.report.checklists.reforms import REFORMS


def test_reforms__has_the_numbers_of_the_published_list():
    found = {section.title[0]: [item.number for item in section.items] for section in REFORMS.sections}
    letters = {
        "1": "abc",
        "2": "abcde",
        "3": "abcdefg",
        "4": "abc",
        "5": "abcdef",
        "6": "abc",
        "7": "abc",
        "8": "ab",
    }
    assert found == {number: [number + letter for letter in some] for number, some in letters.items()}


def test_reforms__every_item_has_something_to_ask_where_a_run_may_not_answer():
    assert all(item.topic or item.question for section in REFORMS.sections for item in section.items)

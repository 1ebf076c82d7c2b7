from budwood.report.checklists.tripod_ai import TRIPOD_AI

LETTERS = {
    3: "abc",
    5: "ab",
    6: "abc",
    8: "abc",
    9: "abc",
    12: "abcdefg",
    18: "abcdef",
    20: "abc",
    23: "ab",
    27: "abc",
}


def test_tripod_ai__has_27_items_in_52_parts():
    numbers = [item.number for section in TRIPOD_AI.sections for item in section.items]
    expected = [f"{number}{letter}" for number in range(1, 28) for letter in LETTERS.get(number, [""])]
    assert numbers == expected and len(numbers) == 52

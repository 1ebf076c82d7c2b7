import pytest

from budwood.studies.report.names import common_words, short_names
from budwood.studies.results import read_results


def short(made, *names):
    for name in names:
        made.add(name, "split 0", [True, False])
    return short_names(read_results(made.folder)), common_words(read_results(made.folder))


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
        "quick, frozen.epochs=2, finetune.epochs=2, frozen.l2_strengths=[1, 0.1]",
        "quick, frozen.epochs=4, finetune.epochs=4, frozen.l2_strengths=[2, 0.1]",
    )
    assert set(found.values()) == {
        "frozen.epochs=2, finetune.epochs=2, l2_strengths=[1, 0.1]",
        "frozen.epochs=4, finetune.epochs=4, l2_strengths=[2, 0.1]",
    }
    assert common == "quick"


@pytest.mark.parametrize("names", [("a",), ("a", "a, b"), ("a", "b")])
def test_short_names__of_which_nothing_would_be_left_stay(made, names):
    found, _ = short(made, *names)
    assert all(found.values()) and len(set(found.values())) == len(names)

"""The labels in doubt of a run with several labels a photo."""

import numpy as np
import pytest

from budwood.evaluation.label_issues import find_wrong_values
from budwood.report import label_suspects as module
from budwood.report.label_sections import LabelMistakes, label_mistakes
from budwood.report.label_suspects import label_suspects
from budwood.report.page import write_report
from budwood.report.summary import read_contents
from budwood.report.thumbnails import Thumbnails
from tests.report.label_run import build_label_run

NOTHING = Thumbnails({}, "crop", {}, None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    return folder, build_label_run(folder)


def test_label_suspects__are_the_wrong_values_of_held_out_photos(made):
    contents = read_contents(made[0])
    held = contents.files.label_predictions
    assert "train" not in held.splits
    found = label_suspects(contents, NOTHING, LabelMistakes("test", [], [], 0, 0))
    expected = find_wrong_values(held.targets, held.probabilities)
    assert expected and [(one.photo, one.label, one.given) for one in found.shown] == [
        (held.names[one.index], held.labels[one.label], one.given) for one in expected[: module.SUSPECTS]
    ]
    assert found.num_suspects == len(expected) == len(found.cells) and found.num_above == 0
    assert (found.num_photos, found.num_values) == (60, int((~np.isnan(held.targets)).sum()))
    assert found.splits == "validation and test"


def test_label_suspects__do_not_show_again_what_stands_among_the_mistakes(made):
    contents = read_contents(made[0])
    mistakes = label_mistakes(contents, NOTHING)
    found = label_suspects(contents, NOTHING, mistakes)
    above = {(one.photo, one.label) for one in (*mistakes.misses, *mistakes.alarms)}
    assert found.num_above == len(found.cells & above) > 0
    assert found.num_above + found.num_others == found.num_suspects
    assert not {(one.photo, one.label) for one in found.shown} & above


def test_report__lists_labels_in_doubt_and_marks_them_among_the_mistakes(made):
    found = label_suspects(read_contents(made[0]), NOTHING, label_mistakes(read_contents(made[0]), NOTHING))
    html = write_report(*made).read_text()
    section = html.split('<section id="label_suspects">')[1].split("</section>")[0]
    assert section.count("<li>") == len(found.shown)
    assert section.count("is missing?") == sum(not one.given for one in found.shown)
    mistakes = html.split('<section id="label_mistakes">')[1].split("</section>")[0]
    assert mistakes.count("label?</span>") == found.num_above
    assert 'href="#label_suspects">labels that may be wrong' in html


def test_report__where_no_label_is_in_doubt(tmp_path):
    photos = build_label_run(tmp_path / "run", skill=60.0, pictures=False)
    assert "looks missing or too much" in write_report(tmp_path / "run", photos).read_text()

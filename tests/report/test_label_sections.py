"""The report of a run with several labels a photo."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from budwood.core.errors import RunError
from budwood.report.card import write_card
from budwood.report.label_sections import (
    label_curves,
    label_mistakes,
    label_table,
    labels_together,
)
from budwood.report.notebook import show_run
from budwood.report.page import write_report
from budwood.report.summary import read_contents
from budwood.report.thumbnails import Thumbnails
from budwood.runs.files import RunFiles
from tests.report.label_run import LABELS, build_label_run


@pytest.fixture
def made(tmp_path):
    photos = build_label_run(tmp_path / "run")
    return tmp_path / "run", photos


def test_label_table__is_what_scikit_learn_finds(made):
    held = RunFiles(made[0]).label_predictions.of("test")
    rows = label_table(read_contents(made[0])).rows
    assert [row.average_precision for row in rows] == sorted(row.average_precision for row in rows)
    for row in rows:
        place = LABELS.index(row.label)
        known = ~np.isnan(held.targets[:, place])
        expected = average_precision_score(held.targets[known, place], held.probabilities[known, place])
        assert row.average_precision == pytest.approx(expected, abs=2e-3)


def test_label_table__names_labels_whose_threshold_could_not_be_chosen(made, tmp_path):
    assert label_table(read_contents(made[0])).not_chosen == ()
    photos = build_label_run(tmp_path / "other", missing=3)
    table = label_table(read_contents(tmp_path / "other"))
    assert table.not_chosen == (LABELS[3],)
    assert next(row for row in table.rows if row.label == LABELS[3]).threshold == 0.5
    html = write_report(tmp_path / "other", photos).read_text()
    assert "The threshold of &lt;b&gt;trees&lt;/b&gt; could not be chosen and is 0.5" in html


def test_labels_together__counts_photos(made):
    held = RunFiles(made[0]).label_predictions.of("test")
    found = labels_together(read_contents(made[0]))
    for pair in found.pairs:
        places = [LABELS.index(pair.one), LABELS.index(pair.other)]
        assert pair.true == int((held.targets[:, places] > 0.5).all(axis=1).sum())
    assert found.swaps and found.swaps[0].photos == max(swap.photos for swap in found.swaps)


def test_label_mistakes__are_the_surest_and_wrong(made):
    held = RunFiles(made[0]).label_predictions.of("test")
    found = label_mistakes(read_contents(made[0]), Thumbnails({}, "crop", {}, None))
    assert found.misses and found.alarms
    for kind, has in ((found.misses, 1.0), (found.alarms, 0.0)):
        for one in kind:
            row, place = held.names.index(one.photo), LABELS.index(one.label)
            assert held.targets[row, place] == has
            assert (one.probability >= one.threshold) != bool(has)
    probabilities = [one.probability for one in found.misses]
    assert probabilities == sorted(probabilities)


def test_label_curves__draw_each_label(made):
    found = label_curves(read_contents(made[0]))
    assert len(found.charts) == len(LABELS) and "<svg" in str(found.charts[0][1])


def test_curves__have_one_disc_at_the_threshold(made):
    contents = read_contents(made[0])
    for title, chart in label_curves(contents).charts:
        row = next(one for one in label_table(contents).rows if title.startswith(f"{one.label}: "))
        assert str(chart).count("<circle") == (row.recall is not None and row.precision is not None)


def test_report__shows_labels_and_runs_nothing(made):
    html = write_report(made[0], made[1]).read_text()
    assert "mean average precision over 4" in html and 'id="label_mistakes"' in html
    assert "<b>trees</b>" not in html and "&lt;b&gt;trees" in html
    assert 'id="confusion"' not in html and "Always answering" not in html
    assert "How many photos of each label are in each split; a photo counts under each of its labels" in html


def test_card__says_what_it_answers(tmp_path):
    build_label_run(tmp_path / "run", pictures=False)
    (tmp_path / "run" / "model").mkdir()
    text = write_card(tmp_path / "run").read_text()
    assert (
        "says which of 4" in text
        and "mean_average_precision" in text
        and "accuracy" not in text.split("---")[1]
    )


def test_notebook__shows_the_labels(made):
    found = show_run(made[0])
    assert found.text.startswith("On 30 test photos never used for training, the mean average precision")
    assert "threshold" in found.html and "<b>trees" not in found.html


def test_predictions__of_one_class_are_refused(made):
    with pytest.raises(RunError, match="several labels a photo"):
        _ = RunFiles(made[0]).predictions

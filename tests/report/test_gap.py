import math

import pytest

from budwood.config.recipe import Recipe
from budwood.core import files
from budwood.report.gap import describe_gap
from budwood.report.phases import describe_phases
from budwood.report.summary import read_contents


def gap_of(run, train, validation, phase="finetune", **recipe):
    files.write_text(run.folder / "recipe.toml", Recipe.from_dict(recipe).to_toml())
    return describe_gap(read_contents(run.folder), {"accuracy": train, "val_accuracy": validation}, phase)


PLAIN = {"head": {"dropout": 0.0}}
VARIED = {"head": {"dropout": 0.3}, "augment": {"views": "per-epoch", "rotation": 0.1}}


def test_describe_gap__train_above_validation_is_overfitting(make_run):
    gap = gap_of(make_run(per_class=400), 0.991, 0.85, **PLAIN)
    assert gap.label == "gap 14.1 points"
    assert gap.words.startswith("Train lies 14.1 points above validation, more than the ")
    assert "overfitting" in gap.words and "harder" not in gap.words


def test_describe_gap__harder_pictures_make_the_true_gap_wider(make_run):
    words = gap_of(make_run(per_class=400), 0.991, 0.85, **VARIED).words
    assert words.endswith(
        "measured on harder pictures (augmented views and dropout), so the true gap is wider."
    )


def test_describe_gap__what_chance_explains_is_no_overfitting(make_run):
    gap = gap_of(make_run(), 0.95, 0.90, **PLAIN)
    assert gap.words.startswith("Train and validation lie 5.0 points apart, no more than the ")
    assert "no overfitting" in gap.words


@pytest.mark.parametrize(("recipe", "why"), [(VARIED, "so that is no fault"), (PLAIN, "still moving")])
def test_describe_gap__train_below_validation(make_run, recipe, why):
    gap = gap_of(make_run(per_class=2000), 0.80, 0.92, **recipe)
    assert gap.points < 0 and gap.label == "gap 12.0 points"
    assert "12.0 points below validation" in gap.words and why in gap.words


def test_describe_gap__a_linear_fit_sees_plain_photos(make_run):
    words = gap_of(make_run(per_class=400), 1.0, 0.9, "frozen", **VARIED).words
    assert "harder" not in words and "chosen by cross-validation" in words


def test_describe_gap__all_right_on_ten_photos_is_not_certain(make_run):
    assert "no more than" in gap_of(make_run(per_class=20), 1.0, 0.9, **PLAIN).words


@pytest.mark.parametrize("missing", [math.nan, None])
def test_describe_gap__without_a_figure(make_run, missing):
    contents = read_contents(make_run().folder)
    row = {"accuracy": 0.9} if missing is None else {"accuracy": 0.9, "val_accuracy": missing}
    assert describe_gap(contents, row, "frozen") is None


def test_describe_phases__the_gap_stands_in_words_and_in_the_chart_of_accuracy(make_run):
    both = describe_phases(read_contents(make_run(fit="gradient", finetuned=True).folder))
    charts = dict(both.curves.charts)
    assert 'class="gap"' in charts["Accuracy"] and "gap " in charts["Accuracy"]
    assert 'class="gap"' not in charts["Loss"]
    assert " points apart" in both.reading[0] or " points above" in both.reading[0]

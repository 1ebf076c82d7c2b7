"""Figures of several labels as lines of a terminal."""

from budwood.report.label_words import chance, first_lines, labels_as_text, notes, without_twins
from budwood.runs.figures import WithoutTwins
from budwood.runs.files import RunFiles
from tests.report.label_run import build_label_run


def scores(tmp_path, **options):
    build_label_run(tmp_path / "run", pictures=False, **options)
    return RunFiles(tmp_path / "run").metrics.figures_of("test")


def test_text__names_every_label(tmp_path):
    text = labels_as_text(scores(tmp_path), "test")
    assert text.startswith(
        "On 30 test photos never used for training, the mean average precision over 4 labels is "
    )
    for label in ("desert", "sea", "sunset", "<b>trees</b>"):
        assert f"\n{label} " in text


def test_chance__is_the_mean_share_of_photos_with_a_label(tmp_path):
    found = scores(tmp_path, skill=0.0, n=3000)
    assert abs(chance(found) - 0.3) < 0.03
    # A model that knows nothing comes to about as much.
    assert abs(found.mean_average_precision - chance(found)) < 0.08


def test_notes__name_rare_labels_and_chance(tmp_path):
    lines = notes(scores(tmp_path), "test")
    assert any("fewer than 10 test photos" in line for line in lines)
    assert any(line.startswith("Probabilities that know nothing") for line in lines)
    assert "No test was asked for" in notes(scores(tmp_path / "other"), "validation")[0]


def test_first_lines__begin_with_the_figure(tmp_path):
    lines = first_lines(scores(tmp_path), "test", ["Only one phase was trained."])
    assert lines[0].startswith("On 30 test photos") and lines[-1] == "Only one phase was trained."


def test_without_twins__stands_after_the_figure(tmp_path):
    found = scores(tmp_path)
    assert without_twins(found) == ""
    alone = WithoutTwins(twins=1, n=29, accuracy=0.5, accuracy_ci95=(0.25, 0.75), pairs=())
    told = first_lines(found.model_copy(update={"without_twins": alone}), "test", [])[1]
    assert told == (
        "1 of these photos has a near twin in training, which may flatter the figures: of the other 29 photos every "
        "label is right on 50.0 % (25.0 % to 75.0 %)."
    )
    every = WithoutTwins(twins=30, n=0, accuracy=None, accuracy_ci95=None, pairs=())
    told = first_lines(found.model_copy(update={"without_twins": every}), "test", [])[1]
    assert told.startswith("Every one of these photos has a near twin in training")


def test_text__names_what_is_in_no_mean(tmp_path):
    found = scores(tmp_path).model_copy(update={"without_mean": ("sea", "moon")})
    told = "Not in the means: “sea” and “moon”, for no test photo is known to have the label, or every one."
    assert told in labels_as_text(found, "test").splitlines() and told in notes(found, "test")

import math

from budwood.config.recipe import Recipe
from budwood.core import files
from budwood.report.head import describe_head
from budwood.report.summary import read_contents


def test_describe_head__single_strength(make_run):
    run = make_run()
    point = {"l2_strength": 0.01, "loss": 0.3, "accuracy": 0.9, "loss_se": math.nan}
    files.write_json(run.folder / "linear_path.json", {"chosen": 0.01, "path": [point]})
    head = describe_head(read_contents(run.folder))
    assert "1 L2 strength was tried" in head.fit.lead
    assert head.fit.table.rows == [["0.01 (chosen)", "0.3000", "–", "90.0\u00a0%"]]


def test_describe_head__path_marks_the_chosen_strength(make_run):
    head = describe_head(read_contents(make_run().folder))
    assert "13 L2 strengths were tried by 5-fold cross-validation" in head.fit.lead
    assert [row[0] for row in head.fit.table.rows if "chosen" in row[0]] == ["0.001 (chosen)"]
    assert len(head.fit.charts) == 2


def test_describe_head__gradient_fit_before_fine_tuning_is_told_with_the_phases(make_run):
    assert describe_head(read_contents(make_run(fit="gradient", finetuned=True).folder)) is None
    head = describe_head(read_contents(make_run(finetuned=True).folder))
    assert "logistic regression" in head.fit.lead


def test_describe_head__augmentation_in_words(make_run):
    run = make_run(fit="gradient")
    assert "view" not in describe_head(read_contents(run.folder)).fit.lead
    recipe = Recipe.from_dict(
        {"augment": {"views": 4, "horizontal_flip": True}, "loss": {"label_smoothing": 0.1}}
    )
    files.write_text(run.folder / "recipe.toml", recipe.to_toml())
    lead = describe_head(read_contents(run.folder)).fit.lead
    assert "one of 3 augmented views" in lead and "label smoothing" in lead


def test_describe_head__layers_and_gap_of_a_head_alone(make_run):
    run = make_run(finetuned=True)
    layers = (run.folder / "layers.csv").read_bytes()
    assert describe_head(read_contents(run.folder)).layers is None
    (run.folder / "layers.csv").unlink()
    run = make_run(per_class=400)
    assert describe_head(read_contents(run.folder)).layers is None
    (run.folder / "layers.csv").write_bytes(layers)
    head = describe_head(read_contents(run.folder))
    assert head.layers.title.startswith("Layers: 11 of ")
    assert "fine-tuning" not in head.layers.title
    assert head.reading.startswith("Train ")

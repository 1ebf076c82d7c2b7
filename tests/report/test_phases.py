import numpy as np
import pytest

from budwood.core import files
from budwood.core.text import NO_BREAK
from budwood.evaluation.statistics import wilson_interval
from budwood.evaluation.verdict import compare_phases
from budwood.report.phases import describe_phases
from budwood.report.summary import read_contents


def describe(run, **changes):
    metrics = files.read_json(run.folder / "metrics.json")
    files.write_json(run.folder / "metrics.json", metrics | changes)
    found = describe_phases(read_contents(run.folder))
    assert found is not None
    return found


@pytest.mark.parametrize("fit", ["linear", "gradient"])
def test_describe_phases__one_phase_has_none(make_run, fit):
    assert describe_phases(read_contents(make_run(fit=fit).folder)) is None


@pytest.mark.parametrize(("fit", "first", "kept"), [("gradient", 15, 22), ("linear", 2, 9)])
def test_describe_phases__curves_of_both_with_a_line_between(make_run, fit, first, kept):
    both = describe(make_run(fit=fit, finetuned=True))
    assert [title for title, _ in both.curves.charts] == ["Loss", "Accuracy"]
    for _, chart in both.curves.charts:
        assert "fine-tuning starts" in chart
        assert f"Fine-tuning starts with epoch {first}. Kept epoch: {kept}." in chart
        assert chart.count("<circle") == 2 * (first - 1 + 10)
    phases = [row[0] for row in both.curves.table.rows]
    assert phases == ["frozen"] * (first - 1) + ["finetune"] * 10
    assert [row[1] for row in both.curves.table.rows if "kept" in row[1]] == [f"{kept} (kept)"]


def test_describe_phases__top5_with_more_than_five_classes(make_run):
    both = describe(make_run([f"bird {i}" for i in range(8)], finetuned=True))
    assert [title for title, _ in both.curves.charts] == ["Loss", "Accuracy", "Top-5 accuracy"]
    assert "validation top-5 accuracy" in both.curves.table.columns


def test_describe_phases__the_frozen_phase_may_be_the_better_one(make_run):
    both = describe(make_run(fit="gradient", finetuned=True), chosen_phase="frozen")
    assert both.table.kept == [True, False]
    notes = [row[1] for row in both.curves.table.rows if "(" in row[1]]
    assert notes == ["9 (kept)", "22 (best of its phase)"]
    assert both.reading[0].startswith("At epoch 9, which was kept")


def test_describe_phases__figures_of_each_phase(make_run):
    run = make_run(fit="gradient", finetuned=True)
    phases = files.read_json(run.folder / "metrics.json")["phases"]
    figures = dict(describe(run).table.figures)
    assert figures["Epochs"] == ["14", "10"]
    assert figures["Best epoch, numbered on through all phases"] == ["9", "22"]
    assert figures["Time"] == ["2.1 s", "5 min 42 s"]
    assert figures["Trainable parameters"] == [f"{phase['trainable_parameters']:,}" for phase in phases]
    assert figures["Validation loss"] == [f"{phase['validation_loss']:.4f}" for phase in phases]
    for split in ("validation", "test"):
        shares = [f"{100 * phase[f'{split}_accuracy']:.1f}{NO_BREAK}%" for phase in phases]
        assert figures[f"{split.title()} accuracy"] == shares


def test_describe_phases__without_test(make_run):
    both = describe(make_run(finetuned=True, test=False))
    assert "Test accuracy" not in dict(both.table.figures)
    assert "on 20 validation photos" in both.difference.title


@pytest.mark.parametrize("counts", [(300, 40, 5, 22), (300, 5, 40, 22), (300, 6, 8, 53), (360, 0, 0, 7)])
def test_describe_phases__difference_has_its_place_around_zero(make_run, counts):
    before = np.repeat([True, False, True, False], counts)
    after = np.repeat([True, True, False, False], counts)
    verdict = compare_phases(before, after)
    scale = describe(make_run(finetuned=True), verdict=verdict).difference
    left, right = scale.left, scale.left + scale.width
    assert 0 <= left <= scale.value <= right <= 100
    assert (left > 50) == (verdict["interval"][0] > 0)
    assert (right < 50) == (verdict["interval"][1] < 0)
    assert (scale.value > 50) == (verdict["difference"] > 0)


def test_describe_phases__without_a_verdict(make_run):
    assert describe(make_run(finetuned=True), verdict={"difference": None, "words": ""}).difference is None


def test_describe_phases__layers(make_run):
    run = make_run(finetuned=True)
    layers = read_contents(run.folder).layers
    both = describe(run)
    trained = [layer for layer in layers if layer.trained]
    total = sum(layer.parameters for layer in layers)
    assert both.layers.title == (
        f"Layers: {len(trained)} of {len(layers)} were trained, "
        f"with {sum(layer.parameters for layer in trained):,} of {total:,} parameters"
    )
    assert ", in fine-tuning, which was not kept, with " in describe(run, chosen_phase="frozen").layers.title
    assert both.layers.boundary == "block_13_expand"
    assert "from “block_14_expand” upwards" in both.lead
    assert f"({len(trained) - 1} layers with weights; BatchNorm kept as it was)" in both.lead
    (run.folder / "layers.csv").unlink()
    assert describe(run).layers is None


def test_describe_phases__augmentation_and_loss_in_words(make_run):
    lines = describe(make_run(finetuned=True)).reading
    assert "turned by up to 36 degrees" in lines[1]
    assert "The logistic regression saw the original photos alone." in lines[1]
    assert "label smoothing" in lines[2]


def test_describe_phases__linear_fit_that_learned_from_the_views(make_run):
    run = make_run(finetuned=True)
    recipe = (run.folder / "recipe.toml").read_text(encoding="utf-8")
    files.write_text(run.folder / "recipe.toml", recipe.replace('views = "per-epoch"', "views = 5", 1))
    gap, augmentation, _ = describe(run, chosen_phase="frozen").reading
    assert augmentation.startswith(
        "Every epoch showed each training photo as it is or as one of 4 augmented views"
    )
    assert augmentation.endswith("The logistic regression learned from all 5 views of each.")
    assert "of the views of the training photos" in gap


def test_describe_phases__gradient_fit_saw_the_views_too(make_run):
    line = describe(make_run(fit="gradient", finetuned=True)).reading[1]
    assert line.startswith("Every epoch showed a new augmented view") and "logistic" not in line


def test_describe_phases__no_augmentation_is_said(make_run):
    run = make_run(fit="gradient", finetuned=True)
    recipe = (run.folder / "recipe.toml").read_text(encoding="utf-8")
    files.write_text(run.folder / "recipe.toml", recipe.replace('views = "per-epoch"', "views = 0"))
    assert "There was no augmentation" in describe(run).reading[1]


def go_on(run):
    """The run as one that went on from the epochs before its fine-tuning, in another run."""
    info, metrics = (files.read_json(run.folder / name) for name in ("run.json", "metrics.json"))
    metrics["phases"][0]["name"] = "start"
    files.write_json(run.folder / "run.json", info | {"from": "first run"})
    files.write_json(run.folder / "metrics.json", metrics)
    return run


def test_describe_phases__going_on_from_another_run(make_run):
    both = describe(go_on(make_run(fit="gradient", finetuned=True)))
    assert both.lead.startswith("This run went on from the model of the run “first run”. Fine-tuning then")
    assert "10 epochs with adam" in both.lead
    assert both.table.titles == ["Before", "Fine-tuning"]
    assert "Fine-tuning starts with epoch 15. Kept epoch: 22." in both.curves.charts[0][1]


def test_describe_phases__going_on_from_a_run_that_was_fine_tuned(make_run):
    run = go_on(make_run(fit="gradient", finetuned=True))
    rows = files.read_csv(run.folder / "history.csv")
    for row in rows[6:]:
        row["phase"] = "finetune"
    files.write_csv(run.folder / "history.csv", list(rows[0]), (list(row.values()) for row in rows))
    contents = read_contents(run.folder)
    assert [len(contents.epochs(name)) for name in contents.phases] == [14, 10]
    assert "Fine-tuning goes on with epoch 15." in describe(run).curves.charts[0][1]
    kept = describe(run, chosen_phase="start")
    assert kept.table.kept == [True, False]
    assert "Kept epoch: 9." in kept.curves.charts[0][1]


def test_describe_phases__without_a_phase_before(make_run):
    run = make_run(fit="gradient", finetuned=True)
    rows = [row for row in files.read_csv(run.folder / "history.csv") if row["phase"] == "finetune"]
    files.write_csv(run.folder / "history.csv", list(rows[0]), (list(row.values()) for row in rows))
    phases = files.read_json(run.folder / "metrics.json")["phases"][1:]
    both = describe(run, phases=phases, verdict={"difference": None, "words": "Only one phase."})
    assert both.lead.startswith(
        "No head was trained before. Fine-tuning then trained the head and the backbone"
    )
    assert "lower validation loss" not in both.lead
    assert both.table.titles == ["Fine-tuning"]
    assert both.difference is None
    assert "fine-tuning starts" not in both.curves.charts[0][1]


def test_describe_phases__both_accuracies_with_wilson_intervals(make_run):
    run = make_run(finetuned=True)
    metrics = files.read_json(run.folder / "metrics.json")
    n, phases = metrics["test"]["n"], metrics["phases"]
    drawn = describe_phases(read_contents(run.folder)).accuracies
    for phase in phases:
        low, high = wilson_interval(round(phase["test_accuracy"] * n), n)
        assert f"({100 * low:.1f} to {100 * high:.1f})" in drawn
    assert [style in drawn for style in ('class="full"', 'class="hollow"')] == [True, True]
    assert "on 20 test photos" in drawn and "5 min 42 s, kept" in drawn


def test_describe_phases__one_phase_has_nothing_beside_it(make_run):
    run = make_run(fit="gradient", finetuned=True)
    metrics = files.read_json(run.folder / "metrics.json")
    metrics["phases"] = metrics["phases"][1:]
    files.write_json(run.folder / "metrics.json", metrics)
    assert describe_phases(read_contents(run.folder)).accuracies is None

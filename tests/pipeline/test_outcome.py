import math

import pytest

from budwood.config.recipe import Recipe
from budwood.pipeline.outcome import PhaseOutcome, of_results, record, tidy
from budwood.pipeline.phases import PhaseResult
from budwood.runs.figures import LinearPath
from budwood.runs.tables import read_history


def result(epochs=2, seconds=1.0, **keys):
    rows = [
        {"epoch": at + 1, "loss": 1.0, "accuracy": 0.5, "val_loss": 1 / (at + 1), "val_accuracy": 0.5}
        for at in range(epochs)
    ]
    told = {"layers": [], "recipe": Recipe(seed=7), "history": rows, "best_epoch": epochs, "seconds": seconds}
    return PhaseResult(**told | {"trainable_parameters": 10, "scaling": 1.5} | keys)


def test_of_results__one_for_all_backbones_decides_the_recipe():
    path = LinearPath(chosen=0.1, path=())
    one = result(linear_path=path, stopped="it got no better")
    found = of_results("finetune", [], [(None, one, ["top"])], Recipe())
    assert found.recipe == one.recipe and found.linear_path is path
    assert (found.trained.name, found.trained.stopped) == ("finetune", "it got no better")
    assert (found.trained.unfrozen_layers, found.trained.backbones) == (("top",), ())
    assert [(row["phase"], "backbone" in row) for row in found.history] == [("finetune", False)] * 2
    assert (found.epochs, found.val_loss) == (2, 0.5)


def test_of_results__of_several_backbones_the_sum_and_each():
    results = [("a", result(2, 1.0), ["x"]), ("b", result(3, 2.5), ["y", "z"])]
    found = of_results("finetune", [], results, Recipe())
    assert found.recipe == Recipe()
    total = found.trained
    assert (total.seconds, total.epochs, total.best_epoch, total.trainable_parameters) == (3.5, 5, 3, 20)
    assert total.unfrozen_layers == ("x", "y", "z")
    assert [(part.name, part.epochs) for part in total.backbones] == [("a", 2), ("b", 3)]
    assert [row["backbone"] for row in found.history] == ["a", "a", "b", "b", "b"]


def test_outcome__where_nothing_was_trained():
    found = PhaseOutcome("start", Recipe(), [])
    assert (found.epochs, found.val_loss) == (0, math.inf)


def test_record__the_tables_of_all_phases_and_none_of_an_untrained_head(tmp_path):
    start = PhaseOutcome("start", Recipe(), [])
    record(tmp_path, [start])
    assert not list(tmp_path.iterdir())
    frozen = of_results("frozen", [], [(None, result(1), ())], Recipe())
    tuned = of_results("finetune", [], [(None, result(2, recipe=Recipe(seed=9)), ())], Recipe())
    record(tmp_path, [start, frozen, tuned])
    assert [row["phase"] for row in read_history(tmp_path / "history.csv")] == [
        *("frozen", "finetune", "finetune")
    ]
    assert Recipe.load(tmp_path / "recipe.toml").seed == 9
    assert not (tmp_path / "linear_path.json").exists()


@pytest.mark.parametrize("kept", [[], ["finetune-3.npz", "frozen.keras"]])
def test_tidy__leaves_what_can_be_evaluated(tmp_path, kept):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("frozen-last.npz", "finetune-last.npz", "start-1.npz", *kept):
        (folder / name).touch()
    tidy(folder)
    assert sorted(file.name for file in folder.glob("*")) == kept and folder.exists() is bool(kept)

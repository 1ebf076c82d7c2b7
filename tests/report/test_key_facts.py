import pytest

from budwood.config.recipe import Recipe
from budwood.core import files
from budwood.core.text import duration
from budwood.report.key_facts import summarize
from budwood.report.summary import read_contents


def test_summarize__says_which_phase_was_kept(make_run):
    run = make_run(fit="gradient", finetuned=True)
    metrics = files.read_json(run.folder / "metrics.json")
    facts = {title: (value, more) for title, value, more in summarize(read_contents(run.folder)).facts}
    assert facts["Head"] == ("trained by adam", "best of 14 epochs: 9")
    assert facts["Fine-tuning"][0] == "10 layers and the head"
    assert facts["Fine-tuning"][1].endswith("parameters; epoch 22 is its best")
    frozen, finetuned = metrics["phases"]
    for loss, why in (
        (0.1, "its validation loss is the lower one"),
        (9.0, "by no more than a standard error"),
    ):
        metrics |= {"chosen_phase": "frozen", "phases": [frozen | {"validation_loss": loss}, finetuned]}
        files.write_json(run.folder / "metrics.json", metrics)
        summary = summarize(read_contents(run.folder))
        assert summary.phases.startswith(metrics["verdict"]["words"])
        assert "The model before fine-tuning was kept" in summary.phases and why in summary.phases


@pytest.mark.parametrize(("name", "head"), [("start", "as it was"), (None, "trained with the backbone")])
def test_summarize__head_that_this_run_did_not_train(make_run, name, head):
    run = make_run(fit="gradient", finetuned=True)
    metrics = files.read_json(run.folder / "metrics.json")
    metrics["phases"][0]["name"] = name
    metrics["phases"] = [phase for phase in metrics["phases"] if phase["name"]]
    files.write_json(run.folder / "metrics.json", metrics)
    facts = {title: value for title, value, _ in summarize(read_contents(run.folder)).facts}
    assert facts["Head"] == head


def test_summarize__within_minutes_the_time_from_the_command_on(make_run):
    folder = make_run().folder
    info = files.read_json(folder / "run.json")
    budget = {"minutes": 2.0, "planned_seconds": 90.0, "planned_epochs": 0, "seconds": 101.0}
    files.write_json(folder / "run.json", info | {"budget": budget})
    facts = {title: (value, more) for title, value, more in summarize(read_contents(folder)).facts}
    assert facts["Time"][0] == "1 min 41 s" and facts["Time"][1].endswith("planned for 2 min 0 s")


def test_summarize__of_a_training_within_minutes_that_was_interrupted(make_run):
    folder = make_run().folder
    info = files.read_json(folder / "run.json")
    budget = {"minutes": 2.0, "planned_seconds": 90.0, "planned_epochs": 0}
    files.write_json(folder / "run.json", info | {"budget": budget})
    contents = read_contents(folder)
    facts = {title: (value, more) for title, value, more in summarize(contents).facts}
    assert facts["Time"][0] == duration(contents.info.seconds)
    assert facts["Time"][1].endswith("2 min 0 s, interrupted; the time is that of what was left to do")


@pytest.mark.parametrize(
    ("name", "size"), [('["mobilenet@96", "mobilenet_v2@64"]', None), ('"mobilenet"', "64 px")]
)
def test_summarize__sizes_that_stand_with_the_networks_are_not_said_twice(make_run, name, size):
    folder = make_run().folder
    recipe = Recipe.load(folder / "recipe.toml").with_settings([f"backbone.name={name}"])
    files.write_text(folder / "recipe.toml", recipe.to_toml())
    facts = {title: more for title, _, more in summarize(read_contents(folder)).facts}
    assert (" px" in facts["Backbone"]) == (size is not None)

"""A training with a tree of labels, end to end: from folders of folders and from a table."""

import shutil

import pytest

from budwood.core.errors import DataError, RunError
from budwood.core.progress.base import SILENT
from budwood.pipeline.entry import train
from budwood.pipeline.prepare import prepare
from budwood.pipeline.request import Output, ask_for_training, read_recipe
from budwood.run import load
from tests.conftest import write_colours
from tests.metrics import assert_same_metrics

SMALL = ["backbone.name=tiny", "data.size=64", "evaluate.resamples=200"]
ROWS = "label,parent\ncolour,\ncold,colour\nblue,cold\ngreen,cold\nred,colour\n"

pytestmark = pytest.mark.usefixtures("tiny_backbones", "shared_cache")


def small_train(data, folder, *settings, recipe="frozen-linear", **options):
    return train(data, folder, recipe=recipe, settings=[*SMALL, *settings], progress=SILENT, **options)


@pytest.fixture(scope="module")
def nested(tmp_path_factory):
    folder = write_colours(tmp_path_factory.mktemp("tree") / "colours")
    (folder / "cold").mkdir()
    for label in ("blue", "green"):
        (folder / label).rename(folder / "cold" / label)
    return folder


@pytest.fixture(scope="module")
def tree_run(nested, session_cache, tmp_path_factory, tiny_backbones):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUDWOOD_CACHE", str(session_cache))
        return small_train(nested, tmp_path_factory.mktemp("runs") / "run", "data.tree=true").folder


@pytest.fixture
def table(tmp_path):
    (tmp_path / "colours.csv").write_text(ROWS)
    return tmp_path / "colours.csv"


def test_train__folders_of_folders(tree_run, nested, tmp_path):
    moved = shutil.copytree(tree_run, tmp_path / "moved")
    run = load(moved)
    assert run.classes == ["blue", "green", "red"]
    assert (moved / "taxonomy.csv").read_text() == "label,parent\ncold,\nred,\nblue,cold\ngreen,cold\n"
    assert "taxonomy.csv" in run.info["files"]
    scores = run.metrics["test"]["taxonomy"]
    assert [level["nodes"] for level in scores["levels"]] == [2, 3]
    assert scores["levels"][1]["accuracy"] == run.metrics["test"]["accuracy"]
    picture = nested / "cold" / "blue" / "blue 00.jpg"
    found = run.predict(picture, precision=0.7)[0]
    assert found.path[0][0] == "cold" and found.path[0][1] >= found.path[1][1]
    assert found.answer.label in ("blue", "cold", None)
    assert run.predict(picture)[0].answer is None
    # What the files keep says the same as what was measured.
    climb, measured = run.climb(0.7)
    assert climb.most[2] == 0.75 and measured["validation"][0].answered == 4
    told = run.metrics["climbs"][0]["depths"]
    assert [(one["promise"], one["most"], one["test"]["answered"]) for one in told[:2]] == [
        ("average", 0.75, 0),
        ("confidence", pytest.approx(0.05 ** (1 / 3)), 0),
    ]
    with pytest.raises(RunError, match="4 validation photos cannot promise .* Give 0.75 or less"):
        run.predict(picture, precision=0.9)


@pytest.mark.slow
def test_train__a_table_changes_no_figure_and_is_kept(tiny_run, session_colours, table, tmp_path):
    run = small_train(session_colours, tmp_path / "run", f"data.taxonomy={table}")
    flat = load(tiny_run)
    table.unlink()
    mine, theirs = dict(run.metrics), dict(flat.metrics)
    assert mine.pop("climbs") and "climbs" not in theirs
    for one in (mine, theirs):
        one.pop("phases")  # which have their seconds
    for split in ("validation", "test"):
        mine[split] = {key: value for key, value in mine[split].items() if key != "taxonomy"}
    assert_same_metrics(mine, theirs)
    assert (tmp_path / "run" / "predictions.csv").read_bytes() == (
        flat.folder / "predictions.csv"
    ).read_bytes()
    assert load(run.folder).taxonomy.root == "colour"
    assert load(run.folder).recipe.data.taxonomy == "taxonomy.csv"
    with pytest.raises(RunError, match="no tree of labels with levels above the classes"):
        flat.climb(0.9)
    # The run's recipe finds the run's own table.
    asked = read_recipe(run.folder / "recipe.toml")
    assert ask_for_training(session_colours, asked, Output(tmp_path / "new")).taxonomy == run.taxonomy


def test_evaluate__levels_of_new_photos(tree_run, nested, call):
    assert [
        level["depth"] for level in load(tree_run).evaluate(nested, split="test")["taxonomy"]["levels"]
    ] == [1, 2]


def test_predict__tables_and_terminal(tree_run, nested, call, tmp_path):
    rows = tmp_path / "p.csv"
    status, _, err = call("predict", tree_run, nested / "red", "--precision", "0.7", "-o", rows)
    assert status == 0 and err.startswith("answers with the deepest label that is right 70 % of the time")
    header, first, *_ = rows.read_text().splitlines()
    assert header.split(",")[6:12] == [
        "error",
        "path",
        "answer",
        "answer_depth",
        "answer_probability",
        "p:blue",
    ]
    assert len(first.split(",")) == len(header.split(","))
    call("predict", tree_run, nested / "red", "--precision", "0.7", "-o", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_train__resumed_with_another_tree(table, session_colours, tmp_path):
    recipe = read_recipe("frozen-linear", [*SMALL, f"data.taxonomy={table}"])
    first = ask_for_training(session_colours, recipe, Output(tmp_path / "run"))
    with pytest.raises(KeyboardInterrupt), first.directory.running():
        raise KeyboardInterrupt
    assert ask_for_training(session_colours, recipe, Output(tmp_path / "run", resume=True)).taxonomy
    table.write_text(ROWS.replace("green,cold", "green,colour"))
    with pytest.raises(RunError, match="taxonomy was .* and is now"):
        ask_for_training(session_colours, recipe, Output(tmp_path / "run", resume=True))


def test_train__bad_tables_before_a_photo_is_read(table, session_colours, tmp_path):
    recipe = read_recipe("frozen-linear", [*SMALL, f"data.taxonomy={table}"])
    table.write_text(ROWS.replace("green,cold\n", ""))
    with pytest.raises(DataError, match="colours.csv has no row for 'green', a class of the photos"):
        ask_for_training(session_colours, recipe, Output(tmp_path / "run"))


def test_prepare__a_flat_tree_says_nothing_falsely(table, session_colours, tmp_path):
    table.write_text("label,parent\ncolour,\nblue,colour\ngreen,colour\nred,colour\n")
    recipe = read_recipe("frozen-linear", [*SMALL, f"data.taxonomy={table}"])
    prepared = prepare(ask_for_training(session_colours, recipe, Output(tmp_path / "run")))
    assert prepared.taxonomy is not None and prepared.taxonomy.is_flat
    assert any("says nothing beyond the classes" in note.text for note in prepared.warnings)


def test_dry_run__tells_the_tree(table, session_colours, call):
    settings = [part for one in [*SMALL, f"data.taxonomy={table}"] for part in ("--set", one)]
    status, out, _ = call("train", session_colours, "--dry-run", "--recipe", "frozen-linear", *settings)
    assert status == 0
    assert "# Tree of labels\nbelow 'colour': 1 label with labels below it, 1 class directly" in out


def test_ask_for_training__from_a_run_keeps_its_tree(tree_run, session_colours, table, tmp_path):
    def asked(*settings):
        recipe = read_recipe("frozen-linear", [*SMALL, "finetune.epochs=1", *settings], start=True)
        return ask_for_training(session_colours, recipe, Output(tmp_path / "new"), start=tree_run)

    kept = asked()
    assert kept.taxonomy == load(tree_run).taxonomy and kept.recipe.data.taxonomy == ""
    assert prepare(kept).taxonomy == kept.taxonomy
    # A tree that is asked for is taken instead.
    assert asked(f"data.taxonomy={table}").taxonomy.root == "colour"

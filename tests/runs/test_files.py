"""A run directory that cannot be used says why in one sentence."""

import shutil
import subprocess
import sys

import pytest

from budwood.core.errors import RunError
from budwood.core.files import read_csv, read_json, sha256_of, write_json
from budwood.data.manifest import Photo
from budwood.runs.figures import Metrics
from budwood.runs.files import read_run
from budwood.runs.schema import FORMAT, RunInfo
from budwood.runs.writing import VOUCHED, write_split
from tests.changed_runs import forget_hashes


@pytest.fixture
def run(session_run, tmp_path):
    """A copy of a real run."""
    return shutil.copytree(session_run, tmp_path / "run")


def change(file, **keys):
    write_json(file, read_json(file) | keys)


def damage(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def fault(read):
    """The one sentence that a reader refuses with."""
    with pytest.raises(RunError) as caught:
        read()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_read_run__every_file_of_a_training(run):
    files = read_run(run).require_complete()
    assert files.info.format == FORMAT and files.info.saved and files.info.seconds > 0
    assert files.info.data.classes == files.classes == ("blue", "green", "red")
    assert len(files.split) == files.check.kept == files.info.data.photos == 42
    assert [row["phase"] for row in files.history] == ["frozen"] and files.history[0]["epoch"] == 1
    assert files.linear_path.chosen in [point.l2_strength for point in files.linear_path.path]
    assert files.metrics.kept.name == "frozen" and files.metrics.reported == "test"
    assert len(files.predictions) == files.metrics.validation.n + files.metrics.test.n
    right = sum(row.correct for row in files.predictions if row.split == "test")
    assert right == round(files.metrics.test.accuracy * files.metrics.test.n)
    assert files.layers[0].part == "frozen" and any(layer.part == "trainable" for layer in files.layers)
    assert files.model_file.stat().st_size > 0 and files.model.classes == files.classes


@pytest.mark.parametrize(("name", "kind"), [("run.json", RunInfo), ("metrics.json", Metrics)])
def test_schema__written_again_it_is_the_same(run, name, kind):
    assert kind.model_validate(read_json(run / name)).to_json() == read_json(run / name)


@pytest.mark.parametrize(
    ("state", "said"), [("running", "but running."), ("failed", "but failed (interrupted)")]
)
def test_require_complete(run, state, said):
    change(run / "run.json", state=state, error="interrupted" if state == "failed" else None)
    assert said in fault(read_run(run).require_complete)


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("metrics.json", "metrics"),
        ("check.json", "check"),
        ("layers.csv", "layers"),
        ("linear_path.json", "linear_path"),
        ("split.csv", "split"),
        ("history.csv", "history"),
        ("predictions.csv", "predictions"),
        ("recipe.toml", "recipe"),
        ("model/model.json", "model"),
        ("model/model.keras", "model_file"),
    ],
)
def test_read_run__missing_file(run, name, attribute):
    (run / name).unlink()
    assert f"{run} has no {name}" in fault(lambda: getattr(read_run(run), attribute))


def test_metrics__missing_key(run):
    metrics = read_json(run / "metrics.json")
    del metrics["test"]["accuracy"]
    write_json(run / "metrics.json", metrics)
    forget_hashes(run)
    assert "metrics.json: it lacks test.accuracy" in fault(lambda: read_run(run).metrics)


READ_AS = {
    "recipe.toml": "recipe",
    "check.json": "check",
    "history.csv": "history",
    "layers.csv": "layers",
    "linear_path.json": "linear_path",
    "metrics.json": "metrics",
    "predictions.csv": "predictions",
}


def test_vouched__every_file_of_a_run(run):
    # No tree of labels was asked for.
    assert set(READ_AS) == set(VOUCHED) - {"taxonomy.csv"} == read_run(run).info.files.keys()


@pytest.mark.parametrize(("name", "attribute"), READ_AS.items())
def test_read_run__a_cut_inside_the_last_number(run, name, attribute):
    """Its shape stays as it was, but for the file's last characters."""
    text = (run / name).read_text(encoding="utf-8")
    last = max(place for place, sign in enumerate(text) if sign.isdigit())
    (run / name).write_text(text[:last] + text[last + 1 :], encoding="utf-8")
    told = fault(lambda: getattr(read_run(run), attribute))
    assert f"{run / name} is not the file that was written" in told and "or train again" in told


def test_split__without_its_hash(run):
    info = read_json(run / "run.json")
    write_json(run / "run.json", {key: value for key, value in info.items() if key != "split"})
    assert "split.csv: run.json lacks its hash" in fault(lambda: read_run(run).split)


def test_split__changed(run):
    damage(run / "split.csv", ",train,", ",test,")
    assert "split.csv is not the file that was written" in fault(lambda: read_run(run).split)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("frozen,1,", "frozen,2,", "it has no epoch 1, of which metrics.json tells"),
        ("frozen,1,", "frozen,,", "row 1 is no epoch of a phase"),
        ("frozen,1,", "frozen,one,", "invalid literal for int()"),
    ],
)
def test_history__damaged(run, old, new, said):
    damage(forget_hashes(run) / "history.csv", old, new)
    assert f"history.csv: {said}" in fault(lambda: read_run(run).history)


def test_predictions__cut_short(run):
    forget_hashes(run)
    lines = (run / "predictions.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (run / "predictions.csv").write_text("".join(lines[:-1]), encoding="utf-8")
    told = fault(lambda: read_run(run).predictions)
    assert "photos, and metrics.json is about" in told and "predictions.csv" in told
    (run / "predictions.csv").write_text("".join(lines)[:-12], encoding="utf-8")
    assert "a row has 8 cells in place of 9" in fault(lambda: read_run(run).predictions)


def test_predictions__of_other_classes(run):
    damage(forget_hashes(run) / "predictions.csv", "p:green", "p:grey")
    assert "predictions.csv: it lacks p:green" in fault(lambda: read_run(run).predictions)


def test_model_file__edited_after_saving(run):
    with (run / "model" / "model.keras").open("ab") as file:
        file.write(b"more")
    assert "model.keras is not the file that was saved" in fault(lambda: read_run(run).model_file)


def test_model__of_other_classes_than_the_run(run):
    file = run / "model" / "model.json"
    found = read_json(file)
    write_json(file, {**found, "classes": found["classes"][::-1]})
    with pytest.raises(RunError, match="names other classes than run.json, or in another order"):
        _ = read_run(run).model


def test_history__what_an_epoch_did_not_have_is_absent(run):
    (row,) = read_run(run).history
    (cells,) = read_csv(run / "history.csv")
    assert row.keys() == {key for key, text in cells.items() if text} and "learning_rate" not in row


def test_files__load_no_keras(run):
    code = (
        "import sys; from pathlib import Path; from budwood.runs.files import read_run\n"
        "files = read_run(Path(sys.argv[1])); files.metrics; files.predictions; files.layers; files.model_file\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(run)], check=True)


def test_schema__loads_neither_numpy_nor_keras():
    code = "import sys, budwood.runs.schema; assert not {'numpy', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_split__names_the_group(tmp_path):
    photos = [
        Photo(b"", "a/1.jpg", "a", "train", "0" * 64, 4, 3, group="person 1"),
        Photo(b"", "a/2.jpg", "a", "test", "1" * 64, 4, 3),
    ]
    write_split(tmp_path, photos)
    assert [row["group"] for row in read_csv(tmp_path / "split.csv")] == ["person 1", ""]


def test_split__of_a_version_without_groups(run):
    file = run / "split.csv"
    rows = [line.rpartition(",")[0] for line in file.read_text().splitlines()]
    file.write_text("\n".join(rows) + "\n")
    info = read_json(run / "run.json")
    write_json(run / "run.json", {**info, "split": {"sha256": sha256_of(file)}})
    assert {row.group for row in read_run(run).split} == {""}

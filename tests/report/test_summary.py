import pytest

from budwood.core import files
from budwood.core.errors import RunError
from budwood.report.summary import read_run


def test_read_run__keeps_awkward_names(make_run):
    classes = ["two\nlines", "caf\udce9", "p:odd", 'a,"b"']
    run = make_run(classes)
    contents = read_run(run.folder)
    assert contents.classes == classes
    assert {photo.name for photo in contents.photos} == set(run.photos)
    assert {prediction.true for prediction in contents.predictions} == set(classes)


def test_read_run__probabilities_are_of_the_right_columns(make_run):
    run = make_run()
    rows = files.read_csv(run.folder / "predictions.csv")
    for row, prediction in zip(rows, read_run(run.folder).predictions, strict=True):
        assert prediction.true_probability == float(row["p:" + row["true"]])
        assert prediction.probability == max(float(row["p:" + name]) for name in run.classes)


def test_read_run__linear_and_gradient(make_run):
    contents = read_run(make_run().folder)
    assert contents.chosen == 0.001
    assert len(contents.path) == 13
    (contents.folder / "linear_path.json").unlink()
    contents = read_run(make_run(fit="gradient", test=False).folder)
    assert contents.judged == "validation"


def test_read_run__two_phases(make_run):
    contents = read_run(make_run(fit="gradient", finetuned=True).folder)
    assert list(contents.phases) == ["frozen", "finetune"]
    assert contents.kept == "finetune"
    assert [row["epoch"] for row in contents.epochs("frozen")] == list(range(1, 15))
    assert [row["epoch"] for row in contents.epochs("finetune")] == list(range(15, 25))
    assert (contents.best_epoch("frozen"), contents.best_epoch("finetune")) == (9, 22)
    assert contents.best_epoch("another") == 0


def test_read_run__best_epoch_from_the_history_where_no_phase_tells(make_run):
    run = make_run(fit="gradient", finetuned=True)
    metrics = files.read_json(run.folder / "metrics.json")
    metrics["phases"] = [{"name": "frozen"}, {"name": "finetune"}]
    files.write_json(run.folder / "metrics.json", metrics)
    contents = read_run(run.folder)
    for phase in ("frozen", "finetune"):
        losses = {row["epoch"]: row["val_loss"] for row in contents.epochs(phase)}
        assert contents.best_epoch(phase) == min(losses, key=losses.__getitem__)


def test_read_run__layers(make_run):
    run = make_run(finetuned=True)
    layers = read_run(run.folder).layers
    assert (layers[0].name, layers[0].part, layers[0].trained) == ("input_layer", "frozen", False)
    assert (layers[-1].kind, layers[-1].parameters, layers[-1].trained) == ("Dense", 5 * 1281, True)
    (run.folder / "layers.csv").unlink()
    assert read_run(run.folder).layers == []


def test_read_run__predictions_cut_short(make_run):
    run = make_run()
    file = run.folder / "predictions.csv"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:-3]), encoding="utf-8")
    with pytest.raises(
        RunError, match="predictions.csv has 1[0-9] (test|validation) photos, and metrics.json"
    ):
        read_run(run.folder)

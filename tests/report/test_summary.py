from budwood.core import files
from budwood.report.summary import read_contents


def test_read_contents__keeps_awkward_names(make_run):
    classes = ["two\nlines", "caf\udce9", "p:odd", 'a,"b"']
    run = make_run(classes)
    contents = read_contents(run.folder)
    assert contents.classes == classes
    assert {photo.name for photo in contents.photos} == set(run.photos)
    assert {prediction.true for prediction in contents.predictions} == set(classes)


def test_read_contents__probabilities_are_of_the_right_columns(make_run):
    run = make_run()
    rows = files.read_csv(run.folder / "predictions.csv")
    for row, prediction in zip(rows, read_contents(run.folder).predictions, strict=True):
        assert prediction.true_probability == float(row["p:" + row["true"]])
        assert prediction.probability == max(float(row["p:" + name]) for name in run.classes)


def test_read_contents__linear_and_gradient(make_run):
    contents = read_contents(make_run().folder)
    assert contents.chosen == 0.001
    assert len(contents.path) == 13
    (contents.folder / "linear_path.json").unlink()
    contents = read_contents(make_run(fit="gradient", test=False).folder)
    assert contents.evaluated_split == "validation"


def test_read_contents__two_phases(make_run):
    contents = read_contents(make_run(fit="gradient", finetuned=True).folder)
    assert list(contents.phases) == ["frozen", "finetune"]
    assert contents.kept == "finetune"
    assert [row["epoch"] for row in contents.epochs("frozen")] == list(range(1, 15))
    assert [row["epoch"] for row in contents.epochs("finetune")] == list(range(15, 25))
    assert (contents.best_epoch("frozen"), contents.best_epoch("finetune")) == (9, 22)
    assert contents.best_epoch("another") == 0


def test_read_contents__layers(make_run):
    run = make_run(finetuned=True)
    layers = read_contents(run.folder).layers
    assert (layers[0].name, layers[0].part, layers[0].trained) == ("input_layer", "frozen", False)
    assert (layers[-1].kind, layers[-1].parameters, layers[-1].trained) == ("Dense", 5 * 1281, True)
    (run.folder / "layers.csv").unlink()
    assert read_contents(run.folder).layers == []

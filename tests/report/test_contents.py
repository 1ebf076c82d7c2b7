from budwood import files
from budwood.report.contents import read_run


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

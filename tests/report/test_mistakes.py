from budwood.core import files
from budwood.report.mistakes import SUSPECTS, show_mistakes, show_suspects, suspect_labels
from budwood.report.summary import read_contents
from budwood.report.thumbnails import Thumbnails


def show(run):
    contents, thumbnails = read_contents(run.folder), Thumbnails({})
    wrong_labels = suspect_labels(contents)
    mistakes = show_mistakes(contents, thumbnails, wrong_labels)
    return mistakes, show_suspects(contents, thumbnails, wrong_labels, mistakes), wrong_labels


def test_show_mistakes__surest_first_and_at_most_24(make_run):
    run = make_run([f"class {i}" for i in range(30)], per_class=60)
    metrics = files.read_json(run.folder / "metrics.json")["test"]
    found, _, _ = show(run)
    photos = [photo for photo, _ in found.photos]
    probabilities = [photo.probability for photo in photos]
    assert found.num_wrong == round(metrics["n"] * (1 - metrics["accuracy"]))
    assert len(probabilities) == min(24, found.num_wrong)
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(m.split == "test" and m.true != m.predicted for m in photos)
    assert all(m.true_probability <= m.probability for m in photos)


def test_show_suspects__are_held_out_photos_that_do_not_stand_above(make_run):
    mistakes, suspects, wrong_labels = show(make_run(per_class=300))
    above = {photo.name for photo, _ in mistakes.photos}
    listed = {photo.name for photo in wrong_labels.suspects}
    assert {photo.name for photo, suspected in mistakes.photos if suspected} == above & listed
    assert not {photo.name for photo in suspects.photos} & above
    assert suspects.num_suspects == suspects.num_above + suspects.num_others == len(listed) > 0
    assert suspects.num_photos == 300
    assert len(suspects.photos) == min(SUSPECTS, suspects.num_others) > 0
    assert {photo.split for photo in wrong_labels.suspects} == {"validation", "test"}
    assert suspects.splits == "validation and test"


def test_show_suspects__a_label_that_was_swapped_is_found(make_run):
    run = make_run(per_class=100, skill=12.0)
    assert show(run)[1].num_suspects == 0
    rows = files.read_csv(run.folder / "predictions.csv")
    swapped = next(row for row in rows if row["split"] == "validation" and row["true"] == "roses")
    swapped["true"] = "tulips"
    files.write_csv(run.folder / "predictions.csv", list(rows[0]), (list(row.values()) for row in rows))
    _, suspects, _ = show(run)
    assert [photo.name for photo in suspects.photos] == [swapped["name"]]


def test_show_suspects__without_test(make_run):
    assert show(make_run(test=False))[1].splits == "validation"

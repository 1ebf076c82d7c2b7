import pytest
from PIL import Image

from budwood.core import files
from budwood.report import sections
from budwood.report.summary import read_contents
from budwood.report.thumbnails import Thumbnails


def test_score_classes__weakest_first_with_wilson_intervals(make_run):
    found = sections.score_classes(read_contents(make_run().folder))
    f1 = [row.metrics.f1 for row in found.rows]
    assert f1 == sorted(f1)
    assert all(row.interval[0] <= row.right / row.total <= row.interval[1] for row in found.rows)
    assert all(row.groups == 0 for row in found.rows)


def test_score_classes__of_few_groups_there_is_no_interval(make_run):
    run = make_run(["a", "b"])
    table = run.folder / "split.csv"
    rows = files.read_csv(table)
    for number, row in enumerate(rows):
        row["group"] = f"scene {number % 2}"
    files.write_csv(table, list(rows[0]), [list(row.values()) for row in rows])
    info = files.read_json(run.folder / "run.json")
    info["split"]["sha256"] = files.sha256_of(table)
    files.write_json(run.folder / "run.json", info)
    for row in sections.score_classes(read_contents(run.folder)).rows:
        assert 1 <= row.groups < row.total
        assert row.interval is None


def test_score_classes__class_without_a_photo(make_run):
    run = make_run(["a", "b"])
    metrics = files.read_json(run.folder / "metrics.json")
    metrics["test"]["confusion"] = [[0, 0], [0, 4]]
    files.write_json(run.folder / "metrics.json", metrics)
    found = sections.score_classes(read_contents(run.folder))
    assert [(row.name, row.total) for row in found.rows] == [("b", 4), ("a", 0)]
    assert found.unseen == 1


def test_group_problems__most_frequent_kind_first_and_shortened(make_run):
    first, second = sections.group_problems(read_contents(make_run().folder), Thumbnails({}))
    assert (first.kind, first.count, len(first.first)) == ("duplicate", 30, 20)
    assert (second.kind, second.count) == ("truncated", 1)
    assert not first.pictures


def test_group_problems__shows_photos_on_which_little_is_to_be_seen(make_run):
    folder = make_run().folder
    check = files.read_json(folder / "check.json")
    poor = [{"path": f"tulips/{i}.jpg", "kind": "blurred"} for i in range(40)]
    conflict = {"path": "roses/1.jpg", "kind": "conflict", "detail": "elsewhere too"}
    changed = {
        "problems": [*check["problems"], conflict],
        "poor": [*poor, {"path": "gone.jpg", "kind": "dark"}],
    }
    files.write_json(folder / "check.json", check | changed)
    names = [*(f"tulips/{i}.jpg" for i in range(40)), "roses/1.jpg", "roses/broken.jpg"]
    thumbnails = Thumbnails({name: Image.new("RGB", (8, 8)) for name in names})
    found = {one.kind: one for one in sections.group_problems(read_contents(folder), thumbnails)}
    assert (found["blurred"].count, len(found["blurred"].pictures)) == (40, sections.PICTURED)
    assert list(found["conflict"].pictures) == ["roses/1.jpg"]
    # Neither what is not there nor copies under one label, of which one by itself shows nothing.
    assert not found["dark"].pictures and not found["duplicate"].pictures and not found["truncated"].pictures
    assert thumbnails.wanted == sections.PICTURED + 1
    assert list(found)[-2:] == ["blurred", "dark"]


def test_describe_reproducibility__notes_stand_beside_the_curves_of_fine_tuning(make_run):
    assert sections.describe_reproducibility(read_contents(make_run().folder)).notes == [
        "1 photo left out: truncated"
    ]
    assert sections.describe_reproducibility(read_contents(make_run(finetuned=True).folder)).notes == []


def test_list_figures__an_interval_without_width_is_none(make_run):
    run = make_run()
    metrics = files.read_json(run.folder / "metrics.json")
    metrics["validation"] |= {"macro_f1": 1.0, "macro_f1_ci95": [1.0, 1.0]}
    files.write_json(run.folder / "metrics.json", metrics)
    rows = {row.title: row.cells for row in sections.list_figures(read_contents(run.folder)).rows}
    assert rows["Macro F1"][1][1] == "interval unknown: all alike"
    assert " to " in rows["Macro F1"][0][1]


def test_list_figures__says_why_a_figure_has_no_interval(make_run):
    run = make_run()
    metrics = files.read_json(run.folder / "metrics.json")
    metrics["test"] |= {"macro_f1_ci95": None, "no_interval": {"macro_f1": "class-without-photos"}}
    metrics["validation"] |= {"macro_f1_ci95": None, "no_interval": {}}
    files.write_json(run.folder / "metrics.json", metrics)
    rows = {row.title: row.cells for row in sections.list_figures(read_contents(run.folder)).rows}
    stated = {cell[1] for cell in rows["Macro F1"]}
    assert stated == {"no interval: a class without photos", "no interval: too few groups of photos"}


@pytest.mark.parametrize("kind", ["budget", "settings"])
def test_describe_reproducibility__epochs_that_there_was_no_time_for(make_run, kind):
    folder = make_run(finetuned=True).folder
    info = files.read_json(folder / "run.json")
    warning = {"kind": kind, "text": "finetune: the time is over after 3 of 10 epochs"}
    files.write_json(folder / "run.json", info | {"warnings": [warning]})
    assert sections.describe_reproducibility(read_contents(folder)).cut_short == (kind == "budget")

"""Pairs of near twins in the report."""

import pytest

from budwood.core import files
from budwood.report.page import write_report
from budwood.report.summary import read_contents
from budwood.report.thumbnails import Thumbnails
from budwood.report.twins import PAIRS, show_twins


@pytest.fixture
def with_twins(make_run):
    def write(by_features: int, by_hash: int):
        run = make_run(per_class=60)
        rows = files.read_csv(run.folder / "split.csv")
        tested = [row["name"] for row in rows if row["split"] == "test"]
        learned = [row["name"] for row in rows if row["split"] == "train"]
        pairs = [
            {"photo": photo, "known": known, "by": "features", "similarity": 0.9, "mirrored": True}
            for photo, known in zip(tested[:by_features], learned, strict=False)
        ]
        pairs += [
            {"photo": photo, "known": known, "by": "hash"}
            for photo, known in zip(tested[by_features:][:by_hash], learned, strict=False)
        ]
        metrics = files.read_json(run.folder / "metrics.json")
        metrics["test"]["without_twins"] = {
            "twins": len(pairs),
            "n": (left := metrics["test"]["n"] - len(pairs)),
            "accuracy": 0.5 if left else None,
            "accuracy_ci95": [0.4, 0.6] if left else None,
            "pairs": pairs,
        }
        files.write_json(run.folder / "metrics.json", metrics)
        return run.folder

    return write


@pytest.mark.parametrize(
    "by_features, by_hash, shown", [(3, 0, (3, 0)), (20, 20, (6, 6)), (20, 2, (10, 2)), (1, 20, (1, 11))]
)
def test_show_twins__some_of_both_kinds_and_at_most_12(with_twins, by_features, by_hash, shown):
    thumbnails = Thumbnails({"a": b""})
    found = show_twins(read_contents(with_twins(by_features, by_hash)), thumbnails)
    kinds = [pair.by for pair in found.pairs]
    assert (kinds.count("features"), kinds.count("hash")) == shown
    assert len(found.pairs) <= PAIRS


def test_write_report__pairs_are_shown_and_none_without(with_twins, make_run):
    text = write_report(with_twins(2, 1)).read_text()
    assert '<section id="twins">' in text
    assert "3 test photos show nearly what a training photo shows" in text
    assert (
        text.count("mirrored, pixels alike by 0.90") == 2 and text.count("alike by the perceptual hash") == 1
    )
    assert '<section id="twins">' not in write_report(make_run().folder).read_text()


def test_write_report__the_accuracy_without_twins_stands_beside_the_other_in_smaller_letters(with_twins):
    folder = with_twins(2, 0)
    write_report(folder)
    page = (folder / "report.html").read_text("utf-8").replace("\u00a0", " ")
    h1, beside = page.split("<h1>")[1].split("</h1>")[:2]
    assert "twin" not in h1 and "never used for training" in h1
    assert "2 of these photos have a near twin in training" in beside.split("</div>")[0]
    assert "50.0 % (40.0 % to 60.0 %)" in beside.split("</div>")[0]


def test_write_report__where_every_photo_has_a_near_twin(with_twins, make_run):
    every = read_contents(make_run(per_class=60).folder).figures.n
    folder = with_twins(every, 0)
    write_report(folder)
    page = (folder / "report.html").read_text("utf-8")
    assert "Every one of these photos has a near twin in training" in page
    assert f"{every} test photos show nearly what a training photo shows" in page
    assert "no photo is left without." in page

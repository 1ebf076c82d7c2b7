"""Runs with several labels a photo, compared."""

import json
import shutil

import pytest
from sklearn.metrics import average_precision_score

from budwood.core import files
from budwood.core.errors import RunError
from budwood.report.notebook import show_comparison
from budwood.runs.compare import as_text, compare
from budwood.runs.files import RunFiles
from tests.changed_runs import forget_hashes
from tests.report.label_run import LABELS, build_label_run


@pytest.fixture(scope="module")
def label_runs(tmp_path_factory):
    """Runs on the same 900 photos, by how well they know them."""
    folder = tmp_path_factory.mktemp("runs")
    for name, skill, noise in (("poor", 0.5, 1), ("good", 4.0, 3), ("next", 4.0, 2)):
        build_label_run(folder / name, skill=skill, n=900, pictures=False, noise=noise)
    return folder


def test_compare__several_labels_by_mean_average_precision(label_runs):
    found = compare([label_runs / name for name in ("poor", "good", "next")])
    assert [run["run"] for run in found["runs"]] == ["good", "next", "poor"]
    said = RunFiles(label_runs / "good").label_predictions.of("test")
    expected = average_precision_score(said.targets, said.probabilities)
    best = found["runs"][0]
    assert best["mean_average_precision"] == pytest.approx(expected) and found["n"] == len(said.names) == 90
    assert best["interval"][0] < expected < best["interval"][1]
    close, clear = found["pairs"][:2]
    assert close["words"].startswith("Cannot tell good from next: the difference is between ")
    assert clear["words"].startswith("good is better than poor: +")
    assert "points of mean average precision on 90 test photos" in clear["words"]
    assert clear["p_adjusted"] > clear["p"] and clear["interval"][0] > 0
    assert clear["exact_match"]["difference"] == pytest.approx(
        found["runs"][0]["exact_match"] - found["runs"][2]["exact_match"]
    )
    assert clear["macro_f1"]["difference"] == pytest.approx(
        found["runs"][0]["macro_f1"] - found["runs"][2]["macro_f1"]
    )
    text = as_text(found)
    assert "test mAP" in text and "exact match" in text and text.endswith(found["pairs"][2]["words"])
    html = show_comparison(found, text)._repr_html_()
    assert "test mAP" in html and clear["words"].split(":")[0] in html


@pytest.fixture
def changed(label_runs, tmp_path):
    """Makes a copy of the good run whose predictions and labels are others."""

    def make(change, classes=None):
        folder = tmp_path / "changed"
        forget_hashes(shutil.copytree(label_runs / "good", folder))
        if classes:
            info = files.read_json(folder / "run.json")
            files.write_json(folder / "run.json", info | {"data": info["data"] | {"classes": classes}})
        file = folder / "predictions.csv"
        file.write_text("\n".join(change(file.read_text().splitlines())) + "\n")
        return folder

    return make


def test_compare__corrected_labels_and_labels_in_another_order(label_runs, changed):
    order = LABELS[::-1]

    def turn(lines):
        import csv
        import io

        rows = list(csv.reader(lines))
        for row in rows:
            row[-4:] = row[:-5:-1]
        # One photo was corrected.
        photo = next(row for row in rows[1:] if row[1] == "test" and row[2] == "sea")
        photo[2] = "desert"
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(rows)
        return out.getvalue().splitlines()

    other = changed(turn, order)
    metrics = files.read_json(other / "metrics.json")
    for split in ("validation", "test"):
        metrics[split]["per_label"] = metrics[split]["per_label"][::-1]
    files.write_json(other / "metrics.json", metrics)
    found = compare([label_runs / "good", other])
    assert found["corrected"] == 1 and "1 photo has other labels in some runs; those of" in as_text(found)
    pair = found["pairs"][0]
    assert pair["difference"] == 0 and pair["exact_match"]["difference"] == 0
    assert pair["interval"][0] < 0 < pair["interval"][1]


def test_compare__refuses_other_labels_and_other_tasks(label_runs, changed, session_run):
    other = changed(
        lambda lines: [lines[0].replace("sunset", "dusk"), *lines[1:]], [*LABELS[:2], "dusk", LABELS[3]]
    )
    with pytest.raises(RunError, match="have other labels: only good knows sunset; only changed knows dusk"):
        compare([label_runs / "good", other])
    with pytest.raises(RunError, match="good has several labels a photo, and .* one class a photo: "):
        compare([label_runs / "good", session_run])


def test_compare__several_labels_on_the_command_line(label_runs, call):
    status, out, _ = call("compare", label_runs / "good", label_runs / "poor", "--json")
    found = json.loads(out)
    assert status == 0 and found["figure"] == "mean_average_precision"
    assert found["pairs"][0]["a"] == "good" and found["pairs"][0]["p"] < 0.05

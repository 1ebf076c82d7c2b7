"""`budwood evaluate` and `budwood report`."""

import json
import shutil

import numpy as np
import pytest

from budwood.core.files import read_json
from tests.cli.command_line import one_line
from tests.metrics import assert_same_metrics
from tests.studies.made import Made, fill
from tests.studies.made_labels import MadeLabels, draw

pytestmark = pytest.mark.usefixtures("shared_cache")


def test_evaluate__checkpoint_that_was_not_kept(call, session_run, session_colours, monkeypatch):
    def slow():
        raise AssertionError("too early")

    monkeypatch.setattr("budwood.cli.evaluate.load_keras", slow)
    status, _, err = call("evaluate", session_run, session_colours, "--checkpoint", 5, "-q")
    assert status == 1 and one_line(err) and "epoch 5" in err and "ended with epoch 1" in err


def test_evaluate__words_and_json(call, session_run, session_colours):
    test = read_json(session_run / "metrics.json")["test"]
    status, out, err = call("evaluate", session_run, session_colours, "--json")
    assert status == 0 and not err
    assert_same_metrics(json.loads(out), test)
    status, out, err = call("evaluate", session_run, session_colours, "-q")
    assert out.startswith(f"On {test['n']} unseen photos never used for training, ") and not err
    assert "macro F1" in out and "\nblue " in out
    status, out, err = call("evaluate", session_run, session_colours, "-q", "--split", "all")
    assert out.startswith("On 42 photos, ")
    status, out, err = call("evaluate", session_run, session_colours, "-q", "--split", "tset")
    assert status == 1 and one_line(err) and "unseen" in err


def test_report__is_written_again(call, session_run, session_colours, tmp_path):
    run = shutil.copytree(session_run, tmp_path / "run")
    (run / "report.html").unlink()
    status, out, err = call("report", run)
    assert (status, out, err) == (0, f"{run / 'report.html'}\n", "")
    without = (run / "report.html").stat().st_size
    assert call("report", run, "--data", session_colours) == (0, out, "")
    assert (run / "report.html").stat().st_size > without
    # The pictures of photos that are not at hand are kept.
    with_pictures = (run / "report.html").read_bytes()
    assert call("report", run) == (0, out, "")
    assert (run / "report.html").read_bytes() == with_pictures
    status, _, err = call("report", run, "--data", tmp_path)
    assert status == 1 and err.startswith("budwood: error: ")
    assert (run / "report.html").read_bytes() == with_pictures


def test_report__of_a_study(call, tmp_path):
    made = Made(tmp_path / "study")
    fill(made, {"a": 0.9, "b": 0.8}, replicates=2)
    page = made.folder / "report.html"
    assert call("report", made.folder) == (0, f"{page}\n", "")
    assert "a has the lowest validation loss" in page.read_text(encoding="utf-8")
    page.unlink()
    status, out, err = call("report", made.folder, "--data", tmp_path)
    assert (status, out) == (1, "") and "is a study" in err and "--data belongs to runs" in err
    assert not page.exists()


@pytest.fixture
def table(session_colours, tmp_path):
    """The colours as a table with a column more."""
    files = sorted(session_colours.rglob("*.jpg"))
    rows = [
        f"{file},{file.parent.name},{'left' if number % 2 else 'right'}" for number, file in enumerate(files)
    ]
    (tmp_path / "photos.csv").write_text("\n".join(["path,label,side", *rows]))
    return tmp_path / "photos.csv"


def test_evaluate__by_a_column_and_at_a_prevalence(call, session_run, table):
    asked = ["--split", "all", "--by", "side", "--by", "split", "--prevalence", "red=0.9,green=0.1,blue=0"]
    status, out, err = call("evaluate", session_run, table, *asked, "-q")
    assert (status, err) == (0, "")
    assert "\nBy side: 2 subgroups of 42 photos." in out and "\nBy split: 3 subgroups" in out
    assert "\nWhere the photos are 90.0 % “red” and 10.0 % “green”, as worked out from 28 photos." in out
    found = json.loads(call("evaluate", session_run, table, *asked, "--json")[1])
    assert [one["by"] for one in found["by"]] == ["side", "split"]
    assert {one["value"]: one["n"] for one in found["by"][0]["subgroups"]} == {"left": 21, "right": 21}
    assert found["prevalence"]["n"] == 28 and 0 <= found["prevalence"]["own"]["accuracy"] <= 1


@pytest.mark.parametrize(
    "asked, why",
    [
        (["--by", "sid"], "there is no column 'sid' to go by. Did you mean side?"),
        (["--by", "side", "--by", "side"], "asked for twice"),
        (["--prevalence", "red=0.5,green=0.5"], "leaves out 'blue'"),
        (["--prevalence", "red"], "no share of a class"),
        (["--prevalence", "red=1,red=0"], "names 'red' twice"),
        (["--prevalence", "red=1.2.3"], "'1.2.3' for 'red', which is no number"),
        (["--prevalence", ""], "is empty"),
        (["--by", "side", "--ood", "{table}"], "--ood asks for other figures"),
    ],
)
def test_evaluate__by_and_prevalence_that_cannot_be(call, session_run, table, asked, why):
    asked = [part.replace("{table}", str(table)) for part in asked]
    status, out, err = call("evaluate", session_run, table, "-q", *asked)
    assert (status, out) == (1, "") and one_line(err) and why in err


def test_forecast__of_a_study_over_numbers_of_photos(call, tmp_path):
    made = Made(tmp_path / "study")
    for number in range(2):
        for size, right in ((40, 70), (80, 80), (None, 87)):
            name = f"a, {size} photos" if size else "a"
            made.add(
                name,
                f"split {number}",
                [True] * right + [False] * (100 - right),
                train=size or 160,
                size=size,
            )
    status, out, err = call("forecast", made.folder, "--accuracy", 0.9)
    assert (status, err) == (0, "") and out.startswith("a: 87.0 % with 160 training photos; about ")
    assert "90 % would take about " in out
    (curve,) = json.loads(call("forecast", made.folder, "--json")[1])
    assert curve["forecast"]["needed"]["accuracy"] == 0.9 and curve["forecast"]["reach"] == 640
    status, _, err = call("forecast", made.folder, "--accuracy", 90)
    assert status == 1 and one_line(err) and "above 0 and below 1" in err
    fill(one := Made(tmp_path / "one"), {"a": 0.9}, replicates=2)
    status, _, err = call("forecast", one.folder)
    assert status == 1 and one_line(err) and "--sizes 100,200,400,800,all --resume" in err


def test_forecast__asks_in_the_words_of_the_study(call, tmp_path):
    made = MadeLabels(tmp_path / "labels")
    rng = np.random.default_rng(0)
    for size, skill in ((50, 1.0), (100, 1.4), (200, 1.8)):
        targets = draw(rng, 200)
        shares = 1 / (1 + np.exp(-2 * (skill * (targets - 0.5) + rng.normal(size=targets.shape))))
        made.add(f"a, {size} photos", "split 0", targets, np.round(shares, 6), train=size, size=size)
    status, out, _ = call("forecast", made.folder, "--map", 0.99)
    assert status == 0 and out.startswith("a: mean average precision ") and "99 % " in out
    (curve,) = json.loads(call("forecast", made.folder, "--json")[1])
    assert curve["figure"] == "mean_average_precision" and curve["points"][0]["mean_average_precision"] < 1
    status, _, err = call("forecast", made.folder, "--accuracy", 0.99)
    assert status != 0 and "several labels a photo" in err and "Give --map 0.99" in err
    classes = Made(tmp_path / "classes")
    fill(classes, {"a": 0.9}, replicates=1)
    status, _, err = call("forecast", classes.folder, "--map", 0.9)
    assert status != 0 and "one class a photo" in err and "Give --accuracy 0.9" in err

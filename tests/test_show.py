import base64
import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from budwood import show
from budwood.core.errors import DataError, RecipeError, RunError
from budwood.report.summary import read_contents
from budwood.run import load
from tests.changed_runs import forget_hashes

pytestmark = pytest.mark.usefixtures("shared_cache")


@pytest.fixture
def run(session_run):
    return load(session_run)


def pictures(html: str) -> list[np.ndarray]:
    found = re.findall(r"data:image/jpeg;base64,([^\"]+)", html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def captions(html: str) -> list[str]:
    return [
        re.sub("<[^>]+>", " ", text).strip() for text in re.findall("<figcaption>(.*?)</figcaption>", html)
    ]


def test_check__counts_and_problems(colours):
    (colours / "red" / "broken.jpg").write_bytes(b"no picture")
    shown = show.check(colours)
    assert repr(shown).splitlines()[0] == "43 photos, 42 usable, 3 classes, 1 problem"
    assert "red: 14" in repr(shown) and "broken.jpg" in shown.html
    assert repr(shown).splitlines()[1] == "read as a folder for each class"
    assert "read as a folder for each class" in shown.html


def test_check__parts_that_the_data_bring(colours, tmp_path):
    for part in ("train", "test"):
        (tmp_path / "parts" / part).mkdir(parents=True)
        for folder in colours.iterdir():
            (tmp_path / "parts" / part / folder.name).mkdir()
            for number, file in enumerate(sorted(folder.iterdir())):
                if (number % 7 == 0) == (part == "test"):
                    (tmp_path / "parts" / part / folder.name / file.name).write_bytes(file.read_bytes())
    html = show.check(tmp_path / "parts").html
    assert '<th scope="col" class="number">train</th><th scope="col" class="number">test</th>' in html
    assert '<td class="number">12</td><td class="number">2</td>' in html


def test_samples__every_class_before_any_comes_twice(session_colours):
    html = show.samples(session_colours, 6).html
    assert sorted(captions(html)) == ["blue", "blue", "green", "green", "red", "red"]
    for label, pixels in zip(captions(html), pictures(html), strict=True):
        assert pixels.mean((0, 1)).argmax() == ["red", "green", "blue"].index(label)
    assert show.samples(session_colours, 6).html == html
    assert show.samples(session_colours, 6, seed=1).html != html


def test_views__the_plain_photo_and_drawn_ones(session_colours):
    html = show.views(
        session_colours, settings=["augment.views=4", "augment.brightness=60", "augment.crop=0"], number=4
    ).html
    plain, *drawn = pictures(html)
    assert captions(html)[1:] == ["view 1", "view 2", "view 3", "view 4"] and len(drawn) == 4
    assert max(abs(view.mean() - plain.mean()) for view in drawn) > 10


def test_views__recipe_without_any(session_colours):
    with pytest.raises(RecipeError, match="draws no views"):
        show.views(session_colours, "frozen-linear")


def test_curves__take_a_run_or_its_folder(run):
    assert show.curves(run).html == show.curves(run.folder).html
    assert repr(show.curves(run)).startswith("colours\n  frozen epoch 1: loss ")


def test_layers__of_a_run_without_fine_tuning(run, tmp_path):
    shown = repr(show.layers(run))
    assert "head_logits" in shown
    earlier = shutil.copytree(run.folder, tmp_path / "earlier")
    (earlier / "layers.csv").unlink()
    with pytest.raises(RunError, match="has no layers.csv, which it was written with"):
        show.layers(earlier)
    forget_hashes(earlier)
    with pytest.raises(RunError, match="no list of its layers"):
        show.layers(earlier)


def test_compare__itself_is_refused_and_two_are_shown(run, tmp_path):
    with pytest.raises(RunError, match="each given once"):
        show.compare(run, run)
    other = shutil.copytree(run.folder, tmp_path / "other")
    shown = show.compare(run, other)
    assert "Cannot tell" in repr(shown) and "other" in shown.html


def test_predictions__true_classes_come_from_the_folders(run, session_colours, tmp_path):
    Image.open(session_colours / "red" / "red 00.jpg").save(tmp_path / "loose.png")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    red = session_colours / "red"
    html = show.predictions(run, [red / "red 00.jpg", tmp_path / "loose.png", tmp_path / "bad.jpg"]).html
    first, loose, bad = captions(html)
    assert first.startswith("red ") and first.endswith("right")
    assert loose.startswith("red ") and "right" not in loose
    assert "bad.jpg" in bad and html.count('class="none"') == 1


def test_answers__test_photos_alone(run, session_colours, tmp_path):
    html = show.answers(run, session_colours, 100).html
    n = run.metrics["test"]["n"]
    assert len(captions(html)) == n
    assert html.count('class="mark"') == round(n * run.metrics["test"]["accuracy"])
    assert len(captions(show.answers(run, session_colours, 3).html)) == 3
    for label in run.classes:
        (tmp_path / label).mkdir()
        (tmp_path / label / f"{label} 00.jpg").write_bytes(b"another picture")
    with pytest.raises(DataError, match="none of the run's photos"):
        show.answers(run, tmp_path)


def test_answers__mistakes_alone(run, session_colours, monkeypatch):
    from dataclasses import replace

    contents = read_contents(run.folder)
    first = next(row for row in contents.predictions if row.split == "test")
    rows = [replace(row, predicted="nothing") if row == first else row for row in contents.predictions]
    monkeypatch.setattr(show, "read_contents", lambda folder: replace(contents, predictions=rows))
    (caption,) = captions(show.answers(run, session_colours, wrong=True).html)
    assert caption.startswith(first.predicted)
    monkeypatch.setattr(show, "read_contents", lambda folder: replace(contents, predictions=[]))
    assert captions(show.answers(run, session_colours, wrong=True).html) == []


@pytest.mark.usefixtures("tiny_backbones")
def test_answers__several_labels_a_photo(tiny_label_run, labels_table, session_colours):
    run = load(tiny_label_run)
    right = round(run.metrics["test"]["n"] * run.metrics["test"]["exact_match"])
    html = show.answers(run, labels_table, 100).html
    assert len(captions(html)) == run.metrics["test"]["n"] and html.count('class="mark"') == right
    wrong = captions(show.answers(run, labels_table, 100, wrong=True).html)
    assert len(wrong) == run.metrics["test"]["n"] - right and all("truly" in one for one in wrong)
    # Its folder is called red, which is one of its labels alone.
    (caption,) = captions(show.predictions(run, [session_colours / "red" / "red 00.jpg"]).html)
    assert "red" in caption and "warm" in caption and not re.search("right|truly", caption)


def test_samples_and_check__several_labels_a_photo(labels_table):
    found = captions(show.samples(labels_table, 4).html)
    assert len(set(found)) == 4 and found.count("none of the labels") == 1 and "red, warm" in found
    assert "42 usable, 4 labels" in show.check(labels_table).text


def test_repr_html__of_a_run(run):
    assert f"On {run.metrics['test']['n']} test photos" in run._repr_html_()


def test_history__rows_of_the_file(run):
    (row,) = run.history
    assert row["phase"] == "frozen" and row["epoch"] == 1 and 0 <= row["val_accuracy"] <= 1

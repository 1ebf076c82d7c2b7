"""`budwood predict` on a loose folder: pictures without labels, as a write-up's "images to test"."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from budwood import cli

pytestmark = pytest.mark.usefixtures("shared_cache")


@pytest.fixture
def loose(session_colours, tmp_path) -> Path:
    """Pictures of every class side by side, in several formats, one in a folder below, among other files."""
    folder = tmp_path / "images to test"
    (folder / "more").mkdir(parents=True)
    shutil.copy(session_colours / "red" / "red 00.jpg", folder / "1.jpg")
    shutil.copy(session_colours / "green" / "green 00.jpg", folder / "2 (copy).JPG")
    with Image.open(session_colours / "blue" / "blue 00.jpg") as image:
        image.save(folder / "3.png")
    shutil.copy(session_colours / "blue" / "blue 01.jpg", folder / "more" / "4.jpg")
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".hidden.jpg").write_text("not shown")
    return folder


@pytest.fixture
def predict(session_run, monkeypatch, capsys):
    """Runs `budwood predict` in this process: exit status, standard output, standard error."""

    def predict(*arguments):
        monkeypatch.setattr(sys, "argv", ["budwood", "predict", *map(str, (session_run, *arguments))])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code, *capsys.readouterr()

    return predict


def test_predict__loose_folder(predict, loose):
    status, out, err = predict(loose, "-q")
    assert (status, err) == (0, "")
    found = dict(line.split("\t") for line in out.splitlines())
    assert {Path(name).relative_to(loose).as_posix(): text.split()[0] for name, text in found.items()} == {
        "1.jpg": "red",
        "2 (copy).JPG": "green",
        "3.png": "blue",
        "more/4.jpg": "blue",
    }


def test_predict__loose_folder_as_json(predict, loose):
    status, out, _ = predict(loose, "--json", "--top", 3)
    predictions = json.loads(out)
    assert status == 0 and [Path(each["name"]).name for each in predictions] == [
        *["1.jpg", "2 (copy).JPG", "3.png", "4.jpg"]
    ]
    for prediction in predictions:
        assert sum(each["probability"] for each in prediction["top"]) == pytest.approx(1, abs=1e-5)


def test_predict__loose_folder_on_a_sheet_without_true_classes(predict, loose, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("budwood.report.sheet.write_sheet", lambda items, path: drawn.extend(items))
    assert predict(loose, "-o", tmp_path / "sheet.png", "-q")[0] == 0
    assert [(item.predicted, item.true) for item in drawn] == [
        *[("red", None), ("green", None), ("blue", None), ("blue", None)]
    ]


def test_predict__damaged_picture_in_a_loose_folder(predict, loose):
    content = (loose / "1.jpg").read_bytes()
    (loose / "0.jpg").write_bytes(content[: len(content) // 2])
    status, out, err = predict(loose, "-q")
    assert status == 1 and out.count("\n") == 4
    assert err.count("\n") == 1 and "0.jpg: cut short" in err


def test_predict__empty_loose_folder(predict, tmp_path):
    (tmp_path / "empty").mkdir()
    status, out, err = predict(tmp_path / "empty")
    assert status == 1 and out == "" and "not a file" in err

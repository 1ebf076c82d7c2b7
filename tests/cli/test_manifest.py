"""`budwood manifest`, and `--columns` of the commands."""

import csv

import pytest

from tests.conftest import write_colours


@pytest.fixture
def here(tmp_path, monkeypatch):
    write_colours(tmp_path / "photos", 4)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_manifest__writes_what_train_reads(here, call):
    status, out, err = call("manifest", "photos", "-o", "photos.csv")
    assert (status, out) == (0, "photos.csv\n")
    assert "12 photos, 3 classes. Train on it: budwood train photos.csv" in err
    rows = list(csv.DictReader((here / "photos.csv").read_text().splitlines()))
    assert rows[0] == {"path": "photos/blue/blue 00.jpg", "label": "blue", "name": "blue/blue 00.jpg"}
    status, out, _ = call("check", "photos.csv")
    assert status == 0 and "path from 'path', label from 'label'" in out and "12 usable" in out


def test_manifest__asks_before_it_writes_over(here, call):
    call("manifest", "photos", "-o", "photos.csv")
    status, _, err = call("manifest", "photos", "-o", "photos.csv", "--quiet")
    assert status == 1 and "photos.csv is there already" in err
    status, _, err = call("manifest", "photos.csv", "-o", "photos.csv", "--overwrite")
    assert status == 1 and "photos.csv is what was read" in err
    assert call("manifest", "photos", "-o", "photos.csv", "--overwrite", "--quiet") == (0, "photos.csv\n", "")


def test_manifest__columns_and_other_forms(here, call):
    (here / "liste.csv").write_text("Datei;Art\nphotos/red/red 00.jpg;rot\nphotos/blue/blue 00.jpg;blau\n")
    status, _, err = call("manifest", "liste.csv", "-o", "tasks.json", "--format", "label-studio")
    assert status == 1 and "liste.csv has no column for the path of the picture and the label" in err
    assert "--columns path=COLUMN,label=COLUMN" in err
    asked = ("--columns", "path=Datei,label=Art")
    status, out, _ = call("manifest", "liste.csv", *asked, "-o", "tasks.json", "--format", "label-studio")
    assert (status, out) == (0, "tasks.json\n")
    assert "rot" in call("check", "tasks.json")[1]
    status, _, err = call("manifest", "liste.csv", "--columns", "Datei", "-o", "x.csv")
    assert status == 1 and "--columns" in err
    status, _, err = call("manifest", "liste.csv", "--columns", "picture=Datei", "-o", "x.csv")
    assert status == 1 and "data.columns" in err

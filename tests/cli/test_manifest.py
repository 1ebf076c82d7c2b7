"""`budwood manifest`, and `--columns` of the commands."""

import csv
from contextlib import nullcontext

import numpy as np
import pytest
from PIL import Image, ImageOps

from budwood.config.group_rule import GroupRule
from budwood.data.check import check
from budwood.data.groups import form_groups
from budwood.data.sources import read_source
from budwood.features.extract import Extraction
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


@pytest.fixture
def alike(tmp_path, monkeypatch):
    """Two classes, each with a picture, its mirror image and others."""
    noise = np.random.default_rng(0).integers(0, 255, (6, 9, 12, 3)).astype(np.uint8)
    for place, one in enumerate(noise):
        image = Image.fromarray(one).resize((120, 90), Image.Resampling.BICUBIC)
        folder = tmp_path / "photos" / "ab"[place % 2]
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{place}.png")
        if place < 2:
            ImageOps.mirror(image).save(folder / f"{place} mirrored.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def features_of_one_direction(monkeypatch):
    class Features:
        def array(self, photos):
            return np.ones((len(photos), 4), np.float32)

    monkeypatch.setattr(
        "budwood.auditing.near_duplicates.audited_features",
        lambda recipe, photos, progress: nullcontext((Features(), Extraction())),
    )


def test_manifest__groups_of_near_duplicates(alike, call, monkeypatch):
    features_of_one_direction(monkeypatch)
    status, _, err = call("manifest", "photos", "--group", "near-duplicates", "-o", "photos.csv")
    assert status == 0
    assert "2 groups of several photos, 4 photos in them; features and pixels found 2 pairs" in err
    lines = (alike / "photos.csv").read_text().splitlines()
    rows = {row["name"]: row["group"] for row in csv.DictReader(lines)}
    assert rows["a/0.png"] == rows["a/0 mirrored.png"] != rows["b/1.png"] == rows["b/1 mirrored.png"]
    assert len(set(rows.values())) == 6
    # They are what a training divides by, with the rule named and without.
    for rule in ("column:group", "auto"):
        photos = check(read_source("photos.csv")).photos
        groups = [photo.group for photo in form_groups(photos, GroupRule.read(rule)) if photo.group]
        assert len(groups) == 4 and len(set(groups)) == 2


def test_manifest__groups_without_features_and_by_other_rules(alike, call):
    asked = ("manifest", "photos", "-o", "photos.csv", "--overwrite")
    status, _, err = call(*asked, "--group", "near-duplicates", "--no-features")
    assert status == 0 and "0 groups of several photos" in err
    status, _, err = call(*asked, "--group", r"pattern:/(\d)")
    assert status == 0 and "2 groups of several photos, 4 photos in them" in err
    status, _, err = call(*asked, "--group", "parent")
    assert status == 1 and "every class lies in one folder" in err
    status, _, err = call(*asked, "--no-features")
    assert status == 1 and "--no-features goes with --group near-duplicates" in err


def test_manifest__a_group_in_two_given_splits_is_said(alike, call, monkeypatch):
    features_of_one_direction(monkeypatch)
    rows = ["path,label,split"]
    for place, file in enumerate(sorted((alike / "photos").glob("*/*.png"))):
        rows.append(f"{file},{file.parent.name},{('test', 'train')[place % 2]}")
    (alike / "given.csv").write_text("\n".join(rows))
    status, _, err = call("manifest", "given.csv", "--group", "near-duplicates", "-o", "photos.csv")
    assert status == 0 and "2 groups in several of the given splits, such as" in err
    assert "budwood train refuses that" in err

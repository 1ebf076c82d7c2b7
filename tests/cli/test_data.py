"""`budwood check`, `augment` and `sample`."""

import json
import shutil

import pytest
from PIL import Image

from tests.cli.command_line import one_line

pytestmark = pytest.mark.usefixtures("shared_cache")


def test_augment__writes_a_sheet(call, session_colours, tmp_path):
    sheet = tmp_path / "views.png"
    settings = ["--set", "data.size=64"]
    assert call("augment", session_colours, "-o", sheet, *settings) == (0, f"{sheet}\n", "")
    first = sheet.read_bytes()
    with Image.open(sheet) as image:
        assert image.format == "PNG" and min(image.size) > 300
    assert call("augment", session_colours, "-o", sheet, *settings, "--seed", "1")[0] == 0
    assert sheet.read_bytes() != first
    status, _, err = call("augment", session_colours, "-o", sheet, "--recipe", "frozen-linear")
    assert status == 1 and one_line(err) and "draws no views" in err


def test_check__exit_status_and_json(call, colours, tmp_path):
    assert call("check", colours, "-q") == (0, "42 photos, 42 usable, 3 classes, 0 problems\n", "")
    (colours / "red" / "bad\nname.jpg").write_text("text")
    status, out, err = call("check", colours, "--quiet")
    assert status == 1 and not err
    assert out.splitlines()[0].startswith(r"not_an_image: red/bad\nname.jpg: ")
    assert out.splitlines()[1] == "43 photos, 42 usable, 3 classes, 1 problem"
    status, out, err = call("check", colours, "--json")
    assert status == 1 and not err
    assert [problem["path"] for problem in json.loads(out)["problems"]] == ["red/bad\nname.jpg"]


def test_check__says_what_was_read_and_asks_where_it_is_not_certain(call, colours, tmp_path):
    (colours / "red" / "1.NEF").write_bytes(b"raw")
    status, out, _ = call("check", colours)
    lines = out.splitlines()
    assert status == 1 and lines[0] == "read as a folder for each class"
    assert ["red", "14"] in [line.split() for line in lines]
    assert (
        "not read: 1 .nef file in 'red', such as 'red/1.NEF': a camera's raw format; convert them to JPEG"
        in lines
    )
    both = tmp_path / "sites"
    for site in ("north", "south"):
        shutil.copytree(colours, both / site)
    status, out, err = call("check", both)
    assert status == 1 and not out
    assert [line.split()[:2] for line in err.splitlines()[1:3]] == [
        ["--layout", "classes"],
        ["--layout", "nested"],
    ]
    _, out, _ = call("check", both, "--layout", "nested", "--json")
    assert json.loads(out)["understood"]["classes"]["blue"] == {"": 28}
    _, out, _ = call(
        "check", both, "--split-folders", "train=north", "--split-folders", "test=south", "--json"
    )
    assert json.loads(out)["understood"]["reading"]["splits"] == {"train": ["north"], "test": ["south"]}
    status, _, err = call("check", both, "--split-folders", "train")
    assert status == 1 and one_line(err) and "Write train=FOLDER" in err


def test_check__says_that_nothing_could_be_learned(call, colours):
    for photo in sorted((colours / "red").iterdir())[2:]:
        photo.unlink()
    status, out, _ = call("check", colours)
    assert status == 1 and "refused: photos: too few photos: 'red' has 2" in out
    shutil.rmtree(colours / "red")
    shutil.rmtree(colours / "blue")
    status, _, err = call("check", colours, "-q")
    assert status == 1 and one_line(err)


def test_sample__digits(call, tmp_path):
    status, out, _ = call("sample", "digits", tmp_path / "digits")
    assert status == 0 and f"budwood train {tmp_path / 'digits'}" in out
    assert len(list((tmp_path / "digits").rglob("*.png"))) == 1797
    status, _, err = call("sample", "digits", tmp_path / "digits", "-q")
    assert status == 1 and "not an empty folder" in err
    status, _, err = call("sample", "flowers", tmp_path / "flowers", "--from", tmp_path / "absent.tgz")
    assert status == 1 and "absent.tgz" in err


def test_check__takes_keys_of_data_and_no_others(call, colours, tmp_path):
    table = tmp_path / "elsewhere" / "photos.csv"
    table.parent.mkdir()
    rows = [
        f"{photo.relative_to(colours).as_posix()},{photo.parent.name}" for photo in colours.glob("*/*.jpg")
    ]
    table.write_text("path,label\n" + "\n".join(rows) + "\n")
    status, _, err = call("check", table)
    assert status == 1 and "data.root" in err
    status, out, _ = call("check", table, "--set", f"data.root={colours}")
    assert status == 0 and "42 photos, 42 usable" in out
    status, out, _ = call("check", table, "--set", f"data.root={colours}", "--set", "data.min_photos=20")
    assert status == 1 and "small_class" in out
    status, _, err = call("check", table, "--set", "head.dropout=0.2")
    assert status == 1 and "only [data] has" in err

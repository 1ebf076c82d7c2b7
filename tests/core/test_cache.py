import os
import subprocess
import sys
from pathlib import Path

import pytest

from budwood.core.cache import cache_dir, refuse_read_only_cache
from budwood.core.errors import StoreError


def test_cache_dir__is_made_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "a" / "b"))
    assert cache_dir() == tmp_path / "a" / "b" and cache_dir().is_dir()


def test_cache_dir__cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StoreError, match="Set BUDWOOD_CACHE to a folder that you may write"):
        cache_dir()


LOST = """
import os, sys, warnings
from budwood.core.cache import cache_dir
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    folder = cache_dir()
assert cache_dir() == folder and os.environ["BUDWOOD_CACHE"] == str(folder)
(folder / "features").mkdir()
assert len(said) == 1 and said[0].category.__name__ == "CacheWarning", said
if os.fork() == 0:
    sys.exit()
os.wait()
assert (folder / "features").is_dir()
print(folder)
print(said[0].message)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("home", [None, "/proc"])
def test_cache_dir__without_a_place_that_lasts_it_is_of_the_process(tmp_path, home):
    own = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    lost = "import os; os.getuid = lambda: 54321\n" * (home is None) + LOST
    done = subprocess.run(
        [sys.executable, "-c", lost],
        env={**own, **({"HOME": home} if home else {})},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    folder, said = done.stdout.splitlines()
    assert Path(folder).parent == tmp_path and not Path(folder).exists()
    assert "kept in" in said and "Set BUDWOOD_CACHE to a folder that you may write" in said


def test_cache_dir__nor_room_for_temporary_files(monkeypatch):
    def none(prefix):
        raise FileNotFoundError(2, "No usable temporary directory found")

    def homeless(name):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("BUDWOOD_CACHE")
    monkeypatch.setattr("budwood.core.cache.platformdirs.user_cache_path", homeless)
    monkeypatch.setattr("budwood.core.cache.tempfile.mkdtemp", none)
    with pytest.raises(
        StoreError, match="home directory; No usable temporary directory found. Set BUDWOOD_CACHE"
    ):
        cache_dir()


def test_refuse_read_only_cache(own_cache, monkeypatch):
    refuse_read_only_cache()
    assert not list(own_cache.iterdir())

    def read_only(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    # Root may write into any folder.
    monkeypatch.setattr("budwood.core.cache.tempfile.TemporaryFile", read_only)
    with pytest.raises(StoreError, match="cannot be written: Permission denied.*set BUDWOOD_CACHE"):
        refuse_read_only_cache()

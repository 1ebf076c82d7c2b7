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


def test_refuse_read_only_cache(own_cache, monkeypatch):
    refuse_read_only_cache()
    assert not list(own_cache.iterdir())

    def read_only(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    # Root may write into any folder.
    monkeypatch.setattr("budwood.core.cache.tempfile.TemporaryFile", read_only)
    with pytest.raises(StoreError, match="cannot be written: Permission denied.*set BUDWOOD_CACHE"):
        refuse_read_only_cache()

import pytest

from budwood.core.errors import RunError
from budwood.core.locks import lock


def test_lock__one_at_a_time_and_released_by_an_error(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(ZeroDivisionError), lock(folder):
        with pytest.raises(RunError, match=f"{folder} is in use by another study"), lock(folder, "study"):
            pass
        raise ZeroDivisionError
    with lock(folder):
        pass


def test_lock__knows_a_folder_by_its_place_and_leaves_it_alone(tmp_path, own_cache):
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    with (
        lock(tmp_path / "run"),
        lock(tmp_path / "other"),
        pytest.raises(RunError),
        lock(tmp_path / "link" / "run"),
    ):
        pass
    assert not (tmp_path / "run").exists() and list((own_cache / "locks").iterdir())

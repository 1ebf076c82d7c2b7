"""What is left behind in the home folder: nothing of ours, and what a user has set stays."""

import os
from pathlib import Path

import pytest

from budwood.core.home import keras_home, leave_home_alone


@pytest.fixture
def home(tmp_path, monkeypatch):
    # Set first, so that what is set below is taken back.
    for name in ("KERAS_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def test_leave_home_alone__with_no_settings_in_it(home, own_cache):
    leave_home_alone()
    assert os.environ["KERAS_HOME"] == os.devnull and keras_home() == home / ".keras"
    assert Path(os.environ["MPLCONFIGDIR"]) == own_cache / "fonts"
    assert list(home.iterdir()) == list(own_cache.iterdir()) == []


def test_leave_home_alone__settings_of_keras_are_read(home):
    (home / ".keras").mkdir()
    (home / ".keras" / "keras.json").write_text("{}")
    leave_home_alone()
    assert "KERAS_HOME" not in os.environ and keras_home() == home / ".keras"


def test_leave_home_alone__what_a_user_has_set_stays(home, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", "~/mine")
    monkeypatch.setenv("MPLCONFIGDIR", "theirs")
    leave_home_alone()
    assert (os.environ["KERAS_HOME"], os.environ["MPLCONFIGDIR"]) == ("~/mine", "theirs")
    assert keras_home() == home / "mine"

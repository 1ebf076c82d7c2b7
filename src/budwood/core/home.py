"""The home folder: what the libraries beneath keep there, and how a command leaves nothing of theirs behind."""

import os
from contextlib import suppress
from pathlib import Path

from budwood.core.cache import FONTS, cache_place


def keras_home() -> Path:
    """Return the folder of Keras's settings and of the weights that it fetches, as Keras decides."""
    chosen = os.environ.get("KERAS_HOME")
    if chosen and chosen != os.devnull:
        return Path(os.path.expanduser(chosen))
    home = os.path.expanduser("~")
    return Path(home if os.access(home, os.W_OK) else "/tmp") / ".keras"


def leave_home_alone() -> None:
    """Keep Keras and Matplotlib, in this process and those that it starts, from writing into the home folder.

    Keras would write the settings that nobody has made, keras.json, and Matplotlib its list of the machine's fonts. A
    keras.json that is there is read; what a user has set by `KERAS_HOME` or `MPLCONFIGDIR` stays.

    For processes of our own: in a user's session both are theirs as well.
    """
    if "KERAS_HOME" not in os.environ and not (keras_home() / "keras.json").exists():
        # No file can be written below it, and Keras lets that pass.
        os.environ["KERAS_HOME"] = os.devnull
    # Without a home Matplotlib finds a place by itself.
    with suppress(RuntimeError):
        os.environ.setdefault("MPLCONFIGDIR", str(cache_place() / FONTS))

"""The models that answer, by name, and how one takes the place of another while requests go on."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from budwood.core.errors import BudwoodError, RunError, did_you_mean
from budwood.core.text import shown
from budwood.run import load
from budwood.serving.errors import RequestError
from budwood.serving.model import ServedModel, current_fingerprint


def named_runs(runs: Sequence[str]) -> dict[str, Path]:
    """Return folders of runs by the names that requests give them: NAME=RUN, or the name of the folder.

    Raise RunError for two runs of one name, and for a name that is none.

    >>> named_runs(["runs/first", "b=runs/second"])
    {'first': PosixPath('runs/first'), 'b': PosixPath('runs/second')}
    """
    found: dict[str, Path] = {}
    for given in runs:
        name, equals, place = given.partition("=")
        folder = Path(place) if equals and not Path(given).exists() else Path(given)
        name = name if equals and not Path(given).exists() else folder.resolve().name
        if name in ("", ".", "..") or not name.isprintable() or any(sign in name for sign in "/\\?#%"):
            raise RunError(f"{given!r} gives a run no name that an address can hold. Give one: NAME=RUN")
        if name in found:
            raise RunError(
                f"two runs are named {name}: {found[name]} and {folder}. Name one of them: NAME={folder}"
            )
        found[name] = folder
    return found


class Models:
    """The models that answer, by name; the first is asked where a request names none.

    Args:
        folders: runs by name; loaded at once.
        say: told of what happens to them.

    Raises:
        RunError: a run is missing, not complete or damaged.
    """

    def __init__(self, folders: dict[str, Path], say: Callable[[str], None] = lambda line: None):
        self._folders, self._say = folders, say
        # All records before any model: what is wrong with the last is said before the first is read.
        runs = {name: load(folder) for name, folder in folders.items()}
        self._models = {name: ServedModel(name, run) for name, run in runs.items()}
        self._refused: dict[str, str] = {}
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None

    def __iter__(self):
        return iter(list(self._models.values()))

    @property
    def default(self) -> str:
        """The name of the model that answers where none is named."""
        return next(iter(self._models))

    def find(self, name: str | None) -> ServedModel:
        """Return the model of a name. Raise RequestError where there is none."""
        found = self._models.get(self.default if name is None else name)
        if found is None:
            names = ", ".join(list(self._models)[:10])
            hint = did_you_mean(name or "", self._models)
            raise RequestError("not_found", f"no model has this name.{hint} There are: {names}")
        return found

    def reload(self) -> list[str]:
        """Put a model in place of each that was replaced on disk; return the names of those.

        Requests that were begun before end with the model that they began with. What cannot be loaded leaves the old
        model answering, and is said once.
        """
        changed = []
        for name, model in list(self._models.items()):
            found = current_fingerprint(model.folder)
            if found in (None, model.fingerprint):
                continue
            try:
                self._models[name] = ServedModel(name, load(model.folder))
            except (BudwoodError, OSError, RuntimeError) as error:
                if self._refused.get(name) != str(error):
                    self._say(f"{name} is not replaced, the model before goes on answering: {error}")
                self._refused[name] = str(error)
                continue
            self._refused.pop(name, None)
            changed.append(name)
            self._say(f"{name} is replaced by the model {self._models[name].fingerprint[:12]}")
        return changed

    def watch(self, seconds: float = 2.0) -> None:
        """Look for replaced runs from now on, in a thread of its own."""

        def look() -> None:
            while not self._stop.wait(seconds):
                try:
                    self.reload()
                except Exception as error:
                    # What it is matters less than that the next run that is replaced is looked at again.
                    self._say(f"no run is replaced, the models before go on answering: {error!r}")

        self._watcher = threading.Thread(target=look, name="reload", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()


def in_one_line(model: ServedModel) -> str:
    """Return what is served, for who begins the server."""
    return (
        f"{shown(model.name)}  {len(model.classes)} classes  {model.fingerprint[:12]}  {shown(model.folder)}"
    )

from contextlib import contextmanager

import pytest


class RecordedStages:
    """A progress that counts the steps of each stage."""

    def __init__(self):
        self.stages: dict[str, int] = {}
        self.totals: dict[str, int | None] = {}

    @contextmanager
    def stage(self, name, total=None, unit="photos"):
        self.stages[name], self.totals[name] = 0, total
        yield _Stage(self, name)

    def say(self, line):
        pass


class _Stage:
    def __init__(self, progress, name):
        self.progress, self.name = progress, name

    def advance(self, steps=1):
        self.progress.stages[self.name] += steps


@pytest.fixture
def recorded_stages() -> RecordedStages:
    return RecordedStages()

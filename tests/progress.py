"""A progress for tests that look at what a user is told."""

from contextlib import contextmanager

from budwood.core.progress.base import SILENT


class KeptLines:
    """Progress that keeps the lines that it is given, and shows no stage."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)

    def stage(self, name, total=None, unit="photos"):
        return SILENT.stage(name, total, unit)


class KeptStages:
    """Progress that keeps of each stage its name, its total, and how far it got."""

    def __init__(self):
        self.stages = []

    @contextmanager
    def stage(self, name, total=None, unit="photos"):
        self.stages.append([name, total, 0])
        yield self

    def advance(self, steps=1):
        self.stages[-1][2] += steps

    def say(self, line):
        pass

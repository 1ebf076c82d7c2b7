"""A progress for tests that look at what a user is told."""

from budwood.core.progress.base import SILENT


class KeptLines:
    """Progress that keeps the lines that it is given, and shows no stage."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)

    def stage(self, name, total=None, unit="photos"):
        return SILENT.stage(name, total, unit)

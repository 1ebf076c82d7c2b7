"""What the commands that ask about pictures read and print: predictions one by one as they come, and what goes with
them."""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from budwood.cli.options import progress_of
from budwood.core.text import count, shown
from budwood.inference.prediction import Prediction

if TYPE_CHECKING:
    from budwood.core.progress.base import Progress
    from budwood.data.expand_paths import Expanded
    from budwood.inference.prediction_files import Written
    from budwood.run import Run


class Answers:
    """Prints predictions while they are passed on, and counts them; no list of them is kept.

    Args:
        top: how many classes to show of each.
        as_json: print a JSON list.
        lines: print a line for each.
    """

    def __init__(self, top: int, *, as_json: bool, lines: bool):
        self._top, self._as_json, self._lines = top, as_json, lines and not as_json
        # A display of progress may put another in its place, which goes where the display does.
        self._out = sys.stdout
        self.rows = self.errors = 0
        self.out_of_distribution = 0

    def progress(self, quiet: bool) -> "Progress":
        """Return a display of progress that leaves room for the lines between."""
        if self._lines and not quiet and sys.stderr.isatty() and self._out.isatty():
            from budwood.core.progress.plain import Plain

            return Plain()
        return progress_of(quiet, self._as_json)

    def told(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Pass predictions on, each after it was told of."""
        for one in predictions:
            if one.error is not None:
                print(shown(f"budwood: {one.name}: {one.error}"), file=sys.stderr)
            elif self._lines:
                print(f"{shown(one.name)}\t{one.in_words(self._top)}", file=self._out)
            if self._as_json:
                self._print_json(one)
            self.rows += 1
            self.errors += one.error is not None
            self.out_of_distribution += one.out_of_distribution
            yield one
        if self._as_json:
            print("\n]" if self.rows else "[]", file=self._out)

    def _print_json(self, one: Prediction) -> None:
        # As `print_json` has a list.
        text = json.dumps(one.to_json(self._top), indent=2).replace("\n", "\n  ")
        print(",\n  " if self.rows else "[\n  ", text, sep="", end="", file=self._out)


def written_in_words(place: object, written: "Written", parts: int = 0) -> str:
    """Return what was written where.

    >>> from budwood.inference.prediction_files import Written
    >>> written_in_words("out.csv", Written(1200, 3))
    'table   out.csv (1,200 photos, 3 of which could not be read)'
    """
    said = count(written.rows, "photo")
    if parts:
        said = f"{count(parts, 'part')}, {said}"
    if written.errors:
        said += f", {written.errors:,} of which could not be read"
    return f"table   {place} ({said})"


def read_standard_input() -> bytes:
    """Return all of standard input."""
    return sys.stdin.buffer.read()


def report_passed_over(inputs: "Expanded") -> None:
    """Say which files of the folders are not read."""
    from budwood.report.reading import passed_over_as_lines

    for line in passed_over_as_lines(inputs.passed_over):
        print(shown(line), file=sys.stderr)


def warn_of_none_of_these(run: "Run", answered: bool, acceptance: float | None) -> None:
    """Say where "none of these" was answered what it rests on, if that is little."""
    if answered and (warning := run.ood_warning(acceptance)):
        print(f"none of these: {warning}", file=sys.stderr)

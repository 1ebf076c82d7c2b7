"""RunRecord: what a run directory holds in writing, read without its model."""

import os
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from budwood.core.errors import RunError, did_you_mean
from budwood.core.files import JsonObject
from budwood.data.places import find_place
from budwood.evaluation.task import MULTI_LABEL
from budwood.inference.own_photos import OwnPhotos
from budwood.runs.files import read_run

if TYPE_CHECKING:
    from budwood.config.recipe import Recipe
    from budwood.data.taxonomy import Taxonomy
    from budwood.report.checklists.item import FilledChecklist
    from budwood.runs.figures import Phase
    from budwood.runs.schema import EpochRow


class RunRecord:
    """The recipe, the split, the figures and the pages of a complete run. Raise RunError when there is none."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.files = read_run(self.folder).require_complete()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows of a run: `budwood.report.notebook`."""
        from budwood.report.notebook import show_run

        return show_run(self.folder).html

    @property
    def info(self) -> JsonObject:
        """The content of run.json."""
        return self.files.info.to_json()

    @cached_property
    def metrics(self) -> JsonObject:
        """The content of metrics.json."""
        return self.files.metrics.to_json()

    @cached_property
    def recipe(self) -> "Recipe":
        """The resolved recipe: run again on the same photos it gives the same result."""
        return self.files.recipe

    @cached_property
    def splits(self) -> list[dict[str, str | int]]:
        """The rows of split.csv: name, label, split, sha256 and group as text, width and height in whole pixels.

        >>> run.splits[0]["width"]                                        # doctest: +SKIP
        320
        """
        return [asdict(row) for row in self.files.split]

    @property
    def history(self) -> "list[EpochRow]":
        """The rows of history.csv, one for each epoch of every phase (a linear probe has one): phase, epoch, loss,
        accuracy, val_loss, val_accuracy and what else was tracked.

        >>> [row["val_accuracy"] for row in run.history]                  # doctest: +SKIP
        [0.875, 0.903, 0.914]
        """
        return self.files.history

    @property
    def classes(self) -> list[str]:
        """Class names in the order of the model's outputs."""
        return list(self.files.classes)

    @property
    def model_sha256(self) -> str:
        """SHA-256 of model.keras as it was saved."""
        return self.files.model.sha256

    @property
    def kept_phase(self) -> "Phase":
        """The phase whose model the run kept."""
        return self.files.metrics.kept

    @property
    def thresholds(self) -> dict[str, float] | None:
        """Of several labels a photo, the probability from which a photo has each; None where one class is right."""
        values = self.files.model.thresholds
        return None if values is None else dict(zip(self.classes, values, strict=True))

    @property
    def temperature(self) -> float:
        """The number that the model's logits were divided by, for probabilities that fit its validation photos; 1 where
        each label has a scaling of its own."""
        return float(self.files.model.temperature)

    @property
    def taxonomy(self) -> "Taxonomy | None":
        """The tree of the labels, None for a run without one.

        >>> run.taxonomy.path("BARN OWL")                                 # doctest: +SKIP
        ('OWL', 'BARN OWL')
        """
        return self.files.taxonomy

    def write_report(self, data: object = None) -> Path:
        """Write report.html again, with the pictures that `data` holds, recognised by name and content.

        Of photos that are not there the thumbnails of the report that is there are kept. Raise DataError when `data`
        holds none of the run's photos.
        """
        from budwood.report.page import write_report

        return write_report(self.folder, None if data is None else self._own_photos.images(data))

    def card(self) -> str:
        """Return the model card as Markdown, with metadata at its head as Hugging Face reads them.

        Raise RunError for a linear trial, which keeps no model.

        >>> print(run.card())                                             # doctest: +SKIP
        """
        from budwood.report.card import render_card
        from budwood.report.summary import read_contents

        # Whoever keeps no model says so in a sentence of its own.
        _ = self.files.model
        return render_card(read_contents(self.folder))

    def checklist(self, name: str) -> "FilledChecklist":
        """Return a reporting checklist, filled as far as the run shows what an item asks; the rest are questions.

        Args:
            name: "reforms" (Kapoor et al. 2024), "claim" (Tejani et al. 2024) or "tripod-ai" (Collins et al. 2024).

        Raises:
            RunError: there is no checklist of that name.

        >>> run.checklist("reforms").num("answered")                      # doctest: +SKIP
        22
        """
        from budwood.report.checklists.fill import fill_checklist, find_checklist
        from budwood.report.summary import read_contents

        find_checklist(name)
        return fill_checklist(read_contents(self.folder), name)

    def summary(self) -> str:
        """Return the result in a few lines."""
        from budwood.report.first_lines import first_lines

        spikes = self.files.info.warnings_of("loss_spike")
        lines = first_lines(self.files.metrics, self.recipe, spikes)
        return "\n".join([*lines, f"run     {self.folder}", f"report  {self.folder / 'report.html'}"])

    def refuse_unknown_class(self, label: str | None) -> None:
        """Raise RunError for the name of a class that the run does not know."""
        if label is not None and label not in self.classes:
            raise RunError(
                f"the run does not know the class {label}.{did_you_mean(label, self.classes)} "
                f"It knows: {', '.join(self.classes[:10])}"
            )

    @cached_property
    def _own_photos(self) -> OwnPhotos:
        split = self.files.info.split
        place = find_place(split.sha256) if split else None
        rows = [
            {
                **{"name": row.name, "label": row.label, "split": row.split, "sha256": row.sha256},
                "group": row.group,
            }
            for row in self.files.split
        ]
        settings = self.recipe.data
        if self.files.multi_label:
            # A table in which no photo happens to have two labels is one of labels all the same.
            settings = settings.model_copy(update={"task": MULTI_LABEL.name})
        return OwnPhotos(rows, self.classes, settings, place)

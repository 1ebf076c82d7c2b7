"""A training that is asked for: what can be refused before Keras is loaded and before a photo is read.

The refusals come in the order of what they cost: the recipe alone, the directory of the new run, the runs that it
builds on, and the list of the photos, which is made here once.
"""

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from budwood.backbones.backbone import Backbone
from budwood.backbones.registry import get_backbone
from budwood.backbones.resolve import refuse_impossible, resolve
from budwood.config.recipe import Recipe
from budwood.config.task_rules import refuse_for_multi_label, refuse_for_single_label
from budwood.core.errors import RecipeError, RunError
from budwood.core.progress.base import SILENT, Progress
from budwood.data.manifest import Manifest
from budwood.data.sources import read_source, source_name
from budwood.data.taxonomy import Taxonomy
from budwood.data.taxonomy_table import find_taxonomy, read_taxonomy
from budwood.evaluation.task import Task, task_of
from budwood.report.reading import understood_as_lines
from budwood.runs.directory import RunDirectory, is_complete, next_free
from budwood.runs.files import TAXONOMY, RunFiles, read_run
from budwood.runs.resume import as_asked
from budwood.runs.schema import Request
from budwood.storage.objects import open_storage
from budwood.storage.place import as_written, is_address, store_place


@dataclass(frozen=True)
class Output:
    """Where a run is to be written."""

    folder: Path | None = None
    """None is the next free `runs/NAME-N`."""
    overwrite: bool = False
    """Replace the run that the folder holds."""
    resume: bool = False
    """Go on with an interrupted run in the folder."""

    @property
    def goes_on(self) -> bool:
        """Return whether an interrupted run is gone on with."""
        return self.resume and not self.overwrite


@dataclass(frozen=True)
class TrainingRequest:
    """A training against which nothing speaks as far as can be seen without reading a photo."""

    manifest: Manifest
    """The photos as they are listed."""
    source: str
    """What the photos are called in messages."""
    name: str
    """What they are called in run.json, which knows no paths."""
    asked: Recipe
    """As it was asked for; initialised from a run, with the split, backbones and sizes of that run."""
    recipe: Recipe
    """The same, sizes resolved."""
    backbones: tuple[Backbone, ...]
    sizes: tuple[int, ...]
    """Side of each backbone's own input in pixels."""
    directory: RunDirectory
    """Of the new run, untouched."""
    output: Output
    task: Task
    previous: RunFiles | None = None
    """The run whose model is fine-tuned further."""
    teacher: RunFiles | None = None
    """The run whose model is learned from."""
    taxonomy: Taxonomy | None = None
    """The tree of the labels."""
    began: float = field(default_factory=time.monotonic)
    """When it was asked for, by `time.monotonic`."""

    @property
    def place(self) -> str | None:
        """Return where the photos are, if in a file, a folder or object storage."""
        if is_address(self.source):
            return self.source
        return os.path.abspath(self.source) if os.path.exists(self.source) else None

    @property
    def steps(self) -> list[str]:
        """Return the stages that the training will consist of, by their names in run.json."""
        settings, names = self.recipe.finetune, [backbone.name for backbone in self.backbones]
        tuned = [name for name in names if settings.epochs and settings.trains(name)]
        if len(names) > 1:
            phase = [step for name in tuned for step in (f"views of {name}", f"finetune {name}")]
        else:
            phase = ["views", "finetune"] if tuned else []
        plan = ["plan"] if self.recipe.budget.minutes else []
        trial = ["int8"] if self.recipe.backbone.precision == "int8" else []
        return [
            "check",
            *plan,
            "backbone",
            *trial,
            "features",
            "copies",
            "head",
            *phase,
            *(["calibrate"] if phase else []),
            "evaluate",
            "save",
            "report",
        ]


def read_recipe(
    recipe: str | os.PathLike | Recipe, settings: Iterable[str] = (), *, start: bool = False
) -> Recipe:
    """Return a recipe by its name, from its file or as given, with settings laid over it.

    With `start` it is initialised from a run, which decides the sizes; those of a shipped recipe or file are left out.
    """
    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe).without_sizes() if start else Recipe.load(recipe)
    return recipe.with_settings(settings)


def ask_for_training(
    data: object,
    recipe: Recipe,
    output: Output = Output(),
    *,
    start: str | os.PathLike | None = None,
    command: str | None = None,
    progress: Progress = SILENT,
    began: float | None = None,
) -> TrainingRequest:
    """Return the training that is asked for, its photos listed. Nothing on disk is changed, and no Keras is loaded.

    Args:
        data: a source that `budwood.data.sources.read_source` lists.
        recipe: what is asked for.
        output: where the run is to be written.
        start: a complete run whose model is fine-tuned further; its tree of labels is kept where the recipe names none.
        command: how to repeat it.
        progress: told of what a source fetches, and later of the training.
        began: from when the minutes of the recipe count, by `time.monotonic`; by default now.

    Raises:
        RecipeError, BackboneError, WeightsError: the recipe cannot be followed on any photos.
        RunError: the folder holds something, or `start` or `distill.run` is not a complete run.
        DataError: there is nothing to list.
        StorageError: `BUDWOOD_STORE` names no place.
    """
    began = time.monotonic() if began is None else began
    _refuse_limit(recipe, output, start)
    if start is None:
        refuse_impossible(recipe)
    # What is wrong with the shared store would come out once all photos are decoded.
    if (shared := store_place()) is not None:
        open_storage(shared)
    # Refused here where it is an address with credentials, before it is written anywhere.
    source = as_written(os.fspath(data)) if isinstance(data, str | os.PathLike) else "photos"
    name = "photos" if isinstance(data, Manifest) else source_name(data)
    numbered = output.folder is None and not output.resume
    folder = Path(output.folder) if output.folder is not None else free_or_begun(name, output.resume)
    refuse_same_folder(folder, start, recipe.distill.run)
    if not output.goes_on:
        RunDirectory(folder, Request(), "").refuse_unless_free(overwrite=output.overwrite)
    previous = _run_with_model(start) if start is not None else None
    teacher = _run_with_model(recipe.distill.run) if recipe.distill.run else None
    if previous:
        refuse_other_network(recipe, previous)
        recipe = like(previous.recipe, recipe)
    table = read_taxonomy(recipe.data.taxonomy) if recipe.data.taxonomy else None
    asked = {
        "data": name,
        "recipe": as_asked(recipe),
        "from": previous.model.sha256 if previous else None,
        "teacher": teacher.model.sha256 if teacher else None,
        # What the table says, not where it lies: an interrupted training goes on with the same one alone.
        "taxonomy": table.sha256 if table else None,
    }
    requested = Request.model_validate(asked)
    command = command or f"budwood train {source}{'' if numbered else f' -o {folder}'}"
    RunDirectory(folder, requested, command, progress).refuse_unless_free(
        overwrite=output.overwrite, resume=output.resume
    )
    backbones = tuple(get_backbone(name) for name in recipe.backbone.names)
    resolved, sizes = resolve(recipe, backbones)
    manifest = read_source(data, resolved.data, progress=progress)
    for line in understood_as_lines(manifest.understood()):
        progress.say(line)
    task = task_of(manifest.multi_label)
    (refuse_for_multi_label if manifest.multi_label else refuse_for_single_label)(resolved)
    own = output.goes_on and Path(recipe.data.taxonomy).resolve() == (folder / TAXONOMY).resolve()
    taxonomy = find_taxonomy(resolved.data, manifest, source, table, own=own)
    if taxonomy is None and previous is not None and previous.taxonomy is not None:
        # The classes are those of the run, which is looked at with the photos.
        taxonomy = previous.taxonomy
        progress.say(f"the tree of labels is that of {previous.folder}")
    directory = RunDirectory(folder, requested, command, progress, task=task, numbered=numbered)
    return TrainingRequest(
        manifest,
        source,
        name,
        recipe,
        resolved,
        backbones,
        tuple(sizes),
        directory,
        output,
        task,
        previous,
        teacher,
        taxonomy,
        began,
    )


def with_recipe(request: TrainingRequest, recipe: Recipe) -> TrainingRequest:
    """Return the same training asked for by another recipe; the run still records the one that was asked for."""
    return replace(with_planned(request, recipe), asked=recipe)


def with_planned(request: TrainingRequest, recipe: Recipe) -> TrainingRequest:
    """Return the same training with another recipe; the run still records the recipe that was asked for."""
    backbones = tuple(get_backbone(name) for name in recipe.backbone.names)
    resolved, sizes = resolve(recipe, backbones)
    return replace(request, recipe=resolved, backbones=backbones, sizes=tuple(sizes))


def fetch_weights(request: TrainingRequest) -> None:
    """Fetch what is not here of the ImageNet weights. Raise WeightsError."""
    if request.previous:
        return
    for backbone in request.backbones:
        imagenet = request.recipe.backbone.weights_of(backbone.name) == "imagenet"
        if imagenet and not backbone.pretrained.is_here():
            backbone.imagenet_weights()


def _refuse_limit(recipe: Recipe, output: Output, start: object | None) -> None:
    """Raise RunError for a limit of time where another training is gone on with."""
    if not recipe.budget.minutes:
        return
    words = "budget.minutes (--minutes) plans a training from its beginning, and --"
    if start is not None:
        raise RunError(f"{words}from goes on with another one. Leave one of them out")
    if output.resume:
        run = output.folder or "RUN"
        if output.folder and not (Path(output.folder) / "recipe.toml").is_file():
            raise RunError(
                f"there is no interrupted training in {run}: give the same command without --resume"
            )
        raise RunError(
            f"{words}resume goes on with another one. The plan is the recipe that the run keeps: give --recipe "
            f"{run}/recipe.toml --resume, which has no limit of time"
        )
    if recipe.backbone.precision == "int8":
        raise RecipeError(
            "budget.minutes (--minutes) plans with features of f32 or bf16, and backbone.precision is int8. Leave one "
            "of them out"
        )
    if recipe.distill.run:
        raise RecipeError(
            "budget.minutes (--minutes) does not plan the time of a teacher (--distill, distill.run). Leave one of "
            "them out"
        )


def free_or_begun(name: str, resume: bool, parent: Path = Path("runs")) -> Path:
    """Return the next free `runs/NAME-N`; to resume, the last one where it is not complete."""
    free = next_free(parent, name)
    last = free.with_name(f"{name}-{int(free.name.rpartition('-')[2]) - 1}")
    return last if resume and (last / "run.json").is_file() and not is_complete(last) else free


def _run_with_model(folder: str | os.PathLike) -> RunFiles:
    """Return a complete run whose model is there, undamaged."""
    run = read_run(Path(folder)).require_complete()
    _ = run.model_file
    return run


def refuse_same_folder(
    folder: Path, start: str | os.PathLike | None, teacher: str | os.PathLike | None
) -> None:
    """Raise RunError where the new run would take the place of one that it builds on."""
    for run, what in ((start, "is the run to initialise from"), (teacher, "is the run that teaches")):
        if run is not None and folder.resolve() == Path(run).resolve():
            raise RunError(f"{folder} {what}. Give another directory for the new one")


def refuse_other_network(recipe: Recipe, previous: RunFiles) -> None:
    """Raise RecipeError where a run is of another network than the recipe asks for, or is not to be fine-tuned."""
    if not recipe.finetune.epochs:
        raise RecipeError(
            "--from goes on with phase 2, and the recipe has no phase 2. Give --set finetune.epochs=10, or a recipe "
            "that fine-tunes"
        )
    ours, theirs = recipe.backbone, previous.recipe.backbone
    sizes = [(own, other) for (_, own), (_, other) in zip(ours.sized, theirs.sized, strict=False)]
    differs = ours.names != theirs.names or any(own not in (None, other) for own, other in sizes)
    # What adapts says nothing of the network and its size: those of the run are as good as any.
    pairs = {} if recipe.adapt else {"backbone.name": (ours.name, theirs.name, differs)}
    for key in (*(() if recipe.adapt else ("data.size",)), "data.resize", "head.pooling"):
        section, name = key.split(".")
        own, other = (getattr(getattr(one, section), name) for one in (recipe, previous.recipe))
        pairs[key] = own, other, own not in ("auto", other)
    for key, (own, other, differs) in pairs.items():
        if differs:
            advice = f"--set {key}={json.dumps(other)}"
            if key == "backbone.name":
                advice = f"--backbone {other if isinstance(other, str) else ','.join(other)}"
            raise RecipeError(
                f"the run {previous.folder} was trained with {key} = {other!r}, and this recipe says {own!r}. "
                f"Give {advice}"
            )
    asked, known = recipe.data.levels, previous.recipe.data.levels
    if asked is not None and known is not None and asked != known:
        setting = "data.bit_depth" if recipe.data.range == "auto" else "data.range"
        raise RecipeError(
            f"the run {previous.folder} was trained with values from {known[0]:g} to {known[1]:g}, and this recipe has "
            f"{asked[0]:g} to {asked[1]:g}. Leave {setting} out: the range of the run is taken"
        )


def like(before: Recipe, recipe: Recipe) -> Recipe:
    """Return a recipe that is initialised from a run, with the split, the backbones and the sizes of that run, and the
    range of values where the run has one: of pictures of 8 bits there is none."""
    own = before.data if before.data.levels is not None else recipe.data
    data = {"size": before.data.size, "range": own.range, "bit_depth": own.bit_depth}
    return recipe.model_copy(
        update={
            "split_seed": before.split_seed,
            "backbone": recipe.backbone.model_copy(update={"name": before.backbone.name}),
            "data": recipe.data.model_copy(update=data),
        }
    )

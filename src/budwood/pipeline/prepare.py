"""A training that has been thought through: what can be wrong with it has been refused, and nothing is written.

The steps, each a function: the photos are checked, then divided into splits, then the backbones are built. The features
of a backbone need no split, so they may be computed before the photos are divided.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property

import keras

from budwood.backbones.registry import get_backbone
from budwood.backbones.resolve import refuse_impossible, resolve
from budwood.config.lint import find_warnings
from budwood.config.recipe import Recipe
from budwood.core.errors import DataError
from budwood.core.notes import Note
from budwood.core.progress.base import Progress, announce
from budwood.core.tensorflow import usual_keras
from budwood.data.check import Check, check, crop_warning
from budwood.data.decoder.levels import as_range
from budwood.data.groups import suggestion
from budwood.data.manifest import CALIBRATION, Photo
from budwood.data.same_names import names_in_two_splits
from budwood.data.split import divide, lacking
from budwood.data.taxonomy import Taxonomy
from budwood.evaluation.task import MULTI_LABEL
from budwood.features.extractor import FeatureExtractor, KnownModel
from budwood.network.compose import PooledBackbone, take_apart
from budwood.pipeline.budget import Pace, plan_within
from budwood.pipeline.distill import refuse_unfit_teacher, teacher_features
from budwood.pipeline.features import OpenFeatures, build_backbones, find_boundaries, open_features
from budwood.pipeline.few_photos import for_few_photos, has_few, note_of_few
from budwood.pipeline.int8_features import try_int8, with_possible_precision
from budwood.pipeline.phases import refuse_bad_settings
from budwood.pipeline.request import TrainingRequest, fetch_weights
from budwood.runs.resume import refuse_other_photos
from budwood.runs.schema import ClusterInfo
from budwood.runs.writing import with_own_table
from budwood.training.linear_probe import resolve_fit
from budwood.training.precision import with_precision
from budwood.training.sharded_probe import OpenMap, over_threads


@dataclass(frozen=True)
class PreparedNetworks:
    """What features stand on, whatever the photos: a study's features and the estimator need no more."""

    recipe: Recipe
    """With the sizes resolved."""
    networks: tuple[PooledBackbone, ...]
    """The backbones with their weights."""
    rounded: Mapping[str, KnownModel] = field(default_factory=dict, kw_only=True)
    """The int8 versions of backbones, by name: they compute the features of training photos."""

    @property
    def num_features(self) -> int:
        """Return the length of a photo's joined features."""
        return sum(network.features for network in self.networks)

    def open_features(
        self, progress: Progress, boundaries: Mapping[str, str] = {}, *, fetch: bool = True
    ) -> AbstractContextManager[OpenFeatures]:
        """Open the features of the networks in the store, see `pipeline.features.open_features`."""
        return open_features(
            self.networks, self.recipe, progress, boundaries, fetch=fetch, rounded=self.rounded
        )


@dataclass(frozen=True)
class Prepared(PreparedNetworks):
    """A training that can begin."""

    request: TrainingRequest
    check: Check
    """What is usable of the photos, and what is wrong with the others."""
    photos: tuple[Photo, ...]
    """Those that are trained and measured on, each with its split."""
    head: tuple[keras.layers.Layer, ...]
    """Of the run that is fine-tuned further; otherwise empty."""
    boundaries: Mapping[str, str]
    """Where each backbone that is fine-tuned will be cut, by its name."""
    teacher: FeatureExtractor | None
    """From pixels to the probabilities of the model that is learned from; not open."""
    cluster: ClusterInfo | None = None
    """What computed the features ahead, where that was a cluster."""
    open_map: OpenMap = over_threads
    """Opens the map over the shards of a linear probe that memory does not hold; by default over threads here."""
    pace: Pace | None = None
    """When it has to end, where its recipe says how many minutes it may take."""
    found: tuple[Note, ...] = ()
    """Notes on the recipe: why little is trained, where photos are few."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes, in the order of the model's outputs."""
        return self.check.classes

    @property
    def taxonomy(self) -> Taxonomy | None:
        """Return the tree of the labels above the classes that have photos; None where none is asked for."""
        found = self.request.taxonomy
        return None if found is None else found.only(self.classes)

    def num(self, split: str) -> int:
        """Return the number of photos of a split."""
        return sum(photo.split == split for photo in self.photos)

    @cached_property
    def resolved(self) -> tuple[Recipe, str | None]:
        """Return the recipe with `frozen.fit` decided too, and why where that could surprise."""
        several = self.request.task.name == MULTI_LABEL.name
        return resolve_fit(
            self.recipe, self.num("train"), self.num_features, len(self.classes), multi_label=several
        )

    @cached_property
    def warnings(self) -> tuple[Note, ...]:
        """Return what a user should know before it begins."""
        settings = [Note(line, "settings") for line in find_warnings(self.resolved[0])]
        data = [Note(f"{line} (check.json says which)", "data") for line in self.check.left_out]
        data += [Note(line, "data") for line in self.check.warnings]
        if cropped := crop_warning(self.photos, self.recipe.data.resize):
            data.append(Note(cropped, "data"))
        if self.check.values.range is None and self.recipe.data.levels is not None:
            unused = "data.range and data.bit_depth have no effect: no picture has more than 8 bits a sample"
            data.append(Note(unused, "settings"))
        weights = [photo.weight for photo in self.photos if photo.split == "train"]
        if weights and min(weights) != max(weights):
            counted = (
                f"training photos count by their weights, {min(weights):g} to {max(weights):g}, in what is learned; "
                "in what is measured each photo counts alike"
            )
            data.append(Note(counted, "data"))
        if self.taxonomy is not None and self.taxonomy.is_flat:
            top = f" {self.taxonomy.root!r}" if self.taxonomy.root else " the root"
            flat = (
                f"every class lies directly below{top}, so the tree of labels says nothing beyond the classes"
            )
            data.append(Note(flat, "settings"))
        split = [Note(line, "split") for line in lacking(self.photos, self.classes)]
        split += [Note(line, "groups") for line in _hints(self.request.recipe, self.check)]
        return (*self.found, *settings, *data, *split, *_kept_splits(self.request, self.photos))


@usual_keras()
def prepare(request: TrainingRequest, checked: Check | None = None) -> Prepared:
    """Check and divide the photos, unless they have been `checked`, and build the backbones. Nothing is written.

    Raises:
        DataError: the photos cannot be trained on, or do not suit the runs that the training builds on.
        RecipeError, BackboneError, WeightsError: settings do not go together, or weights are missing or damaged.
        RunError: the interrupted run was begun with other photos.
    """
    directory = request.directory
    fetch_weights(request)
    with directory.stage("check"):
        checked = checked or check_photos(request)
        request = with_data(request, checked)
        photos = split_photos(request, checked)
        if begun := directory.to_resume(overwrite=request.output.overwrite, resume=request.output.resume):
            refuse_other_photos(begun, photos)
    pace, few = None, has_few(request, photos, len(checked.classes))
    if request.recipe.budget.minutes:
        with directory.stage("plan"):
            request, pace = plan_within(request, photos, checked.classes, few=few)
    elif few:
        request = for_few_photos(request)
    found = (note_of_few(request.recipe, photos, len(checked.classes)),) if few else ()
    # What the run keeps is what was done, whatever the photos of another training.
    recipe, notes = with_precision(request.recipe.model_copy(update={"adapt": False}))
    asked_for = recipe.backbone.precision
    recipe, more = with_possible_precision(recipe, photos, request.task)
    notes, request = (*notes, *more), replace(request, recipe=recipe)
    request = with_data(request, checked)
    if pace or few or recipe.backbone.precision != asked_for:
        first, *others = request.steps
        announce(directory.progress, [first, *(["plan"] if pace else []), *others], begun=True)
    with directory.stage("backbone"):
        networks, head = build_networks(request)
        num_train = sum(photo.split == "train" for photo in photos)
        num_features = PreparedNetworks(request.recipe, networks).num_features
        several = request.task.name == MULTI_LABEL.name
        refuse_bad_settings(request.recipe, num_train, num_features, checked.classes, multi_label=several)
        boundaries = find_boundaries(request.recipe, networks) if request.recipe.finetune.epochs else {}
        teacher = None
        if request.teacher:
            teacher = teacher_features(request.teacher, request.recipe, checked.classes, directory.progress)
    rounded: Mapping[str, KnownModel] = {}
    if request.recipe.backbone.precision == "int8":
        with directory.stage("int8"):
            recipe, rounded, more = try_int8(request.recipe, networks, photos, directory.progress)
        request, notes = replace(request, recipe=recipe), (*notes, *more)
    return Prepared(
        *(request.recipe, networks, request, checked, photos, head, boundaries, teacher),
        rounded=rounded,
        pace=pace,
        found=(*found, *notes),
    )


@usual_keras()
def prepare_networks(recipe: Recipe) -> PreparedNetworks:
    """Build the backbones that a recipe names. Raise RecipeError, BackboneError and WeightsError."""
    refuse_impossible(recipe)
    backbones = [get_backbone(name) for name in recipe.backbone.names]
    resolved, sizes = resolve(recipe, backbones)
    return PreparedNetworks(resolved, tuple(build_backbones(resolved, backbones, sizes)))


def with_data(request: TrainingRequest, checked: Check) -> TrainingRequest:
    """Return the training with what the run says of its data: the range of values that the photos decided, so that all
    that follows keeps to it, and its own table of the labels' tree."""
    recipe, found = request.recipe, checked.values.range
    if found is not None and recipe.data.levels is None:
        data = recipe.data.model_copy(update={"range": [found.low, found.high]})
        recipe = recipe.model_copy(update={"data": data})
    return replace(request, recipe=with_own_table(recipe))


def check_photos(request: TrainingRequest) -> Check:
    """Return what is usable of the photos. Raise DataError where too little is."""
    checked = check(
        request.manifest,
        max_unreadable=request.recipe.data.max_unreadable,
        levels=as_range(request.recipe.data.levels),
        min_photos=request.recipe.data.fewest,
        progress=request.directory.progress,
    )
    previous = request.previous
    if previous is not None and checked.classes != previous.classes:
        raise DataError(
            f"{request.source} has the classes {', '.join(checked.classes[:10])}, and the run {previous.folder} knows "
            f"{', '.join(previous.classes[:10])}. Give photos of the same classes, or train without --from"
        )
    return checked


def split_photos(request: TrainingRequest, checked: Check) -> tuple[Photo, ...]:
    """Return the photos with a split each.

    A photo that the run gone on from or the teacher knows is in the split that it was in there. Raise DataError.
    """
    runs = [run for run in (request.teacher, request.previous) if run]
    known = {row.sha256: row.split for run in runs for row in run.split}
    if runs and request.recipe.data.calibration and CALIBRATION not in known.values():
        raise DataError(
            f"data.calibration takes training photos that nothing has learned from, and the run {runs[0].folder} has "
            "learned from its own. Train that one with data.calibration, whose photos are then kept, or leave it out "
            "here"
        )
    photos = tuple(replace(photo, split=known.get(photo.sha256, photo.split)) for photo in checked.photos)
    photos = divide(photos, request.recipe)
    if request.teacher is not None:
        refuse_unfit_teacher(request.teacher, checked.classes, photos, request.task)
    return photos


def build_networks(
    request: TrainingRequest,
) -> tuple[tuple[PooledBackbone, ...], tuple[keras.layers.Layer, ...]]:
    """Return the backbones, and the head that stands on them where both come from a run."""
    if request.previous is None:
        return tuple(build_backbones(request.recipe, request.backbones, request.sizes)), ()
    # Here, for a run is a façade over all that this package needs.
    from budwood.run import Run

    networks, head = take_apart(Run(request.previous.folder).raw_model(), request.backbones)
    return tuple(networks), tuple(head)


def _hints(recipe: Recipe, checked: Check) -> list[str]:
    """Return what hints at groups, where the user has not said that there are none, and there are photos to divide."""
    free = [photo for photo in checked.photos if photo.split is None or photo.split == "train"]
    if recipe.data.group != "auto" or any(photo.group for photo in checked.photos):
        return []
    hints = suggestion(free), names_in_two_splits(checked.photos, checked.hashes)
    return [hint for hint in hints if hint is not None]


def _kept_splits(request: TrainingRequest, photos: tuple[Photo, ...]) -> list[Note]:
    """Return what follows for the split from the runs that the training builds on."""
    notes = []
    previous, teacher = request.previous, request.teacher
    if teacher and {photo.sha256 for photo in photos} & {row.sha256 for row in teacher.split}:
        text = (
            f"photos that the teacher {teacher.folder.name} knows stay in the split that they had there, so that "
            "none is measured on that it learned from"
        )
        notes.append(Note(text, "split"))
    if previous:
        text = (
            f"photos that the run {previous.folder.name} knows stay in the split that they had there; others are "
            "trained on"
        )
        notes.append(Note(text, "split"))
    return notes

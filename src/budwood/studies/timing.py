"""How long a study will take, before any of its trials has ended: their steps are timed on a few photos.

python -m budwood.studies.timing     for a pickled `Asked` on standard input; answers in JSON, for it has Keras
"""

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from budwood.backbones.registry import get_backbone
from budwood.config.recipe import Recipe
from budwood.core.errors import BudwoodError
from budwood.core.processes import die_with_parent
from budwood.core.system import usable_cores
from budwood.core.tensorflow import load_keras, usual_keras
from budwood.data.augment import Renderer
from budwood.data.check import Check
from budwood.data.decoder.levels import as_range
from budwood.data.split import divide
from budwood.features import fingerprint_cache
from budwood.features.store.store import FeatureStore
from budwood.studies.processes import environment, stay_on
from budwood.studies.records import TrialKind
from budwood.studies.runner import jobs_for
from budwood.training.linear_probe import fit_seconds

DRY_RUN_SECONDS = 60.0
"""That a dry run spends at most on timing trainings, beside loading Keras."""
LINEAR_SECONDS = 0.3
"""That a linear trial takes beside its fit: to begin, to measure and to write."""


@dataclass(frozen=True)
class TrialSeconds:
    """What the trials of one configuration take on this machine."""

    once: float | None
    """For features, which the first of them computes and the others find; None where it was not timed."""
    each: float
    """At most: all epochs that the recipe allows, and on the cores that one trial has."""


@dataclass(frozen=True)
class Asked:
    """What is to be timed: plain values that can be pickled."""

    recipes: Mapping[str, Recipe]
    """By the names of their configurations."""
    checked: Check
    cores: list[int]
    """Of one trial."""
    most_seconds: float
    """No further recipe is begun after them."""
    sent: float
    """When, so that what it takes to load Keras is known."""


@dataclass(frozen=True)
class Group:
    """Trials that are not there yet and take alike: those of one configuration."""

    kind: TrialKind
    recipe: Recipe
    """Of one of them."""
    trials: int | float
    """Of a search a share, for nobody knows yet for which configurations it will ask."""


@dataclass(frozen=True)
class Stopwatch:
    """Times the steps of trials on a few photos.

    Trainings are timed by a process that has Keras, so many seconds at most beside those that loading it takes. With
    `features` those of linear trials are too; without, no Keras is loaded for linear trials, which take less.
    """

    jobs: int | None
    most_seconds: float
    features: bool

    def __call__(self, checked: Check, groups: Mapping[str, Group]) -> dict[str, TrialSeconds]:
        """Return what the trials of groups take, by their names."""
        found = {
            name: _time_linear(group.recipe, checked, jobs_for("linear", self.jobs))
            for name, group in groups.items()
            if group.kind == "linear"
        }
        alike: dict[str, list[str]] = {}
        for name, group in groups.items():
            if group.kind == "training" or (self.features and found[name].once is None):
                alike.setdefault(_costs(group.recipe), []).append(name)
        if not alike:
            return found
        recipes = {names[0]: groups[names[0]].recipe for names in alike.values()}
        cores = usable_cores()[:: jobs_for("training", self.jobs)]
        asked = Asked(recipes, replace(checked, inspected=()), cores, self.most_seconds, time.time())
        timed = _in_a_process(asked)
        for first, *others in alike.values():
            for name in [first, *others] if first in timed else []:
                found[name] = replace(timed[first], each=found[name].each) if name in found else timed[first]
        return found


def _time_linear(recipe: Recipe, checked: Check, jobs: int) -> TrialSeconds:
    """Return what linear trials take, from the time of a matrix product and what the feature store lacks."""
    (name,) = recipe.backbone.names
    photos = divide(checked.photos, recipe)
    train = sum(photo.split == "train" for photo in photos)
    # It is timed for all cores, which the trials share.
    fit = jobs * fit_seconds(train, get_backbone(name).features, len(checked.classes), recipe)
    return TrialSeconds(0.0 if _stored(recipe, checked) else None, LINEAR_SECONDS + fit)


def _stored(recipe: Recipe, checked: Check) -> bool:
    """Return whether the feature store has the features of all photos."""
    found = fingerprint_cache.read(recipe)
    if found is None:
        return False
    renderer = Renderer(found.size, recipe.data.resize, levels=as_range(recipe.data.levels))
    with FeatureStore().open(found.fingerprint, (found.features,)) as table:
        return not table.missing([renderer.key(photo.sha256, 0) for photo in checked.photos])


def _costs(recipe: Recipe) -> str:
    """Return a key that is equal for recipes whose trials take alike, whatever their rates, losses and seeds."""
    tuned, frozen = recipe.finetune, recipe.frozen
    steps = (
        tuned.epochs,
        tuned.unfreeze,
        tuned.batch_size,
        tuned.precision,
        tuned.parameters,
        tuned.batch_norm,
    )
    head = (frozen.epochs, frozen.fit, frozen.folds)
    parts = (recipe.backbone, recipe.data, recipe.head, recipe.augment, recipe.distill)
    return repr((recipe.adapt, *parts, steps, head))


def _in_a_process(asked: Asked) -> dict[str, TrialSeconds]:
    done = subprocess.run(
        [sys.executable, "-m", "budwood.studies.timing"],
        env=environment(os.environ),
        input=pickle.dumps(asked),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    with suppress(ValueError, TypeError, LookupError):
        return {name: TrialSeconds(**one) for name, one in json.loads(done.stdout.splitlines()[-1]).items()}
    # Of a study that cannot be timed the trials say why.
    return {}


@usual_keras()
def time_trials(asked: Asked) -> dict[str, TrialSeconds]:
    """Return what the trials of recipes take, but for those that cannot be prepared or for which there is no time."""
    from budwood.data.manifest import Manifest
    from budwood.pipeline.dry_run import estimate
    from budwood.pipeline.prepare import prepare
    from budwood.pipeline.request import ask_for_training

    loaded = time.time() - asked.sent
    listed = Manifest(asked.checked.photos, asked.checked.classes)
    found = {}
    for name, recipe in asked.recipes.items():
        began = time.time()
        if began - asked.sent - loaded > asked.most_seconds:
            break
        # Its trials fail with that, or say it.
        with suppress(BudwoodError):
            prepared = prepare(ask_for_training(listed, recipe), asked.checked)
            built = time.time() - began
            took = estimate(prepared)
            # With few photos a recipe that adapts trains for another number.
            epochs = prepared.recipe.finetune.epochs * sum(one.epoch_seconds for one in took.finetuning)
            teaching = took.teaching.seconds if took.teaching else 0.0
            views = sum(one.views_seconds for one in took.finetuning)
            # To evaluate, save and report takes about as long as to begin.
            each = 2 * (loaded + built) + (took.head_seconds or 0.0) + epochs + teaching
            found[name] = TrialSeconds(took.features_seconds + views, each)
    return found


def main() -> None:
    """Time the trainings that standard input asks for."""
    asked = pickle.load(sys.stdin.buffer)
    die_with_parent()
    stay_on(asked.cores)
    load_keras()
    found = time_trials(asked)
    print(json.dumps({name: asdict(one) for name, one in found.items()}))


if __name__ == "__main__":
    main()

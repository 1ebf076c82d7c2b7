"""A study that has been thought through: its trials, what they would take, and the words for both."""

from dataclasses import dataclass

from budwood.backbones.registry import get_backbone
from budwood.core.text import count, shown
from budwood.data.check import Check
from budwood.studies.estimate import roughly
from budwood.studies.grid import Grid
from budwood.studies.records import ReplicateKind, StudyFolder, TrialKind
from budwood.studies.request import StudyRequest
from budwood.studies.runner import jobs_for, kind_of
from budwood.studies.trials import Trial

LISTED = 60
"""Configurations that a dry run lists."""


@dataclass(frozen=True)
class StudyPlan:
    """A study of which nothing has been computed."""

    request: StudyRequest
    grid: Grid
    checked: Check
    trials: list[Trial]
    """Of a search those of what was tried of the grid, for nobody knows yet what it will ask for."""
    replicate_kind: ReplicateKind

    @property
    def search(self) -> int | None:
        """Return the configurations of a search at most; None for every combination."""
        return self.request.search


@dataclass(frozen=True)
class Workload:
    """What a study would take, as far as anything is known of it."""

    trials: int
    """Of a search at most."""
    linear: int
    complete: int
    """Trials that are there already."""
    seconds: float | None
    """For those that are not; None where no trial of the study says how long one takes."""
    features_bytes: int
    """For the feature store, where it has none yet."""
    models_bytes: int


def workload(plan: StudyPlan, folder: StudyFolder, jobs: int | None) -> Workload:
    """Return what a study would take: from its trials that are complete how long the others will."""
    kinds = {
        trial.name: kind_of(trial.recipe, plan.checked, plan.request.keep_models) for trial in plan.trials
    }
    linear, number = sum(kind == "linear" for kind in kinds.values()), len(plan.trials)
    if plan.search is not None:
        replicates = len({trial.replicate for trial in plan.trials})
        number = int(min(plan.search, plan.grid.size)) * replicates
        linear = number if linear == len(plan.trials) else 0
    taken: dict[TrialKind, list[float]] = {"linear": [], "training": []}
    done = 0
    for name in folder.read().trials if folder.file.is_file() else []:
        record = folder.trial(name).read()
        if record is not None and record.state == "complete" and record.seconds is not None:
            taken[record.kind].append(record.seconds)
            done += plan.search is not None
    left: dict[TrialKind, int] = {"linear": linear, "training": number - linear}
    if plan.search is None:
        for trial in plan.trials:
            record = folder.trial(trial.name).read()
            # With another recipe it is done anew.
            if (
                record
                and record.state == "complete"
                and record.recipe.model_dump() == trial.recipe.model_dump()
            ):
                left[kinds[trial.name]] -= 1
                done += 1
    else:
        left["linear" if linear else "training"] -= min(done, number)
    known = all(taken[kind] or left[kind] <= 0 for kind in left)
    seconds = sum(
        left[kind] * sum(taken[kind]) / len(taken[kind]) / min(jobs_for(kind, jobs), left[kind])
        for kind in left
        if known and left[kind] > 0
    )
    recipes = [trial.recipe for trial in plan.trials]
    backbones = {name for recipe in recipes for name in recipe.backbone.names}
    photos = sum(get_backbone(name).features for name in backbones) * len(plan.checked.photos)
    largest = max(sum(get_backbone(name).parameters for name in one.backbone.names) for one in recipes)
    models = 4 * largest * number if plan.request.keep_models else 0
    return Workload(number, linear, min(done, number), float(seconds) if known else None, 4 * photos, models)


def summary(plan: StudyPlan, found: Workload) -> str:
    """Return in one line how many trials there are and how long they will take."""
    kinds = [count(found.trials - found.linear, "training")] if found.trials > found.linear else []
    kinds += [count(found.linear, "linear trial")] if found.linear else []
    most = " at most" if plan.search is not None else ""
    done = f", {found.complete:,} of them complete" if found.complete else ""
    time = "time unknown until the first trial ends"
    if found.seconds is not None:
        time = f"about {roughly(found.seconds)}" if found.seconds else "nothing left to compute"
    return f"{' and '.join(kinds)}{most}{done}: {time}"


def describe(plan: StudyPlan, found: Workload) -> str:
    """Return in words what a study would do."""
    replicates = list(dict.fromkeys(trial.replicate for trial in plan.trials))
    configurations = list(dict.fromkeys(trial.configuration.name for trial in plan.trials))
    if plan.search is None:
        title, names = count(len(configurations), "configuration"), configurations
    else:
        title = (
            f"{count(min(plan.search, int(min(plan.grid.size, plan.search))), 'configuration')} at most, of"
        )
        names = [
            f"{key}: {', '.join(one) if isinstance(one, list) else f'{one.low} to {one.high}'}"
            for key, one in plan.grid.dimensions.items()
        ]
    lines = ["# Trials", summary(plan, found), "", f"# {title}", *map(shown, names[:LISTED])]
    lines += [f"and {len(names) - LISTED:,} more"] if len(names) > LISTED else []
    lines += ["", f"# Each on {count(len(replicates), plan.replicate_kind)}", *replicates]
    lines += [
        "",
        "# Disk",
        f"features    at most {found.features_bytes / 1e6:,.1f} MB in the store, without those of fine-tuning",
    ]
    lines += [f"models      at most {found.models_bytes / 1e6:,.0f} MB"] if found.models_bytes else []
    if found.seconds is None and found.trials > found.linear:
        lines += ["", "How long one training takes: budwood train DATA --recipe RECIPE --dry-run"]
    return "\n".join(lines)

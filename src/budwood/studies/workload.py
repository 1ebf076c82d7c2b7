"""What a study would take: how many trials, how long, how many bytes."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from budwood.backbones.registry import get_backbone
from budwood.core.text import count, shown
from budwood.data.check import Check
from budwood.studies.estimate import roughly
from budwood.studies.executor import features_group
from budwood.studies.plan import StudyPlan
from budwood.studies.records import StudyFolder, TrialKind, TrialRecord
from budwood.studies.runner import jobs_for, kind_of
from budwood.studies.timing import Group, TrialSeconds
from budwood.studies.trials import Trial

LISTED = 60
"""Configurations that a dry run lists."""
Timer = Callable[[Check, Mapping[str, Group]], Mapping[str, TrialSeconds]]
"""Says what the trials of groups take, by their names; some may be missing. `studies.timing.Stopwatch` is one."""


@dataclass(frozen=True)
class Time:
    """How long the trials that are not there yet will take."""

    seconds: float
    estimated: bool = False
    """Whether some of it comes from steps timed on a few photos, and not from trials that are complete."""
    without_features: bool = False
    """Whether features have to be computed that the seconds do not count."""


@dataclass(frozen=True)
class Workload:
    """What a study would take, as far as anything is known of it."""

    trials: int
    """Of a search at most."""
    linear: int
    complete: int
    """Trials that are there already."""
    time: Time | None
    """None where nothing says how long a trial takes."""
    features_bytes: int
    """For the feature store, where it has none yet."""
    models_bytes: int


def workload(
    plan: StudyPlan, folder: StudyFolder, jobs: int | None, timer: Timer = lambda checked, groups: {}
) -> Workload:
    """Return what a study would take: how long as its complete trials took, and where there is none as `timer` says."""
    kinds = {
        trial.name: kind_of(trial.recipe, plan.checked, plan.request.keep_models) for trial in plan.trials
    }
    linear, number = sum(kind == "linear" for kind in kinds.values()), len(plan.trials)
    done = _complete(folder)
    examples = {trial.configuration.name: trial for trial in reversed(plan.trials)}
    if plan.search is None:
        # With another recipe it is done anew.
        waiting = [trial for trial in plan.trials if not _same_recipe(trial, done.get(trial.name))]
        left: dict[str, int | float] = dict(Counter(trial.configuration.name for trial in waiting))
        complete = number - len(waiting)
    else:
        number = int(min(plan.search, plan.grid.size)) * len({trial.replicate for trial in plan.trials})
        linear = number if linear == len(plan.trials) else 0
        complete = min(len(done), number)
        left = dict.fromkeys(examples, (number - complete) / len(examples)) if complete < number else {}
    groups = {
        name: Group(kinds[examples[name].name], examples[name].recipe, trials)
        for name, trials in left.items()
    }
    recipes = [trial.recipe for trial in plan.trials]
    backbones = {name for recipe in recipes for name in recipe.backbone.names}
    features = sum(get_backbone(name).features for name in backbones) * len(plan.checked.photos)
    largest = max(sum(get_backbone(name).parameters for name in one.backbone.names) for one in recipes)
    models = 4 * largest * number if plan.request.keep_models else 0
    seconds = _known(groups, done.values(), search=plan.search is not None)
    unknown = {name: group for name, group in groups.items() if name not in seconds}
    timed = timer(plan.checked, unknown) if unknown else {}
    return Workload(number, linear, complete, _time(groups, seconds, timed, jobs), 4 * features, models)


def _complete(folder: StudyFolder) -> dict[str, TrialRecord]:
    """Return the complete trials of a study by name."""
    names = folder.read().trials if folder.file.is_file() else []
    records = {name: folder.trial(name).read() for name in names}
    return {
        name: record for name, record in records.items() if record is not None and record.state == "complete"
    }


def _same_recipe(trial: Trial, record: TrialRecord | None) -> bool:
    return record is not None and record.recipe.model_dump() == trial.recipe.model_dump()


def _known(groups: Mapping[str, Group], done: Iterable[TrialRecord], *, search: bool) -> dict[str, float]:
    """Return what one trial of a group takes, where some of it are complete; of a search, some of its kind."""
    taken: dict[str, list[float]] = {}
    for record in done:
        if record.seconds is not None:
            taken.setdefault(record.kind if search else record.configuration, []).append(record.seconds)
    keys = {name: group.kind if search else name for name, group in groups.items()}
    return {name: fmean(taken[key]) for name, key in keys.items() if key in taken}


def _time(
    groups: Mapping[str, Group],
    known: Mapping[str, float],
    timed: Mapping[str, TrialSeconds],
    jobs: int | None,
) -> Time | None:
    """Return how long all groups take; a group of which nothing is known takes as long as the others of its kind."""
    each = {name: one.each for name, one in timed.items()} | dict(known)
    once: dict[str, float] = {}
    for name, one in timed.items():
        shared = features_group(groups[name].recipe)
        once[shared] = max(once.get(shared, 0.0), one.once or 0.0)
    seconds = float(sum(once.values()))
    kinds: tuple[TrialKind, ...] = ("linear", "training")
    for kind in kinds:
        mine = {name: group for name, group in groups.items() if group.kind == kind}
        known_of_kind = [each[name] for name in mine if name in each]
        if mine and not known_of_kind:
            return None
        trials = sum(group.trials for group in mine.values())
        work = sum(
            group.trials * (each[name] if name in each else fmean(known_of_kind))
            for name, group in mine.items()
        )
        seconds += work / max(1.0, min(jobs_for(kind, jobs), trials))
    return Time(seconds, bool(timed), any(one.once is None for one in timed.values()))


def summary(plan: StudyPlan, found: Workload) -> str:
    """Return in one line how many trials there are and how long they will take."""
    kinds = [count(found.trials - found.linear, "training")] if found.trials > found.linear else []
    kinds += [count(found.linear, "linear trial")] if found.linear else []
    most = " at most" if plan.search is not None else ""
    done = f", {found.complete:,} of them complete" if found.complete else ""
    time, known = "time unknown until the first trial ends", found.time
    if known is not None:
        time = f"about {roughly(known.seconds)}" if known.seconds else "nothing left to compute"
        # Training stops where it gets no better, and that nobody knows before.
        time += " at most, as estimated on a few photos" if known.estimated else ""
        time += ", and the features before" if known.without_features else ""
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
    return "\n".join(lines)

"""The head of the report: the headline figure of a run, its sentences and the key facts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from budwood.core import text as words
from budwood.core.label_text import of_text
from budwood.data.manifest import PARTS
from budwood.evaluation.task import MULTI_LABEL
from budwood.report import label_words, settings, terminal
from budwood.report.summary import START, Contents
from budwood.runs.schema import BudgetInfo, FeaturesInfo, SplitRow

Fact = tuple[str, str, str]
"""Name, value and a note for a box below the headline."""


@dataclass(frozen=True)
class Summary:
    """The headline figure, its sentences and the key facts."""

    run: str
    data: str
    started: str
    split: str
    accuracy: float
    interval: tuple[float, float] | None
    guess: float
    guessed: str
    """What `guess` is the figure of, in words."""
    sentence: str
    without_twins: str
    """What the accuracy is without photos of which a near twin was learned from; "" where there are none."""
    phases: str
    """What fine-tuning changed; "" where two phases were not compared."""
    notes: Sequence[str]
    facts: Sequence[Fact]


def summarize(contents: Contents) -> Summary:
    """Return the headline figure of a run and what stands around it."""
    if contents.multi_label:
        return _summarize_labels(contents)
    split = contents.evaluated_split
    scores = contents.scores
    support = [sum(row) for row in scores.confusion]
    verdict = contents.metrics.verdict
    return Summary(
        run=contents.folder.resolve().name,
        data=contents.source,
        started=contents.info.started[:16].replace("T", " "),
        split=split,
        accuracy=scores.accuracy,
        interval=scores.accuracy_ci95,
        guess=max(support) / max(sum(support), 1),
        guessed=f"always answering {'the most frequent' if support.count(max(support)) == 1 else 'the same'} class",
        sentence=terminal.sentence(scores.to_json(), split),
        without_twins=terminal.without_twins(scores.to_json()),
        phases=f"{verdict.words} {terminal.kept(contents.metrics)}" if verdict.difference is not None else "",
        notes=[*terminal.notes(scores.to_json(), split, contents.classes), *none_of_these(contents)],
        facts=_facts(contents),
    )


def _summarize_labels(contents: Contents) -> Summary:
    scores, split, verdict = contents.label_scores, contents.evaluated_split, contents.metrics.verdict
    return Summary(
        run=contents.folder.resolve().name,
        data=contents.source,
        started=contents.info.started[:16].replace("T", " "),
        split=split,
        accuracy=scores.mean_average_precision or 0.0,
        interval=scores.mean_average_precision_ci95,
        guess=label_words.chance(scores),
        guessed="probabilities that know nothing",
        sentence=label_words.sentence(scores, split),
        without_twins=label_words.without_twins(scores),
        phases=f"{verdict.words} {terminal.kept(contents.metrics)}" if verdict.difference is not None else "",
        notes=[*label_words.notes(scores, split), *none_of_these(contents)],
        facts=_facts(contents),
    )


def none_of_these(contents: Contents) -> list[str]:
    """Return the sentence on "none of these" where it cannot be relied on; a linear trial has no model that says it."""
    held_out = sum(photo.split == "validation" for photo in contents.photos)
    line = terminal.none_of_these(held_out, multi_label=contents.info.task == MULTI_LABEL.name)
    return [line] if line and contents.info.saved else []


def labels_of(contents: Contents, photo: SplitRow) -> Sequence[str]:
    """Return the labels of a photo, or its class."""
    return of_text(photo.label)[0] if contents.multi_label else (photo.label,)


def _facts(contents: Contents) -> list[Fact]:
    info, recipe, features = contents.info, contents.recipe, contents.info.features
    splits = Counter(photo.split for photo in contents.photos)
    sizes = Counter(label for photo in contents.photos for label in labels_of(contents, photo))
    smallest, largest = min(sizes.values(), default=0), max(sizes.values(), default=0)
    longest = sorted(info.stages, key=lambda stage: -stage.seconds)[:2]
    unused, problems = contents.check.unused, len(contents.check.problems)
    return [
        (
            "Photos",
            f"{len(contents.photos):,}",
            ", ".join(f"{splits[name]:,} {name}" for name in PARTS if splits[name]),
        ),
        (
            "Labels" if contents.multi_label else "Classes",
            f"{len(contents.classes):,}",
            f"{smallest:,} to {largest:,} photos each" if smallest < largest else f"{largest:,} photos each",
        ),
        (
            "Left out by the check",
            words.count(unused, "photo") if unused else "none",
            f"of {contents.check.found:,} found"
            + (f"; {words.count(problems, 'problem')} listed below" if problems else ""),
        ),
        (
            "Backbone",
            _named(recipe.backbone.name),
            ("" if any(size for _, size in recipe.backbone.sized) else f"{recipe.data.size} px, ")
            + f"weights {_named(recipe.backbone.weights)}"
            + (", with horizontal-flip test-time augmentation" if recipe.evaluate.flip else ""),
        ),
        ("Head", *_head_fact(contents)),
        *_finetune_fact(contents),
        (
            "Time",
            words.duration(
                info.budget.seconds if info.budget and info.budget.seconds is not None else info.seconds
            ),
            ", ".join(f"{stage.name} {words.duration(stage.seconds)}" for stage in longest)
            + (f"; {_limit_in_words(info.budget)}" if info.budget else ""),
        ),
        *_features_fact(features),
    ]


def _features_fact(features: FeaturesInfo | None) -> list[tuple[str, str, str]]:
    if features is None:
        return []
    return [
        (
            "Features",
            f"{features.computed:,} computed",
            f"{features.found:,} found in the cache" + (f"; {features.engine}" if features.engine else ""),
        )
    ]


def _named(value: str | Sequence[str] | Mapping[str, str]) -> str:
    """Return what a recipe names: a word, or one for each backbone."""
    if isinstance(value, Mapping):
        return words.listing([f"{_named(one)} of {_named(name)}" for name, one in value.items()])
    if isinstance(value, str):
        return words.shorten(words.shown(value))
    return words.listing([_named(one) for one in value])


def _head_fact(contents: Contents) -> tuple[str, str]:
    if contents.label_paths:
        low, high = (words.strength(end([one.chosen for one in contents.label_paths])) for end in (min, max))
        return "a logistic regression a label", f"L2 strength {low}" + (f" to {high}" if low != high else "")
    if contents.chosen is not None:
        folds = contents.recipe.frozen.folds
        return (
            "logistic regression",
            f"L2 strength {words.strength(contents.chosen)}, "
            + (f"chosen by {folds}-fold cross-validation" if contents.path else "as given"),
        )
    if START in contents.phases:
        return "as it was", f"in the run {words.name(contents.info.from_)}"
    if list(contents.phases) == ["finetune"]:
        return "trained with the backbone", "not before"
    return (
        f"trained by {contents.recipe.frozen.optimizer}",
        f"best of {words.count(len(contents.epochs('frozen')), 'epoch')}: {contents.best_epoch('frozen')}",
    )


def _finetune_fact(contents: Contents) -> list[tuple[str, str, str]]:
    phase = contents.phases.get("finetune")
    if phase is None:
        return []
    return [
        (
            "Fine-tuning",
            settings.trained(len(phase.unfrozen_layers), contents.recipe.finetune),
            f"{phase.trainable_parameters:,} parameters; {_best(contents)}",
        )
    ]


def _best(contents: Contents) -> str:
    best = contents.best_epochs("finetune")
    if len(best) == 1:
        return f"epoch {min(best)} is its best"
    return f"the best epochs are {words.listing([f'{epoch}' for epoch in best])}"


def _limit_in_words(budget: BudgetInfo) -> str:
    planned = f"planned for {words.duration(60 * budget.minutes)}"
    if budget.seconds is None:
        return f"{planned}, interrupted; the time is that of what was left to do"
    return planned

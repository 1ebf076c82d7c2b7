"""The audit: what the check and the split know of the photos, and what one pass through a network says besides."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from budwood.auditing.classes import find_few_photos, find_imbalance
from budwood.auditing.copies import find_copies, find_copies_across, find_split_groups
from budwood.auditing.features import audited_features
from budwood.auditing.findings import SEVERITIES, Finding, GroupHint, NotRead, OtherProblem, Shown, Unreadable
from budwood.auditing.label_counts import (
    find_label_imbalance,
    find_labels_together,
    find_unlearnable_labels,
)
from budwood.auditing.label_values import targets_of
from budwood.auditing.network import Asked
from budwood.auditing.pictures import find_poor_pictures
from budwood.auditing.result import Audit, Counts, LabelsNetwork, Network
from budwood.config.group_rule import GroupRule
from budwood.config.recipe import Recipe
from budwood.core.errors import BackboneError, DataError, WeightsError
from budwood.core.progress.base import SILENT, Progress
from budwood.data.check import Check, check, refusal
from budwood.data.decoder.levels import as_range
from budwood.data.groups import find_hint, form_groups
from budwood.data.manifest import Manifest, Photo
from budwood.data.same_names import names_in_two_splits
from budwood.data.sources import read_source, source_name
from budwood.evaluation.groups import Grouping

_TOLD_APART = frozenset({"conflict", "leak", "duplicate", "tiny"})
"""Kinds of problems of the check of which there are findings of their own."""
_ORDER = (
    *("conflict", "label_conflict", "cross_split", "split_group", "unreadable", "group_hint", "few_photos"),
    *("wrong_label", "missing_label", "extra_label", "outlier", "duplicate", "unknown_label"),
    *("alike_classes", "alike_labels", "labels_together", "imbalance", "label_imbalance"),
    *("blank", "blurred", "dark", "overexposed", "tiny", "not_read", "other"),
)


@dataclass(frozen=True)
class AuditSettings:
    """Settings of an audit."""

    recipe: Recipe = field(default_factory=lambda: Recipe.load("frozen-linear"))
    """Its [data] says how to read, its backbone gives the features; the rest does not matter."""
    network: bool = True
    """True to compute features with a network, which wrong labels, outliers and look-alike classes need."""


def run_audit(source: Any, settings: AuditSettings | None = None, progress: Progress = SILENT) -> Audit:
    """Return what is odd in labelled photos.

    Every file is read and decoded once, as by the check, and those that were before are not. At most one pass through a
    network is made, none where the store has the features.

    Args:
        source: what `budwood train` takes, or a manifest.
        settings: what to look at.
        progress: told of the stages "check", "features" and "labels".

    Raises:
        DataError: the source cannot be read, or in more than one way.
        RecipeError: the recipe names several backbones, or a network that cannot be made.
    """
    settings = settings or AuditSettings()
    recipe = settings.recipe
    manifest = read_source(source, recipe.data, progress=progress)
    levels = as_range(recipe.data.levels)
    checked = check(
        manifest,
        for_training=False,
        levels=levels,
        min_photos=recipe.data.fewest,
        progress=progress,
    )
    photos, problems = _grouped(checked, recipe)
    findings = [*_of_check(manifest, checked), *problems]
    used = {photo.name for photo in checked.photos}
    findings += find_copies(checked.inspected, used)
    findings += find_split_groups(photos)
    findings += find_poor_pictures(checked.inspected)
    findings += _hints(recipe, checked)
    if manifest.multi_label:
        findings += _of_label_counts(photos, checked.classes)
    else:
        findings += find_imbalance(photos, checked.classes)
    if not refusal(checked):
        findings += find_few_photos(photos, checked.classes, recipe.data.split, recipe.split_seed)
    # With what decoding says of them.
    seen = {photo.name: photo for photo, _ in checked.inspected}
    network, why = None, ""
    if settings.network:
        found, network, why = _of_network(recipe, checked, photos, progress)
        findings += found
    counts = Counts(
        found=checked.num_found,
        readable=len(checked.inspected),
        usable=len(photos),
        groups=Grouping.of([photo.group or "" for photo in photos]).num if photos else 0,
        classes=replace(manifest, photos=tuple(checked.photos), classes=checked.classes).understood().classes,
    )
    return Audit(
        source=source_name(source),
        understood=checked.understood,
        counts=counts,
        findings=_sorted(findings),
        network=network,
        no_network=why,
        photos=tuple(seen.get(photo.name, photo) for photo in manifest.photos),
    )


def _grouped(checked: Check, recipe: Recipe) -> tuple[tuple[Photo, ...], list[Finding]]:
    """Return the photos with their groups; where these cannot be formed, with what copies make of them."""
    rule = GroupRule.read(recipe.data.group)
    # A group in two given splits is a finding here, and no reason to stop.
    free = [replace(photo, split=None) for photo in checked.photos]
    problems: list[Finding] = []
    try:
        formed = form_groups(free, rule)
    except DataError as error:
        problems.append(OtherProblem(path=".", problem="groups", detail=str(error), severity="error"))
        formed = form_groups(free, GroupRule.read("auto"))
    return tuple(
        replace(photo, split=before.split) for photo, before in zip(formed, checked.photos, strict=True)
    ), problems


def _of_check(manifest: Manifest, checked: Check) -> list[Finding]:
    photos = {photo.name: photo for photo in manifest.photos}
    readable = {photo.name for photo, _ in checked.inspected}
    findings: list[Finding] = [NotRead(files=files) for files in checked.understood.passed_over]
    # What was passed over is told by kind and place, where the source counts it.
    told_apart = _TOLD_APART | ({"ignored"} if findings else set())
    for problem in checked.problems:
        photo = photos.get(problem.path)
        if photo is not None and photo.name not in readable:
            shown = Shown(photo.name, photo.label, photo.split or "")
            findings.append(Unreadable(photo=shown, fault=problem.kind, detail=problem.detail))
        elif problem.kind not in told_apart:
            findings.append(OtherProblem(path=problem.path, problem=problem.kind, detail=problem.detail))
    if reason := refusal(checked):
        findings.append(OtherProblem(path=".", problem="refused", detail=reason, severity="error"))
    if note := names_in_two_splits(checked.photos, checked.hashes):
        findings.append(OtherProblem(path=".", problem="names", detail=note, severity="warning"))
    return findings


def _of_label_counts(photos: Sequence[Photo], labels: Sequence[str]) -> list[Finding]:
    targets = targets_of(photos, labels)
    return [
        *find_unlearnable_labels(targets, labels),
        *find_label_imbalance(targets, labels),
        *find_labels_together(photos, targets, labels),
    ]


def _hints(recipe: Recipe, checked: Check) -> list[Finding]:
    """Return what `train` warns of: what hints at groups where nobody has said anything of them."""
    if recipe.data.group != "auto" or any(photo.group for photo in checked.photos):
        return []
    hint = find_hint([photo for photo in checked.photos if photo.split in (None, "train")])
    if hint is None:
        return []
    return [
        GroupHint(
            evidence=hint.evidence,
            option=hint.option,
            num_groups=hint.num_groups,
            num_photos=hint.num_photos,
            example=hint.example,
        )
    ]


def _of_network(
    recipe: Recipe, checked: Check, photos: Sequence[Photo], progress: Progress
) -> tuple[list[Finding], Network | LabelsNetwork | None, str]:
    classes, several = list(checked.classes), any(photo.labels is not None for photo in photos)
    if len(classes) < 2:
        needed = "two labels" if several else "photos of two classes"
        return [], None, f"labels are not looked at: {needed} are needed"
    if len(recipe.backbone.names) > 1:
        recipe = recipe.with_settings([f"backbone.name={recipe.backbone.names[0]}"])
    if checked.values.range is not None and recipe.data.levels is None:
        values = [checked.values.range.low, checked.values.range.high]
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"range": values})})
    try:
        with audited_features(recipe, photos, progress) as (features, extraction):
            failed = [
                Unreadable(photo=Shown(p.name, p.label, p.split or ""), fault="unreadable", detail=text)
                for p in photos
                if (text := extraction.failed.get(p.name))
            ]
            kept = [photo for photo in photos if photo.name not in extraction.failed]
            rows = lambda places: features.array([kept[place] for place in places])  # noqa: E731
            asked = Asked(kept, classes, rows, features.shape[0], extraction, recipe, progress)
            findings, network, why = asked.several() if several else asked.one_each()
            if network is not None:
                findings += find_copies_across(
                    rows, kept, as_range(recipe.data.levels) or checked.values.range
                )
    except (BackboneError, WeightsError) as error:
        return [], None, str(error)
    return [*failed, *findings], network, why


def _sorted(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), _ORDER.index(one.kind))))

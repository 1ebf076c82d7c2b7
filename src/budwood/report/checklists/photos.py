"""What a run says of its photos: what they are, which were left out, and what was done to them."""

import statistics
from collections import Counter

from budwood.core import text as words
from budwood.report.checklists import answers
from budwood.report.checklists.facts import LISTED, Facts
from budwood.report.checklists.item import Said
from budwood.report.reading import passed_over_as_lines

_LEFT_OUT = {
    "conflict": "the same picture stands under two labels, so that neither can be relied on",
    "leak": "the same picture stands in two of the splits that the source brings",
    "small_class": "its class has fewer photos than data.min_photos asks for",
    "empty_class": "none of the photos of its class can be used",
}
"""Why the check leaves photos out, by the kind of problem; what cannot be read is counted apart."""
_RESIZE = {
    "crop": "the short side to {size} pixels, and the middle square cut out",
    "stretch": "both sides to {size} pixels",
    "pad": "the long side to {size} pixels, the rest filled with grey",
}
_AUGMENT = {
    "horizontal_flip": "mirrored left to right",
    "vertical_flip": "mirrored top to bottom",
    "rotation": "turned by up to {} of a full turn",
    "zoom": "scaled by up to {}",
    "height": "made higher or lower by up to {}",
    "width": "made wider or narrower by up to {}",
    "translation": "shifted by up to {} of the side",
    "crop": "cropped to {} of the area or more",
    "brightness": "brighter or darker by up to {} of 255",
    "channel_brightness": "each channel brighter or darker by up to {} of 255",
    "contrast": "contrast changed by up to {}",
    "noise": "Gaussian noise with a standard deviation of {} of 255",
    "downsample": "scaled down to {} of the resolution or more, and up again",
    "rand_augment": "{} operations of RandAugment",
    "mixup": "mixup with alpha {}",
    "cutmix": "cutmix with alpha {}",
}
_UNLABELLED = {"unlabelled", "no_label", "beside"}
"""Kinds of files that were not read because nothing says what is to be seen."""
_DATA = "run.json: data"


def dataset(facts: Facts) -> Said:
    """Say which photos they are, so that they can be told from others."""
    data, split = facts.info.data, facts.info.split
    name = f" of {words.name(data.root_name)}" if data and data.root_name else ""
    noun = ("class", "classes") if facts.one_label else ("label", "labels")
    text = (
        f"{words.count(len(facts.photos), 'photo')} in {words.count(len(facts.contents.classes), *noun)}"
        f"{name}. split.csv lists each with the SHA-256 of its file, and so identifies the data down to the byte"
    )
    text += f"; the SHA-256 of that list is {split.sha256}." if split else "."
    return Said("answered", text, (_DATA, "split.csv: sha256", "run.json: split.sha256"))


def source(facts: Facts) -> Said:
    """Say what the run knows of where its photos are from: the name of the source alone."""
    data = facts.info.data
    named = f"Its source is called {words.name(data.root_name)}. " if data and data.root_name else ""
    given = facts.given_splits
    brought = (
        f"The source itself has the splits {words.listing(given)}."
        if given
        else ("Training, validation and test photos were drawn from this one source.")
    )
    return Said("question", named + brought, (_DATA, "check.json: understood.reading"))


def outcome(facts: Facts) -> Said:
    """Say what is predicted, and how often each class is there."""
    classes, places = facts.contents.classes, ("run.json: data.classes", "split.csv: label")
    totals = {label: facts.of_class[label].total() for label in classes}
    whole = max(len(facts.photos), 1)
    if len(classes) <= LISTED:
        shares = [f"{words.name(one)} {n:,} ({words.percent(n / whole)})" for one, n in totals.items()]
        frequent = f"Photos of each: {', '.join(shares)}."
    else:
        few, many = min(totals.values()), max(totals.values())
        frequent = f"Photos of each: {few:,} to {many:,}, with a median of {statistics.median(totals.values()):,.0f}."
    what = (
        f"The class of a photo, one of {len(classes):,}"
        if facts.one_label
        else "Which labels a photo has, of these"
    )
    text = f"{what}: {_named(classes)}. {frequent}"
    tree, of_tree = answers.of_tree(facts)
    return Said("answered", f"{text} {tree}".strip(), (*places, *of_tree))


def counts(facts: Facts) -> Said:
    """Say how many photos there are, in each split and of each class, and how many groups they make."""
    sizes = [f"{n:,} {split}" for split, n in facts.sizes.items()]
    text = f"{words.count(len(facts.photos), 'photo')}: {words.listing(sizes)}."
    classes, noun = facts.contents.classes, "class" if facts.one_label else "label"
    if len(classes) <= LISTED:
        rows = [f"{words.name(one)} {_by_split(facts, one)}" for one in classes]
        text += f" By {noun} ({', '.join(facts.sizes)}): {'; '.join(rows)}."
    else:
        for split in facts.sizes:
            numbers = [facts.of_class[one][split] for one in classes]
            text += f" Of a {noun} {min(numbers):,} to {max(numbers):,} {split} photos."
    return Said(
        "answered", f"{text} {_groups(facts)}", ("split.csv: split", "split.csv: label", "split.csv: group")
    )


def _by_split(facts: Facts, label: str) -> str:
    return ", ".join(f"{facts.of_class[label][split]:,}" for split in facts.sizes)


def _groups(facts: Facts) -> str:
    if not facts.groups:
        return "No photos are known to belong together, so each counts as one independent case."
    alone = len(facts.photos) - facts.groups.total()
    return (
        f"{words.count(facts.groups.total(), 'photo')} {'is' if facts.groups.total() == 1 else 'are'} of "
        f"{words.count(len(facts.groups), 'group')} of photos that belong together, the largest of "
        f"{max(facts.groups.values()):,}; {alone:,} stand alone."
    )


def excluded(facts: Facts) -> Said:
    """Say which photos that were found were not used, and why."""
    check = facts.check
    kinds = Counter(problem.kind for problem in check.problems)
    why = [f"{words.count(check.unreadable, 'file')} cannot be decoded"] if check.unreadable else []
    why += [f"{kinds[kind]:,} where {reason}" for kind, reason in _LEFT_OUT.items() if kinds[kind]]
    text = f"The check left out {check.unused:,} of {words.count(check.found, 'photo')} found"
    text += f": {'; '.join(why)}." if why else "."
    if facts.recipe.data.train_photos != "all":
        text += (
            f" Of the rest no more than {facts.recipe.data.train_photos:,} training photos were taken, as the recipe "
            "asks (data.train_photos)."
        )
    for line in passed_over_as_lines(check.understood.passed_over):
        text += f" {line[:1].upper()}{line[1:]}."
    places = ["check.json: found", "check.json: kept", "check.json: problems"]
    if check.understood.passed_over:
        places.append("check.json: understood.passed_over")
    return Said("answered", text, tuple(places))


def unreadable(facts: Facts) -> Said:
    """Say how damaged, contradictory and poor photos were dealt with."""
    check = facts.check
    kinds = Counter(problem.kind for problem in check.problems)
    twice = kinds["conflict"] + kinds["leak"]
    lost = f"{words.count(check.unreadable, 'file')} could not be, and" if check.unreadable else ""
    text = (
        f"Every photo was decoded before training; {lost} {'was' if check.unreadable == 1 else 'were'} left out. "
        if lost
        else "Every photo was decoded before training, and all could be. "
    )
    text += (
        f"{words.count(twice, 'photo')}, the same picture under two labels or in two given splits, "
        f"{'was' if twice == 1 else 'were'} left out. "
        if twice
        else "No picture stood under two labels, or in two given splits. "
    )
    if kinds["duplicate"]:
        copies = words.count(kinds["duplicate"], "copy", "copies")
        text += f"{copies} of photos of the same class were kept, in the split of these."
    else:
        text += "No photo was there twice."
    places = ["check.json: unreadable", "check.json: problems"]
    if check.poor:
        poor = Counter(photo.kind for photo in check.poor)
        found = words.listing([f"{n:,} {kind}" for kind, n in poor.most_common()])
        text += f" Kept, but named, are photos on which little is to be seen: {found}."
        places.append("check.json: poor")
    return Said("answered", text, tuple(places))


def missing(facts: Facts) -> Said:
    """Say how much is missing: pictures that cannot be read, and labels."""
    check = facts.check
    unlabelled = sum(one.count for one in check.understood.passed_over if one.kind in _UNLABELLED)
    share = check.unreadable / max(check.found, 1)
    text = (
        "The only input is the picture, so that no single value of a case can be missing. Pictures that could not be "
        f"decoded: {check.unreadable:,} of {check.found:,} ({words.percent(share)}). Photos that were not read because "
        f"nothing tells their class: {unlabelled:,}. Nothing was imputed."
    )
    if not facts.one_label:
        unknown = words.count(check.understood.unknown, "photo")
        text += (
            f" Of {unknown} some labels are unknown; these were left out of loss and figures."
            if check.understood.unknown
            else " No label of a photo is unknown."
        )
    places = ["check.json: unreadable", "check.json: found", "check.json: understood.passed_over"]
    if by_class := _left_out_by_class(facts):
        text += f" Left out by class, for any reason: {by_class}."
        places.append("check.json: understood.classes")
    return Said("answered", text, tuple(places))


def _left_out_by_class(facts: Facts) -> str:
    """Return how many photos of each class were left out; nothing where the run cannot tell."""
    listed = {label: sum(n.values()) for label, n in facts.check.understood.classes.items()}
    all_used = facts.recipe.data.train_photos == "all" and len(facts.photos) == facts.check.kept
    if not facts.one_label or sum(listed.values()) != facts.check.found or not all_used:
        return ""
    lost = {
        label: n - facts.of_class[label].total() if label in facts.of_class else n
        for label, n in listed.items()
    }
    some = [label for label in lost if lost[label]]
    parts = [f"{words.name(one)} {lost[one]:,} of {listed[one]:,}" for one in some[:LISTED]]
    if len(some) > LISTED:
        return f"{', '.join(parts)}, and of {len(some) - LISTED:,} more classes"
    return (
        f"{', '.join(parts)}{', of the others none' if len(some) < len(lost) else ''}"
        if some
        else "none of any class"
    )


def transformations(facts: Facts) -> Said:
    """Say what is done to a photo between its file and the network."""
    data = facts.recipe.data
    steps = [
        "decoded to RGB of 8 bits and turned as its EXIF data say",
        f"resized: {_RESIZE[data.resize].format(size=facts.side)}",
        "brought to the range of values that the network expects, by layers of the model",
    ]
    places = ["recipe.toml: data.resize", "recipe.toml: data.size", "recipe.toml: augment"]
    text = f"Each photo is {'; '.join(steps)}. None of this depends on other photos."
    if facts.check.values is not None:
        low, high = facts.check.values.range
        text = (
            f"{words.count(facts.check.values.photos, 'picture')} of more than 8 bits: values from {low:g} to {high:g} "
            "become black to white, a range that all photos share"
            + (", those of every split, before the others. " if data.range != "auto" else ". ")
            + text
        )
        places.append("check.json: values")
    if "weight" in facts.check.understood.reading.columns:
        text += " Photos have weights, from a column of the table."
        places.append("check.json: understood.reading.columns")
    return Said("answered", f"{text} {_augmented(facts)}", tuple(places))


def _augmented(facts: Facts) -> str:
    augment = facts.recipe.augment
    mixed = bool(augment.mixup or augment.cutmix)
    if not augment.views and not mixed:
        return "Training photos were not augmented."
    if not facts.steps:
        return "The recipe asks for augmentation, and no gradient steps were taken that would use it."
    done = [
        how.format(f"{value:g}")
        for key, how in _AUGMENT.items()
        if (value := getattr(augment, key)) and (augment.views or key in ("mixup", "cutmix"))
    ]
    return (
        f"Training photos, and these alone, were augmented at random: {', '.join(done) or 'nothing changed'}."
    )


def used_part(facts: Facts) -> Said:
    """Say which photos, and which part of each, were used."""
    data = facts.recipe.data
    whole = {
        "crop": "the middle square of each photo",
        "stretch": "each whole photo",
        "pad": "each whole photo",
    }
    some = "all training photos"
    if data.train_photos != "all":
        some = f"{data.train_photos:,} training photos, drawn by class (data.train_photos)"
    fold = f" It is fold {data.fold} of {data.folds} (data.fold, counted from 0)." if data.folds else ""
    text = f"Used were {some} and {whole[data.resize]}.{fold}"
    return Said("answered", text, ("recipe.toml: data.train_photos", "recipe.toml: data.resize"))


def acquisition(facts: Facts) -> Said:
    """Say what the files show of how the photos were taken: their sizes."""
    sizes = [(photo.width, photo.height) for photo in facts.photos if photo.width and photo.height]
    if not sizes:
        return Said("question", "")
    short = [min(size) for size in sizes]
    text = (
        f"The files show sizes alone: the short side is {min(short):,} to {max(short):,} pixels, in the median "
        f"{statistics.median(short):,.0f}."
    )
    return Said("question", text, ("split.csv: width", "split.csv: height"))


def input_only(facts: Facts) -> Said:
    """Say what the model is given, and that it is nothing but the picture."""
    side = facts.side
    text = (
        f"The one input is the picture, {side} x {side} pixels of RGB. Names of files and folders, dates and other "
        "metadata do not reach the model, so it is given nothing that is not there when a new photo is classified."
    )
    if facts.info.saved:
        return Said("answered", text, ("model/model.json: input",))
    return Said("answered", text, ("recipe.toml: data.size",))


def shares_by_split(facts: Facts) -> Said:
    """Say how the classes are distributed in the training and in the evaluated photos."""
    if not facts.one_label or facts.split not in facts.sizes:
        return Said("question", "")
    gaps = {
        label: abs(_share(facts, label, facts.split) - _share(facts, label, "train"))
        for label in facts.contents.classes
    }
    most = max(gaps, key=lambda label: gaps[label])
    text = (
        f"Shares of the classes: between train and {facts.split} {words.name(most)} differs most, with "
        f"{words.percent(_share(facts, most, 'train'))} of the training photos and "
        f"{words.percent(_share(facts, most, facts.split))} of the {facts.split} photos."
    )
    return Said("question", text, ("split.csv: label", "split.csv: split"))


def _share(facts: Facts, label: str, split: str) -> float:
    return facts.of_class[label][split] / max(facts.sizes.get(split, 0), 1)


def _named(classes: list[str]) -> str:
    listed = words.listing([words.name(one) for one in classes[:LISTED]])
    more = len(classes) - LISTED
    return f"{listed} and {words.count(more, 'other')}" if more > 0 else listed

"""What a run says of its splits: how they were made, and what keeps knowledge of the test photos out of the model."""

from budwood.config.group_rule import GroupRule
from budwood.core import text as words
from budwood.report.checklists.facts import Facts
from budwood.report.checklists.item import Said

_RULE = {
    "auto": "copies of one picture, and the groups that a table names, belong together",
    "none": "only pictures of equal pixels belong together",
    "parent": "photos of one folder belong together",
    "near-duplicates": "photos that look nearly alike belong together",
}
_SPLIT = "split.csv: split"


def division(facts: Facts) -> Said:
    """Say how photos were assigned to splits, and what each split was used for."""
    data, places = facts.recipe.data, [_SPLIT, "recipe.toml: data.split", "recipe.toml: split_seed"]
    sizes = words.listing([f"{n:,} {split}" for split, n in facts.sizes.items()])
    text = f"Hold-out: {sizes} photos. {_how(facts)}"
    if data.folds:
        places.append("recipe.toml: data.folds")
    if facts.given_splits:
        places.append("check.json: understood.classes")
    if facts.info.from_:
        text += f" Photos that the run {words.name(facts.info.from_)} knows stay in the split that they had there."
        places.append("run.json: from")
    if facts.contents.has_test:
        text += " Training photos fitted the model, validation photos chose, and test photos measured."
    else:
        text += (
            " No test was asked for: the figures are of validation photos, which were used for choices too."
        )
        places.append("recipe.toml: evaluate.test")
    if facts.sizes.get("calibration"):
        text += " The calibration photos set the thresholds of prediction sets, and nothing else."
        places.append("recipe.toml: data.calibration")
    if facts.linear and facts.strengths:
        folds = facts.recipe.frozen.folds
        text += f" Within the training photos the L2 strength was chosen by {folds}-fold cross-validation."
        places += ["recipe.toml: frozen.folds", "linear_path.json: chosen"]
    return Said("answered", text, tuple(places))


def _how(facts: Facts) -> str:
    data, given = facts.recipe.data, facts.given_splits
    if {"train", "validation", "test"} <= set(given):
        return "The source itself brings the three splits."
    carved = [split for split in facts.sizes if split not in given]
    seed = f"split seed {facts.recipe.split_seed}"
    if data.folds:
        how = f"fold {data.fold} of {data.folds} is held out, counted from 0, by {seed}"
    else:
        shares = words.listing([words.whole_percent(share) for share in data.split])
        evenly = (
            "each class for itself"
            if facts.one_label
            else "so that labels and sets of labels are spread alike"
        )
        how = f"divided at random by {seed}, {evenly}, with {shares} asked for train, validation and test"
    before = f"The source brings {words.listing(given)}; {words.listing(carved)} were made: " if given else ""
    together = (
        "groups of photos stay in one split"
        if data.split_rule == "grouped"
        else "copies of a file stay in one split, by the rule of earlier versions"
    )
    text = f"{before}{how}; {together}."
    return text[:1].upper() + text[1:]


def independence(facts: Facts) -> Said:
    """Say what keeps photos that belong together in one split, and what was found to cross."""
    rule = GroupRule.read(facts.recipe.data.group)
    means = _RULE.get(rule.kind) or {
        "column": f"photos with the same value in the column {words.name(rule.argument)} belong together",
        "pattern": f"photos whose paths agree in {words.name(rule.argument)} belong together",
        "burst": f"photos taken at most {words.duration(rule.seconds)} apart belong together",
    }.get(rule.kind, "")
    text = f"By the rule {words.name(facts.recipe.data.group)}, {means}, and stay in one split. "
    if facts.groups_in_two_splits or facts.files_in_two_splits:
        text += (
            f"In split.csv {words.count(facts.groups_in_two_splits, 'group')} and "
            f"{words.count(facts.files_in_two_splits, 'file')} (by SHA-256) are in more than one split: the figures "
            "may be too high. "
        )
    else:
        text += "In split.csv no group and no file, by its SHA-256, is in more than one split. "
    places = ["recipe.toml: data.group", "split.csv: group", "split.csv: sha256"]
    twins = facts.figures.without_twins
    if twins is None:
        text += f"The run names no {facts.split} photo that a training photo nearly shows"
        text += (
            "." if facts.info.saved else "; as a linear trial it looked for them by perceptual hash alone."
        )
    elif twins.accuracy is None:
        text += f"Every {facts.split} photo shows nearly what a training photo shows."
        places.append(facts.key("without_twins"))
    else:
        ends = twins.accuracy_ci95
        right = "the accuracy" if facts.one_label else "the share of photos with every label right"
        interval = f" (95 % interval {words.percent(ends[0])} to {words.percent(ends[1])})" if ends else ""
        text += (
            f"Of {facts.measured} {twins.twins:,} {'shows' if twins.twins == 1 else 'show'} nearly what a training "
            f"photo shows; on the other {twins.n:,} {right} is {words.percent(twins.accuracy)}{interval}, on all "
            f"{words.percent(facts.figures.share_right)}."
        )
        places.append(facts.key("without_twins"))
    return Said("answered", text, tuple(places))


def training_only(facts: Facts) -> Said:
    """Say what each split was used for, step by step, and which steps saw all photos."""
    chosen = words.listing(_chosen_by_validation(facts))
    n_train, n_validation = facts.sizes.get("train", 0), facts.sizes.get("validation", 0)
    places = [_SPLIT, "metrics.json: chosen_phase", facts.calibrated_by[1]]
    steps = ["The photos were divided before anything was fitted."]
    if facts.linear and facts.strengths:
        steps.append(
            f"The head and its L2 strength come from {words.count(n_train, 'training photo')} alone, by "
            f"{facts.recipe.frozen.folds}-fold cross-validation among them."
        )
        places.append("linear_path.json: path")
    else:
        steps.append(f"What was trained, was trained on {words.count(n_train, 'training photo')} alone.")
    steps.append(f"{words.count(n_validation, 'validation photo')} chose {chosen}.")
    if facts.contents.has_test:
        steps.append("The test photos were measured at the end and chose nothing.")
    else:
        steps.append("No test photo was measured: the figures are of the photos that made these choices.")
    saw = ["the search for copies and conflicting labels, which compares all files"]
    if facts.check.values is not None:
        saw.append("the range of values of pictures of more than 8 bits")
        places.append("check.json: values")
    steps.append(f"Of all splits together: {words.listing(saw)}.")
    return Said("answered" if facts.contents.has_test else "question", " ".join(steps), tuple(places))


def _chosen_by_validation(facts: Facts) -> list[str]:
    chosen = []
    if facts.phases_compared:
        chosen.append("the phase")
    if facts.steps:
        chosen.append("the epoch")
    if not facts.one_label:
        return [*chosen, "what calibrates the probabilities", "the threshold of each label"]
    return [*chosen, "the temperature of the probabilities"]


def differences(facts: Facts) -> Said:
    """Say whether the evaluated photos differ by design from those that were learned from."""
    if not facts.contents.has_test:
        return Said("question", "The run has no test photos.", ("recipe.toml: evaluate.test",))
    if "test" in facts.given_splits:
        return Said(
            "question",
            f"The source brings its own test split of {words.count(facts.sizes.get('test', 0), 'photo')}.",
            ("check.json: understood.classes",),
        )
    dealt = "class by class" if facts.one_label else "each label by its share (iterative stratification)"
    text = f"None by design: training and test photos were drawn at random, {dealt}, from one source."
    return Said("answered", text, ("recipe.toml: data.split", _SPLIT))

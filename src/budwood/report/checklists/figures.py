"""What a run says of how good its model is, how sure that is, and where it need not hold."""

from budwood.core import text as words
from budwood.report import label_words, sections, terminal
from budwood.report.checklists import answers
from budwood.report.checklists.facts import LISTED, Facts
from budwood.report.checklists.item import Said
from budwood.report.key_facts import none_of_these

_NAMES = {
    "accuracy": "accuracy",
    "top5_accuracy": "top-5 accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "weighted_precision": "weighted precision",
    "weighted_recall": "weighted recall",
    "weighted_f1": "weighted F1",
    "loss": "loss (negative log-likelihood)",
    "ece": "calibration error (ECE)",
    "mean_average_precision": "mean average precision",
    "micro_f1": "micro F1",
    "exact_match": "exact match",
    "hamming_loss": "Hamming loss",
}
_SHARES = frozenset(_NAMES) - {"loss"}
_WEAK = 3
"""Weak classes that are named."""


def metrics(facts: Facts) -> Said:
    """Say which figures were measured, and by which of them something was chosen."""
    names = [_name(key) for key in _figures(facts)]
    each = "precision, recall and F1 of each class, and the confusions"
    if not facts.one_label:
        each = "precision, recall, F1, average precision and ROC AUC of each label"
    text = f"Of {facts.measured}: {words.listing(names)}; {each}. "
    chosen = [
        *(["the L2 strength"] if facts.strengths else []),
        *(["the epoch"] if facts.steps else []),
        *(["the phase"] if facts.phases_compared else []),
    ]
    text += (
        f"By loss, not by accuracy, {words.listing(chosen)} {'was' if len(chosen) == 1 else 'were'} chosen."
        if chosen
        else "None of them chose anything."
    )
    if facts.one_label:
        text += f" {_guess(facts)}"
    return Said("answered", text, (f"metrics.json: {facts.split}",))


def _figures(facts: Facts) -> list[str]:
    """Return the figures that there are, by their keys."""
    found = facts.figures.to_json()
    return [key for key in found if f"{key}_ci95" in found and found[key] is not None]


def _name(key: str) -> str:
    return _NAMES.get(key, key.replace("_", " "))


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _guess(facts: Facts) -> str:
    return terminal.guess(facts.scores.to_json(), facts.contents.classes)


def performance(facts: Facts) -> Said:
    """Give every figure with its interval, and on what it was measured."""
    parts = []
    for key in _figures(facts):
        show = words.percent if key in _SHARES or key not in _NAMES else "{:.3f}".format
        value, ends = facts.figures.figure(key)
        if value is not None:
            why = facts.figures.why_no_interval(key)
            interval = f" ({show(ends[0])} to {show(ends[1])})" if ends else ""
            interval = f" ({terminal.no_interval(why)})" if why else interval
            parts.append(f"{_name(key)} {show(value)}{interval}")
    text = f"On {facts.measured}, with 95 % intervals where there are any: {'; '.join(parts)}."
    if not facts.contents.has_test:
        text += " These photos were used for choices as well, which flatters the figures."
    levels, of_levels = answers.of_levels(facts)
    places = (f"metrics.json: {facts.split}", *of_levels)
    return Said("answered" if facts.contents.has_test else "question", _joined(text, levels), places)


def uncertainty(facts: Facts) -> Said:
    """Say how sure the figures are, and how that was computed."""
    places = ["recipe.toml: evaluate.resamples"]
    (value, ends), groups = facts.figures.figure(facts.lead), facts.figures.groups
    reasons = {key: why for key in _figures(facts) if (why := facts.figures.why_no_interval(key))}
    if groups:
        places.append(facts.key("groups"))
    if facts.figures.no_interval:
        places.append(facts.key("no_interval"))
    if value is None or ends is None:
        none = terminal.no_interval(reasons.get(facts.lead, "few-groups"))
        return Said("answered", f"Of {_name(facts.lead)}, on {facts.measured}, {none}.", tuple(places))
    text = (
        f"95 % intervals. Of {_name(facts.lead)}, {words.percent(value)} on {facts.measured}, it is "
        f"{words.percent(ends[0])} to {words.percent(ends[1])}. {_methods(facts)}"
    )
    for why in dict.fromkeys(reasons.values()):
        names = [_name(key) for key in reasons if reasons[key] == why]
        text += f" Of {words.listing(names)} {terminal.no_interval(why)}."
    text += (
        f" They say how much the figures depend on which {facts.split} photos were drawn, not on which photos were "
        "trained on."
    )
    sets, of_sets = answers.of_sets(facts)
    return Said("answered", _joined(text, sets), (*places, facts.key(f"{facts.lead}_ci95"), *of_sets))


def _methods(facts: Facts) -> str:
    """Return how the intervals are computed."""
    resamples, seed = facts.recipe.evaluate.resamples, facts.recipe.seed
    groups = facts.figures.groups
    unit = "groups of photos that belong together" if groups else "photos"
    of = (
        f", at the effective number of photos, for they are of {words.count(groups.num, 'group')}"
        if groups
        else ""
    )
    loss = f"resampling the {unit} {resamples:,} times with seed {seed}"
    shares = f"Intervals of shares of photos are Wilson's score intervals{of}"
    if facts.one_label:
        return (
            f"{shares}; of averages over classes likewise, at the number of photos with the same variance, once the "
            f"bias is taken off; of the calibration error an inverted test; of the loss from {loss}."
        )
    return (
        f"{shares}; those of loss and calibration error come from {loss}, the others from leaving out {unit} in turn "
        "(jackknife)."
    )


def tests(facts: Facts) -> Said:
    """Say which statistical test compared models, and what it assumes."""
    verdict = facts.metrics.verdict
    if not facts.phases_compared:
        text = "The run compares no models, and no test was made."
        return Said("not applicable", text, ("metrics.json: verdict",))
    if verdict.p is None:
        text = f"The two phases were compared, but no test was made. {verdict.words}"
        return Said("answered", text, ("metrics.json: verdict",))
    grouped = facts.figures.groups is not None
    text = (
        f"The two phases were compared on the same {facts.measured}, photo by photo: {verdict.method}. "
        + (
            "It lets photos of one group depend on one another, and takes the groups to be independent."
            if grouped
            else "It takes the photos to be independent of one another; the run knows of none that belong together."
        )
        + f" {verdict.words}"
    )
    return Said("answered", text, ("metrics.json: verdict.method", "metrics.json: verdict.p"))


def baselines(facts: Facts) -> Said:
    """Say what the model was compared with."""
    guess = f" {_guess(facts)}" if facts.one_label else ""
    of_guess = (facts.key("confusion"),) if facts.one_label else ()
    if not facts.phases_compared:
        text = f"The run compares its model with no other.{guess}"
        return Said("not applicable", text, ("metrics.json: verdict", *of_guess))
    before = "the head alone on the same network, trained on the same photos"
    if facts.info.from_:
        before = f"the model of the run {words.name(facts.info.from_)}, which was gone on from"
    text = (
        f"The fine-tuned network was compared with {before}, on the same {facts.measured}: "
        f"{facts.metrics.verdict.words}{guess}"
    )
    return Said("answered", text, ("metrics.json: phases", "metrics.json: verdict", *of_guess))


def of_classes(facts: Facts) -> Said:
    """Give precision and recall of each class, with the interval of the recall."""
    if not facts.one_label:
        return _of_labels(facts)
    rows = sections.score_classes(facts.contents).rows
    parts = []
    for row in rows[:LISTED]:
        ends = (
            f" ({words.percent(row.interval[0])} to {words.percent(row.interval[1])})" if row.interval else ""
        )
        parts.append(
            f"{words.name(row.name)} recall {words.percent(row.metrics.recall)}{ends}, precision "
            f"{words.percent(row.metrics.precision)}, of {words.count(row.total, 'photo')}"
        )
    more = len(rows) - LISTED
    listed = f"the {LISTED} weakest of {len(rows):,} classes" if more > 0 else "each class"
    text = f"On {facts.measured}, for {listed}, recall with its 95 % interval: {'; '.join(parts)}."
    return Said(
        "answered" if facts.contents.has_test else "question",
        text,
        (facts.key("per_class"), facts.key("confusion")),
    )


def _of_labels(facts: Facts) -> Said:
    scores = facts.contents.label_scores
    parts = []
    for one in scores.per_label[:LISTED]:
        if one.recall is None or one.precision is None:
            parts.append(f"{words.name(one.label)} cannot be measured")
            continue
        ends = one.recall_ci95
        between = f" ({words.percent(ends[0])} to {words.percent(ends[1])})" if ends else ""
        parts.append(
            f"{words.name(one.label)} recall {words.percent(one.recall)}{between}, precision "
            f"{words.percent(one.precision)}, on {words.count(one.positives, 'photo')}"
        )
    more = len(scores.per_label) - LISTED
    listed = f"the first {LISTED} of {len(scores.per_label):,} labels" if more > 0 else "each label"
    text = f"On {facts.measured}, for {listed}, recall with its 95 % interval: {'; '.join(parts)}."
    return Said("answered" if facts.contents.has_test else "question", text, (facts.key("per_label"),))


def mistakes(facts: Facts) -> Said:
    """Say what is taken for what."""
    if not facts.one_label:
        return _label_mistakes(facts)
    pairs = terminal.confusions(facts.scores.confusion)
    wrong = sum(times for _, _, times, _ in pairs)
    text = f"Of {facts.measured} {wrong:,} {'is' if wrong == 1 else 'are'} misclassified. "
    text += " ".join(terminal.confusion_words(pair, facts.contents.classes) for pair in pairs[:3])
    text += " report.html shows them, those that the model was surest of first."
    branches, of_branches = answers.of_branches(facts)
    places = (facts.key("confusion"), "predictions.csv: predicted", *of_branches)
    return Said("answered", _joined(text, branches), places)


def _label_mistakes(facts: Facts) -> Said:
    scores, worst = facts.contents.label_scores, label_words.weakest(facts.contents.label_scores)
    text = (
        f"Of {facts.measured} every label is right on {words.percent(scores.exact_match)}; of all decisions, a photo "
        f"and a label each, {words.percent(scores.hamming_loss)} are wrong."
    )
    if worst is not None:
        text += f" The weakest label is {words.name(worst.label)}."
    text += " report.html shows misses and false alarms, those that the model was surest of first."
    return Said(
        "answered", text, (facts.key("exact_match"), facts.key("hamming_loss"), facts.key("per_label"))
    )


def calibration(facts: Facts) -> Said:
    """Say how far stated probabilities are from the truth, before and after the temperature."""
    found, (what, place) = facts.metrics.calibration, facts.calibrated_by
    places = [place, facts.key("ece")]
    text = f"{what[:1].upper()}{what[1:]} {'was' if facts.one_label else 'were'} fitted on the validation photos."
    sides = found.of(facts.split)
    if sides:
        text += (
            f" On {facts.measured} the calibration error is {words.percent(sides.before.ece)} without and "
            f"{words.percent(sides.after.ece)} with it."
        )
        places.append(f"metrics.json: calibration.{facts.split}")
    return Said("answered", text, tuple(places))


def measures(facts: Facts) -> Said:
    """Say which figures were measured, with what is said of calibration and of comparisons."""
    figures, calibrated = metrics(facts), calibration(facts)
    compared = tests(facts)
    parts, places = [figures.text, calibrated.text], [*figures.where, *calibrated.where]
    if compared.state == "answered":
        parts.append(compared.text)
        places += compared.where
    return Said("answered", " ".join(parts), tuple(dict.fromkeys(places)))


def internal(facts: Facts) -> Said:
    """Say what was measured on photos of the same source."""
    if facts.contents.has_test:
        return performance(facts)
    return Said(
        "question",
        "No test was asked for, and validation photos were used for choices.",
        ("recipe.toml: evaluate.test",),
    )


def external(facts: Facts) -> Said:
    """Say that the run measured nothing on photos from elsewhere."""
    if "test" in facts.given_splits and facts.contents.has_test:
        text = (
            f"The {facts.sizes.get('test', 0):,} test photos are a split that the source brings; whether they come "
            "about otherwise than the training photos, the run cannot know."
        )
    else:
        text = "All photos of this run are of one source. budwood evaluate RUN DATA measures it on others."
    return Said("question", text, (_SOURCE, "split.csv: split"))


_SOURCE = "run.json: data"


def robustness(facts: Facts) -> Said:
    """Say what the run shows of how the figures change where something else does."""
    twins = facts.figures.without_twins
    if twins is None:
        return Said("question", "")
    right = "the accuracy" if facts.one_label else "the share of photos with every label right"
    if twins.accuracy is None:
        text = f"Every {facts.split} photo is nearly a copy of a training photo."
        return Said("question", text, (facts.key("without_twins"),))
    text = (
        f"Without the {twins.twins:,} {facts.split} photos of which a training photo is nearly a copy, {right} is "
        f"{words.percent(twins.accuracy)} in place of {words.percent(facts.figures.share_right)}."
    )
    return Said("question", text, (facts.key("without_twins"),))


def sample_size(facts: Facts) -> Said:
    """Say how wide the interval is that so many photos give."""
    ends = facts.figures.figure(facts.lead)[1]
    if ends is None:
        return Said(
            "question", f"There are {facts.measured}, and no interval can be stated.", (facts.key("n"),)
        )
    interval = f"{words.percent(ends[0])} to {words.percent(ends[1])}"
    text = f"The {facts.measured} give an interval of {_name(facts.lead)} from {interval}."
    return Said("question", text, (facts.key("n"), facts.key(f"{facts.lead}_ci95")))


def limits(facts: Facts) -> Said:
    """Say where the figures need not hold, as far as the run shows it."""
    parts = [
        f"pictures of none of the {len(facts.contents.classes):,} classes, which the model itself answers with one of "
        "them all the same"
    ]
    places = ["run.json: data.classes"]
    if not facts.one_label:
        parts = ["pictures of things that none of the labels names"]
        if worst := label_words.weakest(facts.contents.label_scores):
            parts.append(f"single labels, of which the weakest is {words.name(worst.label)}")
            places.append(facts.key("per_label"))
    else:
        places.append(facts.key("confusion"))
        parts.append(
            f"other shares of the classes than among {facts.measured}, with which accuracy and precision move"
        )
        weak = [
            one
            for one in sorted(facts.scores.per_class, key=lambda one: one.f1)
            if one.support and one.f1 < 1
        ]
        if weak:
            named = [f"{words.name(one.label)} (F1 {words.percent(one.f1)})" for one in weak[:_WEAK]]
            parts.append(
                f"single classes, of which the weakest {'is' if len(named) == 1 else 'are'} {words.listing(named)}"
            )
            places.append(facts.key("per_class"))
        unseen = [one.label for one in facts.scores.per_class if not one.support]
        if unseen:
            parts.append(
                f"{words.count(len(unseen), 'class', 'classes')} of which no {facts.split} photo was measured"
            )
    parts.append("photos of other cameras, places or seasons, of which nothing was measured")
    text = f"The figures need not hold for {'; for '.join(parts)}."
    for line in none_of_these(facts.contents):
        text += f" {line}"
    return Said("answered", text, tuple(dict.fromkeys(places)))


def poor_input(facts: Facts) -> Said:
    """Say what happens to a picture that is damaged or unlike the known ones."""
    if not facts.info.saved:
        return Said("question", "The run keeps no model.", ("run.json: saved",))
    text = (
        "budwood predict reports a file that cannot be decoded and goes on with the others, and answers “none of "
        "these” for a picture whose features are unlike those of the training photos. Blurred or dark pictures are "
        "answered like any other."
    )
    for line in none_of_these(facts.contents):
        text += f" {line}"
    return Said("answered", text, ("model/model.json: fingerprints.reference",))


def clusters(facts: Facts) -> Said:
    """Say what the run knows of photos that belong together, in place of centres or countries."""
    groups = facts.figures.groups
    if groups is None:
        return Said("question", "")
    text = (
        f"The {facts.split} photos are of {words.count(groups.num, 'group')}, the largest of {groups.largest:,}; the "
        "intervals are of groups. Figures of single groups are not in the run."
    )
    return Said("question", text, (facts.key("groups"),))

"""What a run says of its model: what it is, how it was trained and chosen, and how to make it again."""

import shlex

from budwood.backbones.registry import BACKBONES
from budwood.config.recipe import name_and_size
from budwood.core import text as words
from budwood.report import settings
from budwood.report.checklists import answers
from budwood.report.checklists.facts import Facts
from budwood.report.checklists.item import Said

_UNBALANCED = 1.5
"""Times as many photos has the largest class as the smallest, from which on classes count as unequal."""


def model(facts: Facts) -> Said:
    """Say what the network is, what is trained of it, and by which loss."""
    head = facts.recipe.head
    kept = facts.metrics.kept
    hidden = [f"{width:,}" for width in head.hidden]
    layers = f"hidden layers of {words.listing(hidden)} units and " if hidden else ""
    noun = ("class", "classes") if facts.one_label else ("label", "labels")
    text = (
        f"{_networks(facts)}, {_ensemble(facts)}pooled ({head.pooling}), with {layers}one output for each of "
        f"{words.count(len(facts.contents.classes), *noun)}: probabilities. "
        f"{kept.trainable_parameters:,} parameters were trained in the phase that was kept, {kept.name}. "
        f"{_loss(facts)}"
    )
    places = ["recipe.toml: backbone", "recipe.toml: head", "recipe.toml: loss", "metrics.json: phases"]
    if facts.contents.layers:
        places.append("layers.csv: name")
    if facts.info.distill:
        places.append("run.json: distill")
    return Said("answered", text, tuple(places))


def _networks(facts: Facts) -> str:
    sized = [name_and_size(name) for name in facts.backbones]
    return words.listing([f"{words.shown(name)} at {size or facts.side} pixels" for name, size in sized])


def _ensemble(facts: Facts) -> str:
    return "an ensemble in one model, " if len(facts.backbones) > 1 else ""


def _loss(facts: Facts) -> str:
    loss, steps = facts.recipe.loss, facts.steps
    parts = ["cross-entropy"]
    if facts.linear:
        kind = "multinomial" if facts.one_label else "for each label a binary"
        text = f"Loss of the head: cross-entropy with an L2 penalty ({kind} logistic regression)"
        if loss.class_weights != "none":
            text += f", classes weighted ({_weights(facts)})"
        if not steps:
            return f"{text}."
        text += "; of the gradient steps: "
    else:
        text = "Loss: "
    if loss.focal:
        parts = [f"focal loss with gamma {loss.focal:g}"]
    if loss.asymmetric:
        parts.append(f"asymmetric, with gamma {loss.asymmetric:g} for labels that a photo has not")
    if loss.label_smoothing:
        parts.append(f"label smoothing {loss.label_smoothing:g}")
    if loss.class_weights != "none":
        parts.append(f"classes weighted ({_weights(facts)})")
    if facts.info.distill:
        teacher, weight = words.name(facts.info.distill.run), facts.recipe.distill.weight
        parts.append(f"distillation from the run {teacher} with weight {weight:g}")
    return f"{text}{', '.join(parts)}."


def _weights(facts: Facts) -> str:
    given = facts.recipe.loss.class_weights
    return "in inverse proportion to their photos" if given == "balanced" else "as the recipe lists them"


def why_model(facts: Facts) -> Said:
    """Say what speaks for this kind of model, as far as the run's own numbers do."""
    kept, total = facts.metrics.kept, _parameters(facts)
    n_train = facts.sizes.get("train", 0)
    places = ["recipe.toml: backbone.weights", "metrics.json: phases", _PHOTOS]
    if set(_origins(facts)) == {"random"}:
        text = (
            f"Nothing pretrained: {kept.trainable_parameters:,} parameters were learned from "
            f"{words.count(n_train, 'training photo')}."
        )
        return Said("question", text, tuple(places))
    as_it_came = max(total - kept.trainable_parameters, 0)
    text = (
        f"Transfer learning: about {_round(as_it_came):,} parameters stay as they came, pretrained, and "
        f"{kept.trainable_parameters:,} were trained on {words.count(n_train, 'training photo')}."
    )
    if facts.linear and facts.contents.kept == "frozen":
        text += (
            " The head is a penalised logistic regression, whose optimum is unique: neither a seed nor a number of "
            "epochs decides it."
        )
    if facts.phases_compared:
        text += " Whether to train more of the network than the head was decided by the loss on the validation photos."
        places.append("metrics.json: chosen_phase")
    return Said("answered", text, tuple(places))


_PHOTOS = "split.csv: split"


def _parameters(facts: Facts) -> int:
    if facts.contents.layers:
        return sum(layer.parameters for layer in facts.contents.layers)
    known = [
        BACKBONES[name].parameters for name, _ in map(name_and_size, facts.backbones) if name in BACKBONES
    ]
    return sum(known) + facts.metrics.kept.trainable_parameters


def _round(number: int) -> int:
    """Return a number with three digits that count."""
    return int(float(f"{number:.2e}"))


def _origins(facts: Facts) -> list[str]:
    backbone = facts.recipe.backbone
    return [backbone.weights_of(name) for name in backbone.names]


def initialization(facts: Facts) -> Said:
    """Say with which weights training began."""
    if facts.info.from_:
        text = f"All weights are those of the run {words.name(facts.info.from_)}, which was gone on from."
        return Said("answered", text, ("run.json: from",))
    parts = []
    for name, origin in zip(facts.recipe.backbone.names, _origins(facts), strict=True):
        where = {"imagenet": "pretrained on ImageNet", "random": "drawn at random"}.get(
            origin, f"from the file {words.name(origin)}"
        )
        parts.append(f"{words.shown(name)}: {where}")
    head = (
        "The head is fitted to its optimum, which does not depend on where it starts"
        if facts.linear
        else f"The head is drawn at random with seed {facts.recipe.seed}"
    )
    text = f"{'; '.join(parts)}. {head}."
    return Said(
        "answered", text, ("recipe.toml: backbone.weights", "recipe.toml: seed", "recipe.toml: frozen.fit")
    )


def approach(facts: Facts) -> Said:
    """Say how it was trained: phases, optimizer, epochs."""
    text, places = [], ["history.csv: phase", "metrics.json: phases"]
    if facts.linear:
        chosen = words.strength(facts.contents.chosen or 0)
        strength = (
            f"L2 strength {chosen}"
            if facts.one_label
            else "one for each label, with an L2 strength of its own"
        )
        text.append(f"Head: logistic regression on stored features, {strength}.")
        places.append("linear_path.json: chosen")
    for name in facts.steps:
        steps = facts.recipe.finetune if name == "finetune" else facts.recipe.frozen
        phase = facts.contents.phases[name]
        what = (
            settings.trained(len(phase.unfrozen_layers), facts.recipe.finetune)
            if name == "finetune"
            else "the head"
        )
        text.append(
            f"Phase {name} trains {what} with {words.shown(steps.optimizer)}, learning rate "
            f"{steps.learning_rate:g} ({steps.schedule}), batches of {steps.batch_size:,}, "
            f"{words.count(phase.epochs, 'epoch')}, of which number {phase.best_epoch} was kept."
        )
        places.append(f"recipe.toml: {name}")
    text.append(f"Seed {facts.recipe.seed}. recipe.toml has every other setting.")
    return Said("answered", " ".join(text), (*places, "recipe.toml: seed"))


def selection(facts: Facts) -> Said:
    """Say by what the model that is reported was chosen among those that were trained."""
    places = ["metrics.json: chosen_phase", "metrics.json: phases"]
    text = []
    if facts.linear and facts.strengths:
        text.append(
            f"Of {len(facts.strengths):,} L2 strengths one was chosen{_each(facts)} by the loss in "
            f"{facts.recipe.frozen.folds}-fold cross-validation on the training photos."
        )
        places.append("linear_path.json: path")
    if facts.steps:
        text.append(
            "Of the epochs of a phase, the one with the lowest loss on the validation photos was kept."
        )
        places.append("history.csv: val_loss")
    if facts.phases_compared:
        text.append(
            f"Of the two phases, {facts.contents.kept} was kept: fine-tuning is "
            f"{settings.when_kept(facts.recipe.finetune)}."
        )
    if not text:
        text.append("One model was trained, and nothing was chosen.")
    if facts.contents.has_test:
        text.append("Test figures chose nothing in this run.")
    return Said("answered", " ".join(text), tuple(places))


def _each(facts: Facts) -> str:
    return "" if facts.one_label else " for each label"


def tuning(facts: Facts) -> Said:
    """Say which hyperparameters were tuned in the run, over which values, and which were given."""
    tried, places = facts.strengths, ["recipe.toml: frozen"]
    text = []
    if facts.linear and tried:
        chosen = f"; chosen: {words.strength(facts.contents.chosen or 0)}" if facts.one_label else ""
        text.append(
            f"Tuned in this run: the L2 strength{_each(facts)}, {len(tried):,} values from {words.strength(tried[0])} "
            f"to {words.strength(tried[-1])}, by {facts.recipe.frozen.folds}-fold cross-validation on the training "
            f"photos{chosen}."
        )
        places.append("linear_path.json: path")
    if facts.steps:
        text.append("Tuned in this run: the number of epochs, by the loss on the validation photos.")
        places.append("history.csv: val_loss")
    if not text:
        text.append("Nothing was tuned in this run.")
    text.append("Other settings were given, or follow from the data and the network; recipe.toml lists each.")
    if not facts.info.saved:
        text.append("The run is a trial of a study, which may have tried other settings.")
    return Said("answered", " ".join(text), tuple(places))


def ensemble(facts: Facts) -> Said:
    """Say how several networks are joined, where there are several."""
    if len(facts.backbones) < 2:
        return Said("not applicable", "The model is one network.", ("recipe.toml: backbone.name",))
    joined = (
        "the mean of their logits is taken"
        if facts.contents.kept == "finetune"
        else "their features are joined below one head"
    )
    text = f"{_networks(facts)} are one model: {joined}."
    if facts.recipe.evaluate.flip:
        text += " The logits of a picture and its mirror image are averaged."
    return Said("answered", text, ("recipe.toml: backbone.name", "recipe.toml: evaluate.flip"))


def imbalance(facts: Facts) -> Said:
    """Say whether classes are unequally frequent, and what was done about it."""
    weights = facts.recipe.loss.class_weights
    places = ("recipe.toml: loss.class_weights", "split.csv: label")
    numbers = [facts.of_class[label]["train"] for label in facts.contents.classes]
    ratio = max(numbers) / max(min(numbers), 1)
    noun = "class" if facts.one_label else "label"
    most = f"The most frequent {noun} has {ratio:.1f} times the training photos of the rarest. "
    done = (
        "Nothing was done about it: every photo counts alike."
        if weights == "none" and ratio >= _UNBALANCED
        else "Every photo counts alike."
        if weights == "none"
        else f"{'Classes' if facts.one_label else 'Labels'} were weighted in the loss, {_weights(facts)}; the "
        "probabilities were recalibrated on the validation photos afterwards."
    )
    if not facts.one_label:
        done += " Each label has a threshold of its own."
    return Said("answered", most + done, places)


def output_form(facts: Facts) -> Said:
    """Say what the model gives, and how an answer comes of it."""
    what, place = facts.calibrated_by
    text = (
        f"A probability for each class, calibrated by {what} fitted on the validation photos. The answer is the most "
        "probable class; no other threshold is applied unless one is asked for."
    )
    if not facts.one_label:
        text = (
            f"A probability for each label, calibrated by {what}, fitted on the validation photos. A photo has the "
            "labels whose probability reaches their threshold, which was chosen on the validation photos."
        )
    climb, of_climb = answers.of_climb(facts)
    return Said("answered", f"{text} {climb}".strip(), (place, *of_climb))


def updating(facts: Facts) -> Said:
    """Say whether an earlier model was updated."""
    if facts.info.from_ is None:
        return Said("not applicable", "The run makes a new model and updates none.", ("run.json: requested",))
    text = f"The model of the run {words.name(facts.info.from_)} was fine-tuned further."
    return Said("answered", text, ("run.json: from", "metrics.json: phases"))


def specification(facts: Facts) -> Said:
    """Say where the whole model is, so that others can use it."""
    if not facts.info.saved:
        text = "The run is a linear trial of a study and keeps no model; its recipe makes it in seconds."
        return Said("question", text, ("run.json: saved",))
    text = (
        "model/model.keras holds graph and weights (SHA-256 "
        f"{facts.contents.files.model.sha256}): RGB pixels from 0 to 255 in, probabilities out. It loads in Keras "
        "without other code; model/model.json names classes and input."
    )
    return Said("answered", text, ("model/model.json: fingerprints.model", "model/model.json: input"))


def prediction(facts: Facts) -> Said:
    """Say how the predictions that were evaluated came about."""
    if not facts.info.saved:
        text = "The probabilities of the fitted head on stored features, photo by photo in predictions.csv."
        return Said("answered", text, ("predictions.csv: predicted",))
    text = (
        "The saved model was read back from disk and asked for each photo; predictions.csv has its probabilities, and "
        "budwood predict gives them for other photos."
    )
    return Said("answered", text, ("predictions.csv: predicted", "model/model.json: fingerprints.model"))


def code(facts: Facts) -> Said:
    """Say which version of which code made the run."""
    version = words.shown(facts.info.budwood)
    text = f"Budwood {version} alone, by the command below; recipe.toml spells out every setting."
    return Said(
        "answered",
        text,
        ("run.json: budwood", "run.json: command", "recipe.toml"),
        words.shown(facts.info.command),
    )


def software(facts: Facts) -> Said:
    """Say which versions of which packages were used."""
    if not facts.info.versions:
        return Said("question", f"Budwood {words.shown(facts.info.budwood)}.", ("run.json: budwood",))
    found = [f"{name} {words.shown(version)}" for name, version in facts.info.versions.items()]
    return Said("answered", f"{', '.join(found)}.", ("run.json: versions",))


def infrastructure(facts: Facts) -> Said:
    """Say on what machine, with what software and how long it was computed."""
    info, here = facts.info, facts.info.machine
    time = f"All stages together took {words.duration(info.seconds)}."
    known = [f"{name} {words.shown(version)}" for name, version in info.versions.items()]
    software = f"{', '.join(known)}. " if known else ""
    places = ("run.json: versions", "run.json: stages") if known else ("run.json: stages",)
    if here is None:
        return Said("question", f"{software}{time}", places)
    memory = f", {here.memory / 2**30:.0f} GiB of memory" if here.memory else ""
    devices = (
        f", {words.listing([words.shown(one) for one in here.accelerators])}" if here.accelerators else ""
    )
    text = (
        f"{words.shown(here.processor)}, {words.count(here.cores, 'core')}{memory}"
        f"{devices or ', no accelerator'}; {words.shown(here.system)}. {software}{time}"
    )
    return Said("answered", text, ("run.json: machine", *places))


def instructions(facts: Facts) -> Said:
    """Say what to do to get the same result again."""
    info = facts.info
    python = f" under Python {words.shown(info.versions['python'])}" if "python" in info.versions else ""
    text = (
        f"Install Budwood {words.shown(info.budwood)}{python} with the versions that run.json lists; take the photos "
        "that split.csv lists; train with this run's recipe.toml and compare metrics.json."
    )
    places = (
        ["run.json: versions", "split.csv: sha256", "recipe.toml"]
        if info.versions
        else ["split.csv: sha256", "recipe.toml"]
    )
    if info.saved:
        text += " The model card, model/README.md, says what the model is for."
        places.append("model/README.md")
    return Said("answered", text, tuple(places))


def script(facts: Facts) -> Said:
    """Give the command that makes the run again."""
    text = (
        "One command makes every figure of this run again. The recipe holds the seeds; DATA is where the photos are, "
        "RUN this run's directory."
    )
    again = "budwood train DATA --recipe RUN/recipe.toml -o AGAIN"
    if facts.info.from_:
        again += f" --from {shlex.quote(words.shown(facts.info.from_))}"
    return Said("answered", text, ("recipe.toml", "run.json: requested"), again)


def handing_on(facts: Facts) -> Said:
    """Say what there is to be handed on."""
    text = "There are the run directory, which can be zipped, its recipe, and its list of photos with their hashes."
    if facts.info.saved:
        return Said(
            "question",
            f"{text} The model is model/model.keras.",
            ("recipe.toml", "split.csv", "model/model.json"),
        )
    return Said("question", text, ("recipe.toml", "split.csv"))


def details(facts: Facts) -> Said:
    """Say where further technical details are."""
    text = "recipe.toml has every setting, split.csv every photo, report.html the result at length."
    return Said("answered", text, ("recipe.toml", "split.csv"))

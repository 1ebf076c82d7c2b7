import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.evaluation.phases import PhaseEvaluation
from budwood.evaluation.task import SINGLE_LABEL
from budwood.report.first_lines import first_lines
from budwood.runs.figures import TrainedPhase
from budwood.runs.metrics import describe

CLASSES = ["ok", "defect"]


def metrics(labels, predicted, validation=40, after=None, classes=CLASSES, split="test"):
    labels = np.asarray(labels)

    def shares(answers):
        return np.eye(len(classes))[np.asarray(answers)] * 0.8 + 0.1

    held_out = np.arange(validation) % len(classes)
    of = {"validation": held_out, "test": labels} if split == "test" else {"validation": labels}
    answers = {"frozen": predicted} if after is None else {"frozen": predicted, "finetune": after}
    evaluations = {
        name: PhaseEvaluation(
            {part: shares(held_out if part != split else one) for part in of}, 1.0, SINGLE_LABEL
        )
        for name, one in answers.items()
    }
    phases = [
        TrainedPhase(
            name=name, seconds=1.0, epochs=1, best_epoch=1, trainable_parameters=1, unfrozen_layers=()
        )
        for name in answers
    ]
    return describe(classes, of, evaluations, phases, list(answers)[-1], Recipe())


def test_first_lines__rare_class_and_the_guess():
    found = first_lines(metrics([0] * 99 + [1], [0] * 100), Recipe())
    assert found[0].startswith("On 100 test photos never used for training, 99.0 % are classified correctly")
    assert found[1].startswith("Always answering “ok”, the most frequent class, would be right for 99.0 %.")
    assert "it is not shown that the model does better" in found[1]
    assert found[2] == (
        "“defect”: 0 of 1 test photo found, a recall of 0.0 % (95 % interval 0.0 % to 79.3 %)."
    )
    assert "loss.class_weights=balanced" in found[3]
    assert len(found) == 4


def test_first_lines__weights_that_are_there_are_not_offered():
    found = first_lines(
        metrics([0] * 20 + [1] * 4, [0] * 20 + [1, 1, 1, 0]),
        Recipe.from_dict({"loss": {"class_weights": "balanced"}}),
    )
    assert found[2].startswith(
        "“defect”: 3 of 4 test photos found, a recall of 75.0 % (95 % interval 30.1 % to"
    )
    assert not any("class_weights" in line for line in found)


def test_first_lines__classes_alike_are_not_named():
    found = first_lines(metrics([0] * 20 + [1] * 5, [0] * 25), Recipe())
    assert len(found) == 2


def test_first_lines__of_many_rare_classes_the_rarest():
    classes = [f"c{place}" for place in range(6)]
    labels = [0] * 30 + [1, 1, 2, 2, 3, 3, 4]
    found = first_lines(metrics(labels, labels, classes=classes), Recipe())
    assert found[2] == "“c5”: no test photo, so nothing is known of its recall."
    assert found[3].startswith("“c4”: 1 of 1 test photo found")
    assert found[5] == "2 classes more are as rare; the report lists all."


def test_first_lines__validation_says_what_it_is():
    found = first_lines(metrics([0] * 20 + [1] * 20, [0] * 20 + [1] * 20, split="validation"), Recipe())
    assert "used for choices" in found[1]


@pytest.mark.parametrize(("validation", "doubt"), [(24, True), (100, False)])
def test_first_lines__few_validation_photos_chose_the_phase(validation, doubt):
    labels = [0] * 20 + [1] * 20
    found = first_lines(metrics(labels, labels, validation, after=labels), Recipe())
    assert "The fine-tuned model was kept" in found[2]
    assert any(f"{validation} validation photos chose it" in line for line in found) == doubt
    assert any("with --recipe frozen-linear nothing" in line for line in found) == doubt
    two = Recipe.from_dict({"backbone": {"name": ["mobilenet", "mobilenet_v2"]}})
    found = first_lines(metrics(labels, labels, validation, after=labels), two)
    assert any("with --recipe frozen-ensemble nothing" in line for line in found) == doubt


def test_first_lines__fine_tuning_that_there_was_no_time_for():
    labels = [0] * 20 + [1] * 20
    found = metrics(labels, labels)
    why = "Fine-tuning came to nothing: 1 minute leaves no time for an epoch, so there is nothing to compare."
    found = found.model_copy(update={"verdict": found.verdict.model_copy(update={"words": why})})
    assert why in first_lines(found, Recipe.from_dict({"finetune": {"epochs": 3}}))
    assert why not in first_lines(found, Recipe())


@pytest.mark.parametrize(("after", "told"), [([0, 1] * 20, False), ([0] * 40, True)])
def test_first_lines__how_fine_tuning_began_where_it_was_not_kept(after, told):
    labels = [0, 1] * 20
    found = metrics(labels, labels, after=after)
    if told:
        found = found.model_copy(update={"chosen_phase": "frozen"})
    lines = first_lines(found, Recipe(), spikes=["validation loss rose"])
    assert ("Validation loss rose." in lines) == told

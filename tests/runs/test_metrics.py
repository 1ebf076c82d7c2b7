"""What metrics.json says of photos that belong together, and of those that nearly show what was learned from."""

from collections.abc import Sequence

import numpy as np
import pytest

from budwood.config.recipe import Recipe
from budwood.data.manifest import Kin, Photo
from budwood.evaluation.phases import PhaseEvaluation
from budwood.evaluation.statistics import wilson_interval
from budwood.evaluation.task import MULTI_LABEL, SINGLE_LABEL
from budwood.features.twins import Twin
from budwood.report import terminal
from budwood.runs.figures import Metrics, TrainedPhase
from budwood.runs.metrics import describe

CLASSES = ["cat", "dog"]
PHASE = TrainedPhase(
    name="frozen", seconds=1.0, epochs=1, best_epoch=1, trainable_parameters=4, unfrozen_layers=()
)


def photo(split: str, number: int, near: str = "", group: str | None = None) -> Photo:
    kin = Kin(equal=f"{split}{number}", same=f"{split}{number}", near=near or f"{split}{number}")
    label = CLASSES[number % 2]
    return Photo(b"", f"{split}/{number}.jpg", label, split, sha256=f"{split}{number}", kin=kin, group=group)


def described(test: list[Photo], wrong: set[int], twins: Sequence[Twin] = ()) -> Metrics:
    parts = {
        "train": [photo("train", number) for number in range(40)],
        "validation": [photo("validation", number) for number in range(10)],
        "test": test,
    }
    labels = {
        split: SINGLE_LABEL.encode([one.label for one in part], CLASSES) for split, part in parts.items()
    }
    shares = {split: np.where(np.eye(2)[labels[split]] > 0, 0.9, 0.1) for split in ("validation", "test")}
    for index in wrong:
        shares["test"][index] = shares["test"][index][::-1]
    evaluation = PhaseEvaluation(shares, 1.0, SINGLE_LABEL)
    recipe = Recipe.from_dict({"evaluate": {"resamples": 200}})
    return describe(
        CLASSES, labels, {"frozen": evaluation}, [PHASE], "frozen", recipe, parts=parts, twins=twins
    )


def test_describe__accuracy_beside_that_without_near_twins():
    # Thirty of fifty test photos are nearly training photos, and right; of the others five are wrong.
    test = [photo("test", number, near=f"train{number}" if number < 30 else "") for number in range(50)]
    found = described(test, wrong={31, 35, 39, 41, 43})
    assert found.test.accuracy == 0.9
    assert found.test.without_twins.twins == 30
    first = found.test.without_twins.pairs[0]
    assert (first.photo, first.known, first.by) == ("test/0.jpg", "train/0.jpg", "hash")
    assert found.test.without_twins.n == 20
    assert found.test.without_twins.accuracy == 0.75
    assert found.test.without_twins.accuracy_ci95 == pytest.approx(wilson_interval(15, 20))
    assert found.validation.without_twins is None
    sentence = terminal.verdict(found.test.to_json(), "test")
    assert "30 of these photos have a near twin in training" in sentence
    assert "20 photos it is 75.0" in sentence


def test_describe__every_test_photo_is_a_near_twin():
    test = [photo("test", number, near=f"train{number % 40}") for number in range(50)]
    found = described(test, wrong={3}).test.without_twins
    assert (found.twins, found.n, found.accuracy, found.accuracy_ci95) == (50, 0, None, None)
    assert len(found.pairs) == 50
    sentence = terminal.verdict(described(test, wrong={3}).test.to_json(), "test")
    assert "98.0" in sentence
    assert sentence.endswith(
        "Every one of these photos has a near twin in training: the figure does not say how well new photos are "
        "classified."
    )


def test_describe__copies_that_only_their_pixels_tell_count_as_twins():
    test = [photo("test", number, near="train3" if number == 0 else "") for number in range(50)]
    twins = [Twin(f"test/{place}.jpg", f"train/{place}.jpg", 0.7 + 0.1 * place, True) for place in (0, 1)]
    found = described(test, wrong={7, 20}, twins=twins)
    assert (found.test.without_twins.twins, found.test.without_twins.n) == (2, 48)
    assert found.test.without_twins.accuracy == pytest.approx(46 / 48)
    pairs = [(one.photo, one.known, one.by, one.similarity) for one in found.test.without_twins.pairs]
    assert pairs == [
        ("test/1.jpg", "train/1.jpg", "features", 0.8),
        ("test/0.jpg", "train/0.jpg", "features", 0.7),
    ]


def test_describe__without_near_twins_nothing_is_said():
    found = described([photo("test", number) for number in range(50)], wrong={3})
    assert found.test.without_twins is None
    assert "without_twins" not in found.test.to_json()
    assert "twin" not in terminal.verdict(found.test.to_json(), "test")


def test_describe__figures_are_of_groups():
    alone = described([photo("test", number) for number in range(120)], wrong=set(range(12)))
    grouped = described(
        [photo("test", number, group=f"scene {number // 4}") for number in range(120)], wrong=set(range(12))
    )
    assert alone.test.groups is None
    assert grouped.test.groups.num == 30
    assert grouped.test.accuracy == alone.test.accuracy
    low, high = grouped.test.accuracy_ci95
    assert low < alone.test.accuracy_ci95[0]
    assert high > alone.test.accuracy_ci95[1]


def test_describe__of_few_groups_a_range_stands_in_place_of_intervals():
    found = described(
        [photo("test", number, group=f"scene {number // 12}") for number in range(120)], wrong=set(range(12))
    )
    assert found.test.groups.num == 10
    assert found.test.accuracy_ci95 is None
    assert found.test.macro_f1_ci95 is None
    low, high = found.test.groups.accuracy_range
    assert low < 0.6 < found.test.accuracy < high


def test_describe__verdict_of_several_labels_is_of_mean_average_precision():
    rng = np.random.default_rng(0)
    has = (rng.random((120, 2)) < 0.4).astype(np.float32)
    noise = rng.normal(size=has.shape)
    labels = {"validation": has[:60], "test": has[60:]}

    def phase(skill: float) -> PhaseEvaluation:
        shares = 1 / (1 + np.exp(-(skill * has + noise)))
        return PhaseEvaluation({"validation": shares[:60], "test": shares[60:]}, 1.0, MULTI_LABEL)

    phases = {"frozen": phase(0.3), "finetune": phase(4.0)}
    trained = [PHASE, PHASE.model_copy(update={"name": "finetune"})]
    recipe = Recipe.from_dict({"evaluate": {"resamples": 200}})
    found = describe(CLASSES, labels, phases, trained, "finetune", recipe)
    frozen = describe(CLASSES, labels, {"frozen": phases["frozen"]}, [PHASE], "frozen", recipe)
    gap = found.test.mean_average_precision - frozen.test.mean_average_precision
    assert found.verdict.figure == "mean_average_precision"
    assert found.verdict.difference == pytest.approx(gap)
    assert found.verdict.words.startswith("Fine-tuning helped: +")
    assert "points of mean average precision on 60 test photos" in found.verdict.words
    assert "figure" not in described([photo("test", number) for number in range(50)], {3}).verdict.to_json()

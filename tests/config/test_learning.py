import pytest
from pydantic import ValidationError

from budwood.config.learning import Distill, Finetune, Frozen, Loss, Steps, Unfreeze


@pytest.mark.parametrize(
    "value",
    ["all", {"layers": 20}, {"blocks": 1}, {"fraction": 1.0}, {"from_layer": "top"}, Unfreeze(layers=1)],
)
def test_unfreeze__all_or_one_line(value):
    found = Finetune(unfreeze=value).unfreeze
    assert found == (value if isinstance(value, str | Unfreeze) else Unfreeze(**value))


@pytest.mark.parametrize(
    "value",
    ["none", 20, {}, None, {"layers": 20, "blocks": 1}, {"layer": 20}, {"layers": 0}, {"fraction": 0.0}, []],
)
def test_unfreeze__what_is_none(value):
    with pytest.raises(ValidationError, match='give "all", or one of|greater than'):
        Finetune(unfreeze=value)
    with pytest.raises(ValidationError, match="give"):
        Unfreeze(layers=1, fraction=0.5)


def test_trains__those_that_are_named():
    assert Finetune().trains("a")
    assert Finetune(backbones=["a"]).trains("a")
    assert not Finetune(backbones=["a"]).trains("b")


def test_finetune__scale_and_bias_hold_the_statistics():
    assert Finetune(parameters="scale-and-bias").batch_norm == "frozen"
    with pytest.raises(ValidationError, match='holds the statistics that batch_norm = "train" changes'):
        Finetune(parameters="scale-and-bias", batch_norm="train")


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        (Loss, {"label_smoothing": 1.0}),
        (Loss, {"class_weights": {"a": -1}}),
        (Loss, {"class_weights": "square"}),
        (Loss, {"focal": 11}),
        (Loss, {"asymmetric": -1}),
        (Loss, {"clip": 1.0}),
        (Distill, {"weight": 0.0}),
        (Distill, {"temperature": 0.0}),
        (Distill, {"run": ""}),
        (Steps, {"learning_rate": 0}),
        (Steps, {"learning_rate": float("nan")}),
        (Steps, {"momentum": 1.0}),
        (Steps, {"ema": 1.0}),
        (Steps, {"batch_size": 0}),
        (Steps, {"plateau_factor": 1.0}),
        (Steps, {"schedule": "linear"}),
        (Frozen, {"folds": 1}),
        (Frozen, {"l2_strengths": []}),
        (Frozen, {"l2_strengths": [0.0]}),
        (Finetune, {"backbones": []}),
        (Finetune, {"depth_decay": 1.1}),
    ],
)
def test_sections__out_of_range(section, settings):
    with pytest.raises(ValidationError):
        section(**settings)


def test_sections__are_frozen_and_fine_tuning_is_slow():
    assert Finetune().learning_rate < Frozen().learning_rate
    with pytest.raises(ValidationError, match="frozen"):
        Frozen().epochs = 3

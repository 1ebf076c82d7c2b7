import pytest

from budwood.config.recipe import Recipe
from budwood.training.precision import precision_of, with_fastest_precision, with_precision


@pytest.fixture
def cpu(request, monkeypatch):
    monkeypatch.setattr("budwood.training.precision.has_bf16", lambda: request.param)
    return request.param


def recipe(precision, epochs=3):
    return Recipe.from_dict({"finetune": {"epochs": epochs, "precision": precision}})


@pytest.mark.parametrize("cpu", [True], indirect=True)
def test_with_precision__what_a_processor_has_stays_as_it_is(cpu):
    assert with_precision(recipe("bf16")) == (recipe("bf16"), ())
    assert with_precision(recipe("f32")) == (recipe("f32"), ())
    assert with_precision(recipe("auto")) == (recipe("auto"), ())
    assert precision_of(recipe("auto").finetune) == "f32"


@pytest.mark.parametrize("cpu", [False], indirect=True)
def test_with_precision__says_what_a_processor_cannot(cpu):
    decided, notes = with_precision(recipe("bf16"))
    assert decided.finetune.precision == "f32"
    assert [(note.text, note.kind) for note in notes] == [
        ("this CPU has no bf16 arithmetic: gradient steps are computed in f32", "precision")
    ]


def test_with_precision__not_where_tensorflow_sees_an_accelerator(monkeypatch):
    monkeypatch.setattr("budwood.training.precision.has_bf16", lambda: True)
    monkeypatch.setattr("budwood.training.precision.accelerators", lambda: ("a GPU",))
    decided, (note,) = with_precision(recipe("bf16"))
    assert decided.finetune.precision == "f32" and "is for CPUs" in note.text


@pytest.mark.parametrize("cpu", [True], indirect=True)
def test_with_precision__says_nothing_of_a_phase_that_there_is_not(cpu):
    assert with_precision(recipe("bf16", epochs=0)) == (recipe("bf16", epochs=0), ())
    assert precision_of(recipe("bf16").frozen) == "f32"
    assert precision_of(recipe("f32").finetune) == "f32"


@pytest.mark.parametrize("cpu", [True, False], indirect=True)
def test_with_fastest_precision__decides_only_what_is_left_open(cpu):
    assert with_fastest_precision(recipe("auto")) == recipe("bf16" if cpu else "auto")
    assert with_fastest_precision(recipe("f32")) == recipe("f32")
    assert with_fastest_precision(recipe("bf16")) == recipe("bf16")
    assert with_fastest_precision(recipe("auto", epochs=0)) == recipe("auto", epochs=0)


@pytest.mark.parametrize("cpu", [True], indirect=True)
def test_with_precision__not_where_batch_norm_is_trained(cpu):
    asked = recipe("bf16").with_settings(["finetune.batch_norm=train"])
    decided, (note,) = with_precision(asked)
    assert decided.finetune.precision == "f32" and "batch_norm" in note.text
    left = recipe("auto").with_settings(["finetune.batch_norm=train"])
    assert with_fastest_precision(left) == left


@pytest.mark.parametrize("cpu", [True], indirect=True)
def test_with_precision__not_where_no_convolution_trains(cpu):
    own = ["finetune.parameters=scale-and-bias"]
    decided, (note,) = with_precision(recipe("bf16").with_settings(own))
    assert decided.finetune.precision == "f32" and "needs finetune.parameters" in note.text
    left = recipe("auto").with_settings(own)
    assert with_fastest_precision(left) == left

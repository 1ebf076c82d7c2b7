import pytest

from budwood.report.checklists import training
from budwood.report.checklists.facts import Facts
from budwood.report.summary import read_contents
from tests.report.checklists.conftest import edit, set_recipe


def of(folder):
    return Facts(read_contents(folder))


def test_model__of_a_linear_probe(facts):
    text = training.model(facts()).text
    assert "efficientnet_lite0 at 224 pixels" in text and "multinomial logistic regression" in text
    assert "6,405 parameters" in text and "frozen" in text


def test_model__the_loss_of_gradient_steps(made):
    folder = made(fit="gradient")
    set_recipe(folder, "loss.focal=2", "loss.class_weights=balanced", "head.hidden=[64]")
    text = training.model(of(folder)).text
    assert "Loss: focal loss with gamma 2, classes weighted (in inverse proportion to their photos)" in text
    assert "hidden layers of 64 units" in text


def test_model__of_both_phases_and_a_teacher(made):
    folder = made(finetuned=True)
    edit(folder, "run.json", distill={"run": "teacher", "model": "a", "computed": 0, "found": 0})
    said = training.model(of(folder))
    assert (
        "of the gradient steps: cross-entropy, label smoothing 0.1, distillation from the run “teacher”"
        in said.text
    )
    assert {"run.json: distill", "layers.csv: name"} <= set(said.where)


def test_why_model__counts_what_stays_and_what_is_trained(facts):
    said = training.why_model(facts())
    assert said.state == "answered" and "6,405 were trained on 160 training photos" in said.text
    assert "optimum is unique" in said.text


def test_why_model__without_pretraining_it_is_asked(made):
    folder = made(fit="gradient")
    set_recipe(folder, "backbone.weights=random")
    assert training.why_model(of(folder)).state == "question"
    assert "drawn at random" in training.initialization(of(folder)).text


def test_why_model__of_two_phases(facts):
    text = training.why_model(facts(finetuned=True)).text
    assert "decided by the loss on the validation photos" in text and "optimum" not in text


def test_initialization__of_a_run_gone_on_with(made):
    folder = made()
    assert "pretrained on ImageNet" in training.initialization(of(folder)).text
    edit(folder, "run.json", **{"from": "first"})
    said = training.initialization(of(folder))
    assert "those of the run “first”" in said.text and said.where == ("run.json: from",)


def test_approach__names_each_phase(facts):
    text = training.approach(facts(finetuned=True)).text
    assert (
        "Head: logistic regression" in text
        and "Phase finetune trains" in text
        and "of which number 9 was kept" in text
    )


def test_approach__of_a_linear_probe_names_no_optimizer(facts):
    text = training.approach(facts()).text
    assert "L2 strength 0.001" in text and "adam" not in text and "Seed 0" in text


def test_selection(facts):
    text = training.selection(facts(finetuned=True)).text
    assert "Of 13 L2 strengths one" in text and "Of the two phases, finetune was kept" in text
    assert "Test figures chose nothing" in text


def test_selection__without_a_test_says_nothing_of_one(facts):
    assert "Test figures" not in training.selection(facts(test=False)).text


def test_tuning__values_that_were_tried(facts):
    text = training.tuning(facts()).text
    assert "13 values from 1e-06 to 1, by 5-fold" in text and "chosen: 0.001" in text


def test_tuning__of_a_trained_head(facts):
    text = training.tuning(facts(fit="gradient")).text
    assert "the number of epochs" in text and "L2" not in text


def test_tuning__a_trial_may_be_one_of_many(facts):
    assert "trial of a study" in training.tuning(facts(saved=False)).text


def test_ensemble(made):
    folder = made()
    assert training.ensemble(of(folder)).state == "not applicable"
    set_recipe(folder, 'backbone.name=["efficientnet_lite0", "mobilenet_v2@160"]', "evaluate.flip=true")
    said = training.ensemble(of(folder))
    assert (
        said.state == "answered" and "mobilenet_v2 at 160 pixels" in said.text and "mirror image" in said.text
    )


def test_imbalance__says_what_was_done(made):
    folder = made(names={"daisy": [f"daisy/{i}.jpg" for i in range(80)]}, classes=["daisy", "roses"])
    assert "2.0 times" in training.imbalance(of(folder)).text
    assert "Nothing was done about it" in training.imbalance(of(folder)).text
    set_recipe(folder, "loss.class_weights=balanced")
    assert "Classes were weighted" in training.imbalance(of(folder)).text


def test_imbalance__equal_classes_need_nothing(facts):
    assert "Nothing was done" not in training.imbalance(facts()).text


def test_output_form(facts):
    assert "one temperature, 1.60, fitted" in training.output_form(facts()).text


def test_updating(made):
    folder = made()
    assert training.updating(of(folder)).state == "not applicable"
    edit(folder, "run.json", **{"from": "first"})
    assert training.updating(of(folder)).state == "answered"


def test_specification_and_prediction(facts):
    found = facts()
    assert "b" * 64 in training.specification(found).text
    assert "read back from disk" in training.prediction(found).text


def test_specification_and_prediction__of_a_trial(facts):
    found = facts(saved=False)
    assert training.specification(found).state == training.handing_on(found).state == "question"
    assert training.prediction(found).where == ("predictions.csv: predicted",)


def test_code__gives_the_command(facts):
    assert training.code(facts()).command == "budwood train flower_photos -o run"


def test_software__and_infrastructure(facts):
    found = facts()
    assert "keras 3.15.1" in training.software(found).text
    said = training.infrastructure(found)
    assert (
        said.state == "answered"
        and "Fast CPU, 2 cores, 16 GiB of memory, no accelerator; Linux 6.1" in said.text
    )
    assert "took 38 s" in said.text


def test_infrastructure__accelerators_are_named(made):
    folder = made()
    edit(folder, "run.json", machine__accelerators=["Big GPU"], machine__memory=None, versions=None)
    said = training.infrastructure(of(folder))
    assert "2 cores, Big GPU; " in said.text and "run.json: versions" not in said.where
    assert training.software(of(folder)).state == "question"


def test_infrastructure__is_asked_where_the_run_does_not_know(facts):
    assert training.infrastructure(facts(machine=False)).state == "question"


@pytest.mark.parametrize(("begun", "ending"), [(None, "-o AGAIN"), ("first", "--from first")])
def test_script__names_no_place_of_this_machine(made, begun, ending):
    folder = made()
    edit(folder, "run.json", **{"from": begun})
    command = training.script(of(folder)).command
    assert command.startswith("budwood train DATA --recipe RUN/recipe.toml") and command.endswith(ending)
    assert str(folder) not in command


def test_instructions__name_the_card_of_a_model_alone(made):
    folder = made()
    assert "model/README.md" in training.instructions(of(folder)).where
    edit(folder, "run.json", saved=False)
    assert "model/README.md" not in training.instructions(of(folder)).where
    assert training.details(of(folder)).state == "answered"


def test_training__of_several_labels(built_with_labels):
    found = of(built_with_labels)
    assert "for each label a binary logistic regression" in training.model(found).text
    assert "one output for each of 4 labels" in training.model(found).text
    assert "an L2 strength of its own" in training.approach(found).text
    assert "the L2 strength for each label, 1 values" in training.tuning(found).text
    assert "their threshold" in training.output_form(found).text
    assert "The most frequent label has" in training.imbalance(found).text
    assert "a threshold of its own" in training.imbalance(found).text

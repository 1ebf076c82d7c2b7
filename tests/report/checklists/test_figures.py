import pytest

from budwood.core import files
from budwood.report.checklists import figures
from budwood.report.checklists.facts import Facts
from budwood.report.summary import read_contents
from tests.report.checklists.conftest import edit


def of(folder):
    return Facts(read_contents(folder))


def plain(said):
    return said.text.replace("\u00a0", " ")


def test_metrics__of_a_linear_probe(facts):
    text = plain(figures.metrics(facts()))
    assert text.startswith("Of 20 test photos: accuracy, ") and "calibration error (ECE)" in text
    assert "top-5" not in text and "the L2 strength was chosen" in text and "Always answering" in text


def test_metrics__what_loss_chose_in_two_phases(facts):
    assert "the L2 strength, the epoch and the phase were chosen" in plain(
        figures.metrics(facts(finetuned=True))
    )


def test_performance__every_figure_with_its_interval(facts):
    found = facts()
    said, scores = figures.performance(found), found.scores
    low, high = scores.accuracy_ci95
    assert f"accuracy {100 * scores.accuracy:.1f} % ({100 * low:.1f} % to {100 * high:.1f} %)" in plain(said)
    assert f"loss (negative log-likelihood) {scores.loss:.3f} (" in plain(said) and said.state == "answered"


def test_performance__of_validation_photos_is_no_answer(facts):
    said = figures.performance(facts(test=False))
    assert said.state == "question" and "On 20 validation photos" in plain(said) and "flatters" in plain(said)


def test_uncertainty__says_how_it_was_computed(facts):
    text = plain(figures.uncertainty(facts()))
    assert (
        "Wilson's score intervals; of averages over classes likewise" in text
        and "200 times with seed 0" in text
    )


def test_uncertainty__of_groups(facts):
    text = plain(figures.uncertainty(facts(groups=7, per_class=200)))
    assert "for they are of 35 groups" in text and "resampling the groups of photos" in text


def test_uncertainty__of_too_few_groups_states_none(facts):
    text = plain(figures.uncertainty(facts(groups=1)))
    assert text == "Of accuracy, on 20 test photos, no interval: too few groups of photos."


def test_uncertainty__names_figures_without_an_interval(made):
    folder = made()
    metrics = files.read_json(folder / "metrics.json")
    metrics["test"] |= {"macro_f1_ci95": None, "no_interval": {"macro_f1": "few-photos-a-class"}}
    files.write_json(folder / "metrics.json", metrics)
    said = figures.uncertainty(of(folder))
    assert "Of macro F1 no interval: too few photos a class." in plain(said)
    assert "metrics.json: test.no_interval" in said.where


def test_tests__only_where_models_were_compared(facts):
    assert figures.tests(facts()).state == "not applicable"


def test_tests__of_two_phases_with_what_is_assumed(facts):
    said = figures.tests(facts(finetuned=True, per_class=300))
    assert said.state == "answered" and "McNemar" in said.text and "independent of one another" in said.text


def test_tests__of_groups_assumes_that_groups_are_independent(facts):
    assert (
        "takes the groups to be independent"
        in figures.tests(facts(finetuned=True, groups=7, per_class=200)).text
    )


def test_tests__of_too_few_groups_is_none(facts):
    said = figures.tests(facts(finetuned=True, groups=1))
    assert "no test was made" in said.text and said.where == ("metrics.json: verdict",)


def test_baselines(facts):
    said = figures.baselines(facts())
    assert said.state == "not applicable" and "Always answering" in said.text


def test_baselines__of_two_phases(facts):
    said = figures.baselines(facts(finetuned=True))
    assert said.state == "answered" and "the head alone on the same network" in said.text


def test_baselines__of_a_run_gone_on_with_are_its_model(made):
    folder = made(finetuned=True)
    edit(folder, "run.json", **{"from": "first"})
    assert "compared with the model of the run “first”" in figures.baselines(of(folder)).text


def test_of_classes__with_intervals_or_without(facts):
    text = plain(figures.of_classes(facts(classes=["a", "b"])))
    assert (
        "for each class" in text and text.count("recall ") == 3 and "of 4 photos" in text and " to " in text
    )


def test_of_classes__of_many_the_weakest(facts):
    text = plain(figures.of_classes(facts(classes=[f"c{i}" for i in range(30)], per_class=10)))
    assert "for the 12 weakest of 30 classes" in text


def test_mistakes__counts_them(facts):
    found = facts()
    wrong = sum(not row.correct for row in found.contents.predictions if row.split == "test")
    assert f"Of 20 test photos {wrong} " in plain(figures.mistakes(found))


def test_calibration__before_and_after(made):
    folder = made()
    said = figures.calibration(of(folder))
    assert "temperature, 1.60" in said.text and "without and" in said.text
    edit(folder, "metrics.json", calibration__test=None)
    said = figures.calibration(of(folder))
    assert "without and" not in said.text and "metrics.json: calibration.test" not in said.where


def test_measures__has_the_test_where_there_was_one(facts):
    assert "McNemar" in figures.measures(facts(finetuned=True)).text


def test_measures__of_one_model(facts):
    assert "compares no models" not in figures.measures(facts()).text


def test_internal_and_external(facts):
    found = facts()
    assert figures.internal(found).state == "answered" and figures.external(found).state == "question"


def test_internal__without_a_test(facts):
    assert figures.internal(facts(test=False)).state == "question"


def test_external__a_test_split_of_the_source_is_no_proof(made):
    folder = made()
    edit(folder, "check.json", understood__classes={"daisy": {"train": 2, "test": 1}})
    said = figures.external(of(folder))
    assert said.state == "question" and "the run cannot know" in said.text


def test_robustness__without_near_twins(made):
    folder = made()
    assert figures.robustness(of(folder)).text == ""
    twins = {"twins": 2, "n": 18, "accuracy": 0.5, "accuracy_ci95": None, "pairs": []}
    edit(folder, "metrics.json", test__without_twins=twins)
    assert "the accuracy is 50.0 %" in plain(figures.robustness(of(folder)))
    edit(folder, "metrics.json", test__without_twins=twins | {"twins": 20, "n": 0, "accuracy": None})
    assert "Every test photo is nearly a copy of a training photo." in plain(figures.robustness(of(folder)))


def test_sample_size(facts):
    assert "The 20 test photos give an interval of accuracy" in figures.sample_size(facts()).text


def test_sample_size__of_few_groups(facts):
    assert "no interval can be stated" in figures.sample_size(facts(groups=1)).text


def test_limits__names_classes_and_what_nothing_is_known_of(facts):
    text = plain(figures.limits(facts()))
    assert "none of the 5 classes" in text and "the weakest" in text and "other cameras" in text


def test_poor_input(facts):
    said = figures.poor_input(facts())
    # Twenty validation photos are too few for a limit to be relied on.
    assert said.state == "answered" and "Do not rely on that yet" in plain(said)


def test_poor_input__of_a_trial(facts):
    assert figures.poor_input(facts(saved=False)).state == "question"


def test_clusters__of_groups_alone(facts):
    assert figures.clusters(facts()).text == ""


def test_clusters__counts_groups(facts):
    assert "35 groups" in figures.clusters(facts(groups=7, per_class=200)).text


@pytest.fixture
def labels(built_with_labels):
    return of(built_with_labels)


def test_uncertainty__of_several_labels(labels):
    text = plain(figures.uncertainty(labels))
    value = labels.contents.label_scores.mean_average_precision
    assert f"Of mean average precision, {100 * value:.1f} % on 30 test photos" in text and "jackknife" in text


def test_of_classes_and_mistakes__of_several_labels(labels):
    said = figures.of_classes(labels)
    assert "“desert” recall" in said.text and said.where == ("metrics.json: test.per_label",)
    wrong = labels.contents.label_scores.hamming_loss
    assert f"{100 * wrong:.1f} % are wrong" in plain(figures.mistakes(labels))


def test_performance_and_limits__of_several_labels(labels):
    text = plain(figures.performance(labels))
    assert "mean average precision" in text and "Hamming loss" in text and "accuracy" not in text
    assert (
        "the weakest is" in figures.limits(labels).text and "other shares" not in figures.limits(labels).text
    )


def test_calibration_and_sample_size__of_several_labels(labels):
    assert figures.calibration(labels).text.startswith("A scale and a shift for each label were fitted")
    assert "interval of mean average precision" in figures.sample_size(labels).text

import tomllib

from budwood.config.recipe import Recipe
from budwood.studies.report.resolved import resolve_recipes
from budwood.studies.results import read_results


def recipe(*settings):
    return Recipe.load("quick").with_settings(settings).model_dump(mode="json", exclude_none=True)


def test_resolve_recipes__what_is_alike_and_what_differs(made):
    for name, rate in (("a", "1e-3"), ("b", "1e-4")):
        for seed in (3, 4):
            given = recipe(f"finetune.learning_rate={rate}", f"split_seed={seed}")
            made.add(name, f"split {seed}", [True, False], recipe=Recipe.from_dict(given))
    found = resolve_recipes(read_results(made.folder))
    assert dict(found.own) == {
        "a": ["finetune.learning_rate = 0.001"],
        "b": ["finetune.learning_rate = 0.0001"],
    }
    common = tomllib.loads(found.common)
    # Put together again they are the recipe, without what differs between trials.
    common["finetune"]["learning_rate"] = 1e-4
    expected = recipe("finetune.learning_rate=1e-4")
    for key in ("seed", "split_seed"):
        del expected[key]
    for key in ("fold", "folds"):
        del expected["data"][key]
    assert common == expected


def test_resolve_recipes__nothing_known(made):
    made.add("a", "split 0", [True])
    (made.folder / "trials" / "a-split-0.json").write_text("{")
    assert resolve_recipes(read_results(made.folder)) is None

from budwood.report.checklists.facts import Facts
from budwood.report.checklists.fill import CHECKLISTS, as_markdown, fill_checklist
from budwood.report.summary import read_contents
from tests.report.checklists.conftest import edit, set_recipe, set_rows


def test_facts__sizes_and_classes(facts):
    found = facts(classes=["a", "b"], per_class=20)
    assert found.sizes == {"train": 32, "validation": 4, "test": 4} and list(found.sizes) == [
        "train",
        "validation",
        "test",
    ]
    assert found.of_class["a"] == {"train": 16, "validation": 2, "test": 2}
    assert not found.groups and found.linear and not found.steps and not found.phases_compared


def test_facts__phases(facts):
    assert facts(fit="gradient").steps == ["frozen"]


def test_facts__of_two_phases(facts):
    found = facts(finetuned=True)
    assert found.steps == ["finetune"] and found.phases_compared and found.measured == "20 test photos"


def test_facts__sees_what_is_in_two_splits(made):
    folder = made(classes=["a", "b"], per_class=20)
    found = Facts(read_contents(folder))
    assert (found.groups_in_two_splits, found.files_in_two_splits) == (0, 0)
    same = {"group": "scene", "sha256": "f" * 64}
    set_rows(folder, lambda row: row | same if row["split"] != "validation" else row)
    found = Facts(read_contents(folder))
    assert (found.groups_in_two_splits, found.files_in_two_splits) == (1, 1)
    assert found.groups == {"scene": 36}


def test_facts__splits_that_the_source_brought(made):
    folder = made(classes=["a", "b"])
    edit(
        folder, "check.json", understood__classes={"a": {"train": 3, "test": 1}, "b": {"train": 3, "test": 1}}
    )
    assert Facts(read_contents(folder)).given_splits == ["train", "test"]


def test_side__where_the_recipe_leaves_it_to_the_network(made):
    folder = made(saved=False)
    assert Facts(read_contents(folder)).side == 224
    set_recipe(folder, "data.size=auto", "backbone.name=efficientnet_b3")
    assert Facts(read_contents(folder)).side == 300
    for name in CHECKLISTS:
        text = as_markdown(fill_checklist(read_contents(folder), name))
        assert "300 pixels" in text and "auto pixels" not in text and "auto x" not in text

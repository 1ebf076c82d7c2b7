import pytest

from budwood.data.sources import names


@pytest.mark.parametrize(
    ("folders", "roles"),
    [
        (["Training", "valid", "TEST"], {"Training": "train", "valid": "validation", "TEST": "test"}),
        (["my train images", "test (1)"], {"my train images": "train", "test (1)": "test"}),
        (["birds_train", "birds_test"], {"birds_train": "train", "birds_test": "test"}),
        (["birds_train", "cats_test"], {}),
        (["birds_train"], {}),
        (["steam train", "car test"], {}),
        (["train", "eval"], {"train": "train", "eval": "held_out"}),
        (["train_test"], {}),
        (["trains", "testament", "values"], {}),
    ],
)
def test_split_roles__of_neighbouring_folders(folders, roles):
    assert names.split_roles(folders) == roles


@pytest.mark.parametrize(
    ("there", "settled"),
    [
        (["train", "validation"], "test"),
        (["train", "test"], "validation"),
        (["train"], "held_out"),
        (["train", "validation", "test"], "held_out"),
    ],
)
def test_settle_held_out__is_what_is_missing(there, settled):
    roles = {role: role for role in there} | {"x": "held_out"}
    assert names.settle_held_out(roles)["x"] == settled
    assert {name: role for name, role in names.settle_held_out(roles).items() if name != "x"} == {
        role: role for role in there
    }


@pytest.mark.parametrize(
    ("file", "label"),
    [
        ("a/b/cat_1.jpg", "cat"),
        ("cat1.jpg", "cat"),
        ("cat_1_2.jpg", "cat"),
        ("great dane-03.png", "great dane"),
        ("k\u00e4fer (2).jpg", "k\u00e4fer"),
        ("IMG_20240501_1.jpg", None),
        ("WhatsApp Image 1.jpg", None),
        ("cat.jpg", None),
        ("12.jpg", None),
        (".jpg", None),
    ],
)
def test_label_in__stands_before_the_number(file, label):
    assert names.label_in(file) == label


@pytest.mark.parametrize(
    ("files", "answer"),
    [
        (["a_1.jpg", "a_2.jpg", "b_1.jpg", "b_2.jpg"], True),
        (["a_1.jpg", "a_2.jpg", "b_1.jpg"], False),
        (["a_1.jpg", "a_2.jpg"], False),
        (["a_1.jpg", "a_2.jpg", "b_1.jpg", "b_2.jpg", "x.jpg"], False),
    ],
)
def test_are_labelled__two_classes_of_two_files(files, answer):
    assert names.are_labelled(files) is answer


@pytest.mark.parametrize(
    ("function", "yes", "no"),
    [
        (
            names.is_litter,
            ["._1.jpg", "THUMBS.DB", "@eaDir", "x.lrdata", "~$a.doc"],
            ["thumbs", "a.jpg", "trash"],
        ),
        (names.is_wrapper, ["images", "JPEG Images", "rgb"], ["image of cats", "masks"]),
        (names.is_of_annotations, ["masks", "Segmentation_Class", "gt"], ["with_mask", "images"]),
        (names.is_of_unlabelled, ["seg_pred", "Images to predict", "samples"], ["test", "predator"]),
        (names.is_of_previews, ["thumbs", "my previews"], ["thumbelina", "smallpox"]),
        (names.is_numbered, ["2024", "cam 2", "100APPLE", ""], ["cat 2", "mp3"]),
        (
            names.is_date,
            ["2024", "2024-05", "20240501", " 2024.05.01 "],
            ["202405011", "3024", "2024-5-1", "day 1"],
        ),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_what_a_folder_is_called(function, yes, no):
    assert [name for name in yes if not function(name)] == []
    assert [name for name in no if function(name)] == []

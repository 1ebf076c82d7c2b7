from budwood.auditing.findings import (
    AlikeClasses,
    Conflict,
    CrossSplit,
    Duplicate,
    FewPhotos,
    GroupHint,
    Imbalance,
    NotRead,
    OtherProblem,
    Outlier,
    PoorPicture,
    Shown,
    SplitGroup,
    Unreadable,
    WrongLabel,
    photos_of,
)
from budwood.data.manifest import PassedOver

A, B = Shown("cats/a.jpg", "cats", "train"), Shown("dogs/b.jpg", "dogs")
EVERY = (
    Conflict(photos=(A, B), by="bytes", similarity=1.0, left_out=(A.path, B.path)),
    CrossSplit(photos=(A, B), by="hash", similarity=0.997, left_out=(A.path,), severity="warning"),
    SplitGroup(group="g", splits=("train", "test"), photos=(A, B), num_photos=7),
    Unreadable(photo=A, fault="truncated", detail="cut short"),
    GroupHint(
        evidence="the column 'patient'", option="column:patient", num_groups=9, num_photos=90, example="a"
    ),
    WrongLabel(photo=A, suggested="dogs", of_label=0.1, of_suggested=0.85, rank=1),
    Outlier(photo=B, distance=0.8, limit=0.5, rank=1),
    FewPhotos(split="test", least=5, classes={"cats": 1}, given=True),
    NotRead(files=PassedOver("format", "cats", 30, "cats/a.heic", ".heic")),
    Duplicate(photos=(A, A), by="pixels", similarity=1.0),
    AlikeClasses(
        first="cats",
        second="dogs",
        first_as_second=3,
        second_as_first=1,
        num_first=20,
        num_second=20,
        share=0.1,
        interval=(0.04, 0.23),
        examples=(A,),
    ),
    *(
        PoorPicture(photo=A, value=1.0, limit=2.0, kind=kind)
        for kind in ("blank", "blurred", "dark", "overexposed", "tiny")
    ),
    Imbalance(
        largest="cats",
        smallest="dogs",
        num_largest=90,
        num_smallest=10,
        majority_share=0.9,
        weights={"cats": 0.56, "dogs": 5.0},
    ),
    OtherProblem(path="a.tif", problem="pages", detail="holds 3 pages; the first is read"),
)


def test_photos_of__photos_of_every_kind():
    assert [len(list(photos_of(one))) for one in EVERY] == [
        2,
        2,
        2,
        1,
        0,
        1,
        1,
        0,
        0,
        2,
        1,
        1,
        1,
        1,
        1,
        1,
        0,
        0,
    ]

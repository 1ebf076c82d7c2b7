from dataclasses import replace

from budwood.auditing.findings import Outlier, PoorPicture, Shown
from budwood.auditing.kind_words import WORDS, counted
from budwood.auditing.report.terminal import audit_as_text
from budwood.auditing.result import Decided, LabelsNetwork
from tests.auditing.conftest import audit_of


def blurred(number):
    return PoorPicture(
        photo=Shown(f"red/{number}.jpg", "red"), value=1.0, limit=2.0, kind="blurred", severity="note"
    )


def test_audit_as_text__the_most_severe_first_with_what_mends_it(manifest, findings):
    audit = audit_of(manifest, findings)
    text = audit_as_text(audit)
    for one in findings:
        section = text.split(f"{one.severity}: {counted(one.kind, len(audit.of(one.kind)))}\n")[1].split(
            "\n\n"
        )[0]
        assert WORDS[one.kind].fix in section
    assert text.startswith("1 error, ")
    heads = [line.split(":")[0] for line in text.splitlines() if line[:1] not in ("", " ")][1:]
    assert heads == sorted(heads, key="error warning note".index)


def test_audit_as_text__two_examples_of_each_kind(manifest):
    text = audit_as_text(audit_of(manifest, [blurred(number) for number in range(5)]))
    assert "red/0.jpg" in text and "red/1.jpg" in text and "red/2.jpg" not in text
    assert "    and 3 more\n" in text
    assert "and " not in audit_as_text(audit_of(manifest, [blurred(0), blurred(1)])).split("blurred", 1)[0]


def test_audit_as_text__one_kind_of_two_severities_stands_twice(manifest):
    far = Outlier(photo=Shown("red/1.jpg", "red"), distance=0.8, limit=0.5, rank=1)
    text = audit_as_text(audit_of(manifest, [far, replace(far, severity="error")]))
    assert text.count(WORDS["outlier"].fix) == 2


def test_audit_as_text__of_nothing_is_one_line(manifest):
    assert audit_as_text(audit_of(manifest)) == "Nothing odd was found in 42 photos of 3 classes."


def test_audit_as_text__ends_with_decisions_and_the_network(manifest, network):
    decided = Decided(dropped=2, relabelled=0, joined=0, answered={})
    lines = audit_as_text(audit_of(manifest, network=network, decided=decided)).splitlines()
    assert lines[1:] == [
        "",
        "By decision: 2 photos dropped.",
        "Out of fold 90.0 % of 42 photos are classified as labelled (5 folds, mobilenet_v2); always "
        "answering blue is right on 33.3 %.",
    ]
    assert audit_as_text(audit_of(manifest, no_network="Too few.")).endswith("classes.\n\nToo few.")


def test_audit_as_text__of_photos_with_several_labels(scenes, doubts):
    network = LabelsNetwork(
        backbone="mobilenet_v2", computed=42, stored=0, exact_match=0.75, interval=None, num_photos=40, folds=5,
        strengths={"red": 0.1}, not_asked=("warm",), commonest="red;warm", share_of_commonest=0.3,
    )  # fmt: skip
    text = audit_as_text(audit_of(scenes, doubts, network=network))
    assert text.startswith("1 error, 2 warnings and 4 notes in 42 photos with 4 labels.")
    assert "    red/red 00.jpg (red (unknown: warm)): unknown: 'warm'; by its look 93 % probable" in text
    assert text.endswith(
        "Out of fold every label of 75.0 % of 40 photos is answered as given (5 folds, mobilenet_v2); always answering "
        "red, warm is right on 30.0 %."
    )

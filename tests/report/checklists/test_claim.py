from budwood.report.checklists.claim import CLAIM


def test_claim__is_numbered_through():
    numbers = [item.number for section in CLAIM.sections for item in section.items]
    assert numbers == [str(number) for number in range(1, 45)]


def test_claim__sections_begin_where_the_published_ones_do():
    first = {section.title: section.items[0].number for section in CLAIM.sections}
    assert first["Methods: data"] == "7" and first["Methods: reference standard"] == "14"
    assert first["Methods: data partitions"] == "19" and first["Methods: testing data"] == "21"
    assert first["Methods: model"] == "22" and first["Methods: evaluation"] == "28"
    assert (
        first["Results: data"] == "35" and first["Discussion"] == "40" and first["Other information"] == "42"
    )

import errno
import os

import pytest

from budwood.core.errors import DataError
from budwood.data.sources.unpacked import unpacked_file


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "packed"
    file.write_bytes(b"one")
    return file


def unpack_of(source, calls):
    def unpack(place):
        calls.append(place)
        place.write_bytes(source.read_bytes() * 2)

    return unpack


def test_unpacked_file__once_as_long_as_its_source_is_the_same(source, own_cache):
    calls = []
    place = unpacked_file(str(source), ".x", unpack_of(source, calls))
    assert place == unpacked_file(str(source), ".x", unpack_of(source, calls))
    assert (place.read_bytes(), place.suffix, len(calls)) == (b"oneone", ".x", 1)
    assert own_cache in place.parents
    os.utime(source, ns=(1, 1))
    assert unpacked_file(str(source), ".x", unpack_of(source, calls)) != place
    source.write_bytes(b"longer")
    os.utime(source, ns=(1, 1))
    assert unpacked_file(str(source), ".x", unpack_of(source, calls)).read_bytes() == b"longerlonger"
    assert len(calls) == 3


def test_unpacked_file__several_things_of_one_source_stay_apart(source):
    places = {unpacked_file(str(source), end, unpack_of(source, []), what) for end in "ab" for what in "xy"}
    assert len(places) == 4


def test_unpacked_file__names_that_are_no_unicode(tmp_path):
    source = tmp_path / os.fsdecode(b"packed\xff")
    source.write_bytes(b"x")
    assert unpacked_file(str(source), ".x", unpack_of(source, [])).read_bytes() == b"xx"


def test_unpacked_file__what_failed_leaves_nothing_and_is_tried_again(source, own_cache):
    def fail(place):
        place.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match=r"cannot unpack .*packed .*\(No space left on device\)\. Make room"):
        unpacked_file(str(source), ".x", fail)
    assert [one for one in (own_cache / "data").iterdir() if one.suffix != ".lock"] == []
    assert unpacked_file(str(source), ".x", unpack_of(source, [])).read_bytes() == b"oneone"


def test_unpacked_file__damage_in_the_source_is_none_of_the_disk(source):
    def fail(place):
        raise OSError("not a gzipped file")

    with pytest.raises(OSError, match="not a gzipped file"):
        unpacked_file(str(source), ".x", fail)

from budwood.data.places import find_place, keep_place


def test_find_place__where_the_photos_were_when_they_were_last_trained_on(own_cache):
    assert find_place("a" * 64) is None
    keep_place("a" * 64, "/photos/Käfer\n")
    keep_place("b" * 64, "tfds:flowers")
    assert (find_place("a" * 64), find_place("b" * 64)) == ("/photos/Käfer\n", "tfds:flowers")
    keep_place("a" * 64, "elsewhere")
    assert find_place("a" * 64) == "elsewhere"
    assert own_cache in next(own_cache.rglob("a*.txt")).parents


def test_keep_place__does_without_where_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BUDWOOD_CACHE", str(tmp_path / "file"))
    keep_place("a" * 64, "photos")
    assert find_place("a" * 64) is None


def test_keep_place__a_name_that_is_no_unicode():
    keep_place("a" * 64, "photos\udcff")
    assert find_place("a" * 64) is None

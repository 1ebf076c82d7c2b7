from budwood.training.probe_size import linear_fits, probe_place, sample_size


def test_linear_fits__memory_and_work():
    assert linear_fits(2**28 // 1000, 1000, 2)
    assert not linear_fits(2**28 // 1000 + 1, 1000, 2)
    assert not linear_fits(58_000, 1280, 400)
    assert linear_fits(3000, 1280, 1000)
    assert not linear_fits(10_000, 2000, 10_000)


def test_probe_place__shards_take_what_memory_does_not():
    assert probe_place(2**28 // 1000, 1000, 2) == "memory"
    assert probe_place(2**28 // 1000 + 1, 1000, 2) == "shards"
    assert probe_place(1_000_000, 1280, 100) == "shards"
    assert probe_place(2_000_000, 1280, 1000) is None
    assert probe_place(10_000, 2000, 10_000) is None


def test_sample_size__is_solved_in_memory():
    for sizes in ((300_000, 1000, 2), (1_000_000, 1280, 100), (1_200_000, 1280, 1000), (80_000, 4096, 20)):
        assert probe_place(*sizes) == "shards"
        size = sample_size(*sizes)
        assert linear_fits(size, *sizes[1:])
        assert size == 100_000 or not linear_fits(size + 1, *sizes[1:])

import pytest

from budwood.core.cgroups import control_groups, cpu_quota, memory_limit

SECOND, CPU = [("", "/")], [("cpu", "/", "cpu")]
THREE = {"cpu__cpu_cfs_quota_us": "300000", "cpu__cpu_cfs_period_us": "100000"}


@pytest.mark.parametrize(
    ("membership", "mounts", "files", "quota"),
    [
        ("0::/\n", SECOND, {"cpu_max": "200000 100000\n"}, 2.0),
        ("0::/\n", SECOND, {"cpu_max": "max 100000\n"}, None),
        ("0::/\n", SECOND, {}, None),
        ("0::/\n", SECOND, {"cpu_max": "nonsense"}, None),
        ("0::/a/b\n", SECOND, {"a__b__cpu_max": "max 100000", "a__cpu_max": "150000 100000"}, 1.5),
        ("0::/a\n", SECOND, {"a__cpu_max": "400000 100000", "cpu_max": "100000 100000"}, 1.0),
        ("2:cpu:/\n0::/\n", CPU, THREE, 3.0),
        ("2:cpu:/\n", CPU, {**THREE, "cpu__cpu_cfs_quota_us": "-1"}, None),
        ("3:memory:/\n", CPU, THREE, None),
        # Both controllers in one hierarchy, mounted by another name than theirs.
        ("2:cpuacct,cpu:/a\n", [("my place", "/", "cpu,cpuacct")], {}, None),
        # A container of version 1 sees the host's path, and its own group alone.
        ("2:cpu:/docker/f00\n", [("cpu", "/docker/f00", "cpu")], THREE, 3.0),
        (
            "2:cpu:/docker/f00/inner\n",
            [("cpu", "/docker/f00", "cpu")],
            {**THREE, "cpu__inner__cpu_cfs_quota_us": "50000", "cpu__inner__cpu_cfs_period_us": "100000"},
            0.5,
        ),
        # A group outside of what is mounted: what is seen holds all the same.
        ("0::/../other\n", SECOND, {"cpu_max": "200000 100000"}, 2.0),
        ("2:cpu:/elsewhere\n", [("cpu", "/docker/f00", "cpu")], THREE, 3.0),
        # Version 1 for the processor, version 2 mounted beside it.
        ("2:cpu:/\n0::/\n", [*CPU, ("unified", "/")], {**THREE, "unified__cpu_max": "max 100000"}, 3.0),
        ("nonsense\n", SECOND, {"cpu_max": "200000 100000"}, None),
    ],
)
def test_cpu_quota(process, membership, mounts, files, quota):
    assert cpu_quota(process(membership, mounts, **files)) == quota


def test_control_groups__a_place_with_a_space_in_its_name(process, tmp_path):
    found = control_groups("cpu", process("2:cpuacct,cpu:/a\n", [("my place", "/", "cpu,cpuacct")]))
    assert found == [tmp_path / "fs" / "my place" / "a", tmp_path / "fs" / "my place"]


def test_cpu_quota__elsewhere_than_on_linux(tmp_path):
    assert cpu_quota(tmp_path / "none") is None and memory_limit(tmp_path / "none") is None


def test_memory_limit(process):
    files = {"memory__a__memory.limit_in_bytes": "500", "memory__memory.limit_in_bytes": "1000"}
    assert memory_limit(process("4:memory:/a\n", [("memory", "/", "memory")], **files)) == 500

import pytest


@pytest.fixture
def process(tmp_path):
    """Writes the files of control groups, and what /proc tells of a process and of where they are mounted."""

    def write(membership, mounts, **files):
        """Of a mount are given the name of its folder, the group that it shows, and for version 1 its controllers."""
        for name, content in files.items():
            file = tmp_path / "fs" / name.replace("__", "/").replace("_max", ".max").replace("_cfs", ".cfs")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        lines = ["31 23 0:28 / / rw - overlay overlay rw", "nonsense"]
        for folder, root, *controllers in mounts:
            kind = f"cgroup cgroup rw,{controllers[0]}" if controllers else "cgroup2 cgroup2 rw,nsdelegate"
            place = str(tmp_path / "fs" / folder).replace(" ", "\\040")
            lines.append(f"32 31 0:29 {root} {place} rw,relatime shared:9 - {kind}")
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc" / "mountinfo").write_text("\n".join(lines))
        (tmp_path / "proc" / "cgroup").write_text(membership)
        return tmp_path / "proc"

    return write

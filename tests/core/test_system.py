import os

from budwood.core import system
from budwood.core.system import machine, num_cores


def test_machine__within_the_limit_of_a_container(process, tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nmodel name\t: Fast CPU @ 3 GHz\nmodel name\t: another\n")
    here = process("0::/a\n", [("", "/")], a__memory_max="1000000", memory_max="max")
    found = machine(info, here)
    assert (found.processor, found.memory, found.cores) == ("Fast CPU @ 3 GHz", 1_000_000, num_cores())
    assert os.uname().sysname in found.system and os.uname().nodename not in found.system
    (here / "cgroup").write_text("0::/\n")
    unlimited = machine(info, here)
    assert unlimited.memory is not None and unlimited.memory > 1_000_000


def test_machine__elsewhere_than_on_linux(tmp_path, monkeypatch):
    monkeypatch.setattr(system.platform, "processor", lambda: "")
    monkeypatch.setattr(system.platform, "machine", lambda: "arm64")
    monkeypatch.delattr(os, "sysconf")
    found = machine(tmp_path / "none", tmp_path)
    assert (found.processor, found.memory) == ("arm64", None)

"""Help and version of the application."""

import re
import subprocess
import sys

import pytest

import budwood
from budwood.cli.options import refuse_bad_sheet, refuse_pictures_in
from budwood.core.errors import BudwoodError

# In the order of `budwood --help`.
COMMANDS = [
    "train",
    "features",
    "study",
    "predict",
    "explain",
    "evaluate",
    "compare",
    "forecast",
    "report",
    "mlflow",
    "card",
    "export",
    "serve",
    "check",
    "manifest",
    "augment",
    "sample",
    "audit",
    "backbones",
    "recipes",
    "doctor",
    "cache",
]


def test_help__names_every_command(call):
    status, out, err = call("--help")
    assert status == 0 and not err
    commands = out[out.index("Commands:") :]
    assert re.findall(r"^  (\w+) ", commands, re.MULTILINE) == COMMANDS
    assert call() == (0, out, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help__of_each_command(call, command):
    status, out, err = call(command, "--help")
    assert status == 0 and f"budwood {command}" in out and not err


def test_help__loads_nothing_heavy():
    code = (
        "import sys\nfrom budwood import cli\nsys.argv = ['budwood', '--help']\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'scipy', 'sklearn', 'PIL', 'pydantic', 'matplotlib', 'openvino'}\n"
        "heavy |= {'obstore'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]" and "Usage: budwood" in done.stdout


def test_version(call):
    assert call("--version") == (0, f"budwood {budwood.__version__}\n", "")


def test_refuse_bad_sheet__no_picture_among_the_photos(tmp_path):
    (tmp_path / "photos" / "cats").mkdir(parents=True)
    data = str(tmp_path / "photos")
    refuse_bad_sheet(tmp_path / "sheet.png", [data, "-", "tfds:digits"])
    for place in (tmp_path / "photos" / "sheet.png", tmp_path / "photos" / "cats" / "sheet.png"):
        with pytest.raises(BudwoodError, match="would be one of its photos"):
            refuse_bad_sheet(place, [data])
    with pytest.raises(BudwoodError, match="would be one of its photos"):
        refuse_pictures_in(tmp_path / "photos", [data])

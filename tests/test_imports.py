"""What an import loads."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path


def test_import__loads_no_tensorflow():
    heavy = {"tensorflow", "keras", "sklearn", "numpy"}
    code = f"import sys, budwood, budwood.cli; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_public_names__load_tensorflow_without_a_word_of_it():
    code = "import budwood, sys; budwood.train; assert 'tensorflow' in sys.modules"
    own = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=own)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_public_names__load_without_standard_error():
    code = "import os; os.close(2); import budwood; budwood.train"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_layers__have_no_exceptions():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    assert {contract["type"] for contract in contracts} == {"layers", "acyclic_siblings"}
    assert not any("ignore_imports" in contract for contract in contracts)

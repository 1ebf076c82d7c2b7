"""What an import loads."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import budwood


def test_import__loads_no_tensorflow():
    heavy = {"tensorflow", "keras", "sklearn", "numpy"}
    code = f"import sys, budwood, budwood.cli; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def run(code):
    """Run code where nobody has set how talkative TensorFlow is."""
    own = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=own)


def test_refusals__come_before_tensorflow_is_loaded(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    code = f"""
import sys
import budwood

for name in budwood.__all__:
    getattr(budwood, name)
folder = {str(tmp_path)!r}
train, study = budwood.train, lambda data, **options: budwood.study(data, folder + "/s", recipes=["quick"], **options)
for ask in (
    lambda: train("photos", settings=["backbone.name=mobilnet_v2"]),
    lambda: train("photos", recipe="qick"),
    lambda: train("nowhere", folder + "/run"),
    lambda: train(folder, folder),
    lambda: study("photos", settings=["backbone.name=mobilnet_v2"]),
    lambda: study("nowhere"),
    lambda: budwood.TransferClassifier("mobilnet_v2").fit([b"", b""], ["a", "b"]),
):
    try:
        ask()
    except budwood.BudwoodError as error:
        print(str(error).split()[0])
assert not {{"tensorflow", "keras"}} & set(sys.modules)
"""
    result = run(code)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.split()) == 7


def test_what_needs_tensorflow__loads_it_without_a_word_of_it(tmp_path):
    code = """
import budwood.estimator as module

module._frozen_features(module.TransferClassifier(weights="random", size=32)._network())
"""
    result = run(code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_load_keras__without_standard_error():
    code = "import os; os.close(2); from budwood.core.tensorflow import load_keras; load_keras()"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_layers__have_no_exceptions():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    assert project["tool"]["importlinter"]["exclude_type_checking_imports"] is False
    assert {contract["type"] for contract in contracts} == {"layers", "acyclic_siblings"}
    assert not any("ignore_imports" in contract for contract in contracts)


def test_public_names__are_the_same_wherever_they_stand():
    tree = ast.parse(Path(budwood.__file__).read_text("utf-8"))
    guarded = next(
        node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    typed = {alias.name: node.module for node in guarded.body for alias in node.names}
    assert typed == budwood._HOMES
    assert set(budwood.__all__) == {"__version__", *typed}

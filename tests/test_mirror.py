"""Each module of the package has a test file of its own name in the same place below tests/."""

from pathlib import Path

import budwood

SOURCE, TESTS = Path(budwood.__file__).parent, Path(__file__).parent
WITHOUT = {
    "_version.py": "a number",
    "backbones/seeds.py": "one line of arithmetic, asked for by test_keras_graphs.py",
    "cli/explain.py": "inference/test_explain.py asks the command too",
    "cli/commands.py": "the order of the commands; docs/test_commands.py asks for each",
    "config/section.py": "types without code; tests/config asks for what they refuse",
    "core/notes.py": "a table of kinds",
    **{
        f"exporting/formats/{name}.py": "exporting/test_export.py writes and runs each format"
        for name in ("keras_file", "litert_file", "openvino_ir", "saved_model")
    },
    **{
        f"exporting/formats/{name}_int8.py": "exporting/formats/test_quantizers.py asks for what all of them must do"
        for name in ("litert", "nncf", "onnx", "openvino")
    },
    "report/headline.py": "fields without code; the golden texts of the pages show them",
    "runs/epochs.py": "needs trained models: pipeline/test_finetune.py and test_several_backbones.py ask for each kind",
    "studies/beginning.py": "test_study.py begins studies, goes on with them, and is refused where photos changed",
    "studies/figure.py": "two names; the pages and texts of studies show them",
    "studies/outcomes.py": "values; test_results.py and test_comparison.py ask for them",
    "studies/estimate.py": "one function, with its examples beside it",
}
"""Modules that have none, and why."""


def without_tests(source: Path, tests: Path) -> set[str]:
    """The modules below a folder that have no test file in the mirrored place."""
    modules = [file.relative_to(source) for file in source.rglob("*.py") if not file.name.startswith("__")]
    return {
        module.as_posix()
        for module in modules
        if not (tests / module.parent / f"test_{module.name.lstrip('_')}").is_file()
    }


def test_mirror__every_module_has_its_tests_or_a_reason():
    assert without_tests(SOURCE, TESTS) == WITHOUT.keys()


def test_without_tests__finds_a_module_that_came_without(tmp_path):
    for name in (
        "a/one.py",
        "a/_two.py",
        "a/__init__.py",
        "three.py",
        "tests/a/test_one.py",
        "tests/test_two.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert without_tests(tmp_path / "a", tmp_path / "tests" / "a") == {"_two.py"}
    (tmp_path / "tests" / "a" / "test_two.py").write_text("")
    assert without_tests(tmp_path / "a", tmp_path / "tests" / "a") == set()

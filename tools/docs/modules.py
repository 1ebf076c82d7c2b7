"""Every module with its docstrings: pages of directives that mkdocstrings fills from the code, one a package."""

import ast
from pathlib import Path

import budwood

SOURCE = Path(budwood.__file__).parent
FOLDER = "development/modules"
INTRO = """# Modules

For who changes Budwood: every module with its docstrings. [Architecture](../architecture.md) says what each package is
for and which may import which.

| package | |
|---|---|
"""
PACKAGES = {
    "backbones": "Pretrained networks: what each says of itself, the registry, the families, their weights.",
    "cli": "The commands: each reads its arguments, calls one function, prints.",
    "auditing": "What is odd in a data set: findings, decisions about them, the page.",
    "cluster": "More than one machine: joining a Ray cluster, and what its nodes do.",
    "config": "Recipes: the schema, loading, settings without effect, and the recipes that ship.",
    "core": "Errors, files, text, the machine, progress: what every package may use.",
    "data": "Pictures: sources, the check, the split, the one decoder, augmentation.",
    "evaluation": "Metrics, intervals and tests, calibration, selective prediction, out-of-distribution scores.",
    "exporting": "A model in other formats: written, checked in the runtime of each, handed on with its contract.",
    "features": "Feature extractors, the engines that run them, and the feature store.",
    "inference": "A model in use: what it says of a picture, and why.",
    "integrations": "Other programs' formats: MLflow.",
    "network": "Keras graphs: cutting, heads, joining, unfreezing.",
    "page": "The page that shows what a model says of pictures, in a browser: its files, for exports and servers.",
    "pipeline": "One training, from the recipe to the run directory.",
    "serving": "A server: routes, limits, models that are replaced while it answers.",
    "report": "`report.html`, the model card, contact sheets of pictures, and words for all of them.",
    "runs": "The run directory: its one format, reader and writer, and comparisons of runs.",
    "studies": "Many trainings, one process each, searches, and what they come to.",
    "storage": "Object storage: places by their addresses, credentials, get and put with retries, faults in words.",
    "training": "The linear probe, the loop of gradient steps, and all that they need.",
}


def module_pages() -> dict[str, str]:
    """Return a page for every package or loose module, and one that lists them, by path in the site."""
    pages, index = {}, INTRO
    for package, modules in modules_by_package().items():
        title = f"budwood.{package}"
        pages[f"{FOLDER}/{package}.md"] = "\n".join([f"# {title}", "", *map(_directive, modules)])
        index += f"| [`{title}`]({package}.md) | {PACKAGES.get(package) or _summary(package)} |\n"
    return pages | {f"{FOLDER}/index.md": index}


def modules_by_package() -> dict[str, list[str]]:
    """Return the modules of every package, and each loose module by itself."""
    found: dict[str, list[str]] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        parts = file.relative_to(SOURCE).with_suffix("").parts
        if file.stat().st_size and parts[0] != "__init__":
            name = ".".join(("budwood", *parts)).removesuffix(".__init__")
            found.setdefault(parts[0], []).append(name)
    return found


def _directive(name: str) -> str:
    return f"::: {name}\n    options:\n      heading_level: 2\n"


def _summary(module: str) -> str:
    file = SOURCE / f"{module}.py"
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) if file.is_file() else ""
    return (text or "").partition("\n\n")[0].replace("\n", " ").replace("|", r"\|")

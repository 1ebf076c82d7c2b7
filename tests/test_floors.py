"""Imports point down the list of floors, never up."""

import ast
import subprocess
import sys
from pathlib import Path

import budwood

HOUSE = Path(budwood.__file__).parent
FLOORS = [
    {"__init__", "errors", "cache", "progress", "live", "files"},
    {"recipe", "remarks"},
    {"data"},
    {"backbones"},
    {"features"},
    {"training", "evaluation"},
    {"model", "rundir", "records", "report", "outcome", "prediction", "explanation"},
    {"run"},
    {"teacher"},
    {"work"},
    {"pipeline", "estimator", "compare"},
    {"plan", "doctor", "show", "terminal", "studies", "tracking"},
    {"cli"},
]


def floor_of(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def imports_of(file: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names]
                if node.module == "budwood"
                else [node.module]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("budwood.")}
    return rooms & {room for rooms_ in FLOORS for room in rooms_}


def room_of(file: Path) -> str:
    parts = file.relative_to(HOUSE).parts
    return parts[0].removesuffix(".py")


def test_floors__imports_point_down():
    files = [file for file in HOUSE.rglob("*.py") if file.name != "__init__.py" or file.parent != HOUSE]
    assert len(files) > 20
    wrong = [
        f"{file.relative_to(HOUSE)} imports {room}"
        for file in files
        for room in imports_of(file)
        if room != room_of(file) and floor_of(room) > floor_of(room_of(file))
    ]
    assert wrong == []


def test_floors__every_room_has_one():
    rooms = {room_of(file) for file in HOUSE.rglob("*.py")}
    assert rooms - {room for floor in FLOORS for room in floor} == set()


def test_import__loads_no_tensorflow():
    heavy = {"tensorflow", "keras", "sklearn", "numpy"}
    code = f"import sys, budwood, budwood.cli; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"

"""The page of the run directory names every key of its files."""

import dataclasses
import re
from collections.abc import Iterator
from typing import get_args

import pytest
from pydantic import BaseModel

from budwood.inference.model_info import ModelInfo
from budwood.runs.figures import LinearPath, Metrics
from budwood.runs.schema import CheckReport, EpochRow, ListedLayer, PredictionRow, RunInfo, SplitRow
from tests.docs.blocks import ROOT


def keys_of(kind: type) -> Iterator[str]:
    """The keys of a file's type and of the objects in it."""
    if dataclasses.is_dataclass(kind):
        yield from (field.name for field in dataclasses.fields(kind))
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            yield field.alias or name
            yield from keys_of(field.annotation)
    elif hasattr(kind, "__total__"):
        yield from kind.__annotations__
    else:
        for part in get_args(kind):
            yield from keys_of(part)


@pytest.mark.parametrize(
    "kind",
    [RunInfo, CheckReport, Metrics, LinearPath, ModelInfo, SplitRow, EpochRow, PredictionRow, ListedLayer],
)
def test_run_directory__page_names_every_key(kind):
    page = (ROOT / "docs" / "reference" / "run-directory.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`\n]+)`", page))
    keys = {key.removesuffix("_ci95") for key in keys_of(kind)}
    assert keys - named == set(), "docs/reference/run-directory.md lacks keys"


def test_keys_of__goes_into_what_a_file_holds():
    assert {"per_class", "class", "reliability", "unfrozen_layers"} <= set(keys_of(Metrics))
    assert {"seconds", "root_name", "from"} <= set(keys_of(RunInfo))

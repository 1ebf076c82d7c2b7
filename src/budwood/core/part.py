"""What every object of a JSON file of a run is."""

from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_serializer

from budwood.core.files import JsonObject


class Part(BaseModel):
    """One object of a file: its keys are known, and it never changes."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, from_attributes=True, protected_namespaces=()
    )
    left_out: ClassVar[frozenset[str]] = frozenset()
    """Keys that are not written where they have nothing to say."""

    @model_serializer(mode="wrap")
    def _without_empty(self, handler: Callable[[Any], JsonObject]) -> JsonObject:
        return {key: value for key, value in handler(self).items() if key not in self.left_out or value}

    def to_json(self) -> JsonObject:
        """Return the object as it stands in its file."""
        return self.model_dump(mode="json", by_alias=True)

"""What may stand in the address of a request. A name that is not known is refused, lest a wish have no effect."""

from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from budwood.core.files import JsonObject
from budwood.inference.rules import Asked
from budwood.serving.errors import RequestError

Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Query(BaseModel):
    """Base of all queries."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Q = TypeVar("Q", bound=Query)


class PredictQuery(Query):
    """The options of POST /v1/predict."""

    model: Name | None = Field(None, description="By default the first model.")
    top: int = Field(5, ge=1, le=10_000, description="Classes in `top`.")
    precision: Share | None = Field(
        None, description="Share of right answers that is wanted; what is less sure is not `confident`."
    )
    coverage: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = Field(
        None, description="How often `prediction_set` is to hold the true class."
    )
    acceptance: Share | None = Field(
        None, description="Share of photos of the classes that are accepted as such; by default 0.98."
    )

    @property
    def asked(self) -> Asked:
        """What is asked of the predictions."""
        return Asked(self.precision, self.acceptance, self.coverage)


class ExplainQuery(Query):
    """The options of POST /v1/explain."""

    model: Name | None = Field(None, description="By default the first model.")
    target: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(
        None, description="A class; by default the most probable."
    )


def read_query(request: Request, kind: type[Q]) -> Q:
    """Read the query of a request. Raise RequestError for what is not known, out of range or given twice."""
    given = request.query_params.multi_items()
    found = dict(given)
    if len(found) < len(given):
        raise RequestError("bad_request", "an option is given twice in the address. Give each once")
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        raise RequestError("bad_request", in_words(error.errors()[0], kind)) from None


def parameters_of(kind: type[Query]) -> list[JsonObject]:
    """Return a query as an OpenAPI description has it."""
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": {key: value for key, value in one.items() if key != "description"},
            "description": one.get("description", ""),
        }
        for name, one in kind.model_json_schema()["properties"].items()
    ]


def in_words(detail: Any, query: type[BaseModel] | None = None) -> str:
    """Return which option is wrong, without what was given."""
    if detail["type"] == "extra_forbidden" and query is not None:
        return f"the address has an option that is not known. There are: {', '.join(query.model_fields)}"
    message = detail["msg"]
    place = detail["loc"][0] if detail["loc"] else "request"
    return f"{place}: {message[:1].lower()}{message[1:]}"

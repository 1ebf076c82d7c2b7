"""/docs: the OpenAPI description as a plain page, which asks nothing of other servers and runs no script."""

from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Response

INTRO = (
    "Answers what pictures show. `POST /v1/predict` takes the bytes of a picture; below /v2 is the Open Inference "
    "protocol."
)
_STYLE = """:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem; font-size: 1.1rem } code, pre { font-family: ui-monospace, monospace; font-size: 0.9em }
table { border-collapse: collapse } td, th { text-align: left; vertical-align: top; padding: 0.15rem 1rem 0.15rem 0 }
"""


def router(app: FastAPI) -> APIRouter:
    """Return the routes of the description."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/docs")
    async def docs() -> Response:
        return Response(as_page(app.openapi()), media_type="text/html; charset=utf-8")

    @routes.get("/docs/style.css")
    async def style() -> Response:
        return Response(_STYLE, media_type="text/css")

    return routes


def as_page(openapi: dict[str, Any]) -> str:
    """Return an OpenAPI description as HTML."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Budwood: requests</title>'
        '<link rel="stylesheet" href="docs/style.css"></head><body><main><h1>Requests that this server answers</h1>',
        f"<p>{_text(openapi['info'].get('description', ''))}. The same for programs: "
        '<a href="openapi.json">openapi.json</a> (OpenAPI).</p>',
    ]
    for path, methods in openapi["paths"].items():
        for method, one in methods.items():
            parts.append(
                f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{_text(one['summary'])}.</p>"
            )
            parts += _parameters(one.get("parameters", []))
            if body := one.get("requestBody"):
                kinds = ", ".join(f"<code>{escape(kind)}</code>" for kind in body["content"])
                parts.append(f"<p>Body: {_text(body.get('description', ''))} {kinds}</p>")
            parts += _answers(one["responses"])
    parts.append("<h1>What the answers hold</h1>")
    for name, schema in openapi["components"]["schemas"].items():
        parts.append(f'<h2 id="{escape(name)}"><code>{escape(name)}</code></h2>')
        parts.append(f"<p>{_text(schema.get('description', ''))}</p><table>")
        for key, value in schema.get("properties", {}).items():
            parts.append(f"<tr><td><code>{escape(key)}</code><td>{_kind(value)}")
        parts.append("</table>")
    return "".join([*parts, "</main></body></html>"])


def _parameters(parameters: list[dict[str, Any]]) -> list[str]:
    rows = [
        f"<tr><td><code>{escape(one['name'])}</code><td>{escape(one['in'])}"
        f"<td>{_kind(one['schema'])}<td>{_text(one.get('description', ''))}"
        for one in parameters
    ]
    return ["<table><tr><th>parameter<th>in<th>kind<th>", *rows, "</table>"] if rows else []


def _answers(responses: dict[str, Any]) -> list[str]:
    by_kind: dict[str, list[str]] = {}
    for status, one in responses.items():
        schemas = [content.get("schema", {}) for content in one.get("content", {}).values()]
        by_kind.setdefault(" ".join(map(_kind, schemas)), []).append(escape(status))
    found = [f"{', '.join(statuses)} {kind}".strip() for kind, statuses in by_kind.items()]
    return [f"<p>Answers: {'; '.join(found)}</p>"]


def _kind(schema: dict[str, Any]) -> str:
    if reference := schema.get("$ref"):
        name = escape(reference.rpartition("/")[2])
        return f'<a href="#{name}"><code>{name}</code></a>'
    if some := schema.get("anyOf"):
        return " or ".join(map(_kind, some))
    if "const" in schema or "enum" in schema:
        return " or ".join(escape(repr(one)) for one in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"array of {_kind(schema.get('items', {}))}"
    least, most = schema.get("minimum"), schema.get("maximum")
    bounds = f" {least:g} to {most:g}" if least is not None and most is not None else ""
    return escape(schema.get("type", "anything")) + bounds


def _text(text: str) -> str:
    pieces = escape(text.rstrip(".")).split("`")
    return "".join(f"<code>{one}</code>" if place % 2 else one for place, one in enumerate(pieces))

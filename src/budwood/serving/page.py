"""The page at /, and the reports of the runs where training photos may be shown."""

import mimetypes
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from budwood.page.files import INDEX, page_files
from budwood.serving.errors import RequestError
from budwood.serving.model import ServedModel
from budwood.serving.state import Server

_REPORT = "report.html"
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts"
)
"""The content policy of a report, which has all in one file. Its own policy names its one script by a hash."""


def report_of(server: Server, model: ServedModel) -> str | None:
    """Return the address of a run's report, relative to the page; None where it is not shown or not there.

    It has training photos. Behind a key it is not shown: a browser that follows a link gives none.
    """
    shown = server.show_training_photos and server.access.key is None
    return f"report/{quote(model.name, safe='')}" if shown and _file(model).is_file() else None


def router(server: Server) -> APIRouter:
    """Return the routes of the page."""
    routes = APIRouter(include_in_schema=False)
    files = page_files("server")

    def add(name: str, content: bytes) -> None:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        # A registry of the system may call scripts plain text, which no browser runs.
        kind = "text/javascript" if name.endswith(".js") else kind

        @routes.get("/" if name == INDEX else f"/{name}")
        async def file() -> Response:
            return Response(content, media_type=f"{kind}; charset=utf-8")

    for name, content in files.items():
        add(name, content)

    @routes.get("/report/{name}")
    async def report(name: str, request: Request) -> Response:
        model = next((one for one in server.models if one.name == name), None)
        if model is None or report_of(server, model) is None:
            raise RequestError("not_found", "there is no report of this name, or the server does not show it")
        content = await server.engine.run(_file(model).read_bytes)
        return Response(
            content,
            media_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": _POLICY},
        )

    return routes


def _file(model: ServedModel) -> Path:
    return model.folder / _REPORT

"""The command that answers over HTTP."""

import math
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from budwood.cli.options import Quiet, app
from budwood.core.errors import BudwoodError
from budwood.core.text import shown

MEGAPIXELS = 50


@app.command()
def serve(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Directories of complete runs; NAME=RUN where requests are to name one by another name than its "
            "folder's. The first answers where a request names none.",
        ),
    ],
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 for whoever can reach this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8000,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file with a key that every request has to give; or in the environment variable BUDWOOD_API_KEY.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="N", help="Requests a second that one client may send.", show_default=False),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name under which the server is addressed, such as behind a proxy; may be given again. Beyond "
            "loopback any, unless one is given.",
        ),
    ] = None,
    max_upload: Annotated[
        float, typer.Option(metavar="MB", min=0.001, help="Largest body of a request, in megabytes.")
    ] = 20.0,
    max_pixels: Annotated[
        float | None,
        typer.Option(
            metavar="MP",
            min=0.001,
            help="Largest picture, in millions of pixels; a JPEG may have four times as many. [default: 50, or what "
            "BUDWOOD_MAX_PIXELS says]",
            show_default=False,
        ),
    ] = None,
    max_batch: Annotated[int, typer.Option(metavar="N", min=1, help="Most pictures of a request.")] = 32,
    max_waiting: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Most pictures that are answered or wait; beyond them requests are sent away with 503. [default: 32 "
            "for each core]",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="Within which a request is answered.")
    ] = 30.0,
    show_training_photos: Annotated[
        bool | None,
        typer.Option(
            "--show-training-photos/--hide-training-photos",
            help="Show small training photos that a picture resembles, which are somebody's photos. [default: on "
            "loopback alone]",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Answer what pictures show, over HTTP: a page at /, requests at /docs.

    SIGTERM and Ctrl-C end it once what was accepted is answered.
    """
    from budwood.serving.serve import address_of, bind, is_loopback, refuse_missing_packages, serve

    refuse_missing_packages()
    key = _key(api_key_file)
    if rate is not None and not 0 < rate < float("inf"):
        raise BudwoodError(f"a rate of {rate:g} is none. Give a number above 0, such as --rate 10")
    for option, bound_of in (
        ("--max-upload", max_upload),
        ("--max-pixels", max_pixels),
        ("--timeout", timeout),
    ):
        if bound_of == math.inf:
            raise BudwoodError(f"{option} {bound_of:g} is no bound. Give a number")
    if max_pixels is not None or "BUDWOOD_MAX_PIXELS" not in os.environ:
        # Where the decoder looks for it.
        os.environ["BUDWOOD_MAX_PIXELS"] = str(round(1_000_000 * (max_pixels or MEGAPIXELS)))
    with bind(host, port) as bound:
        from budwood.serving.limits import MEGABYTE, Limits
        from budwood.serving.models import Models, in_one_line, named_runs
        from budwood.serving.safety import LOOPBACK, Access
        from budwood.serving.state import Server

        def say(line: str) -> None:
            if not quiet:
                print(f"budwood: {shown(line)}", file=sys.stderr, flush=True)

        loopback = is_loopback(bound)
        models = Models(named_runs(runs), say)
        limits = Limits(
            upload=int(max_upload * MEGABYTE),
            batch=max_batch,
            seconds=timeout,
            rate=rate,
            **({} if max_waiting is None else {"waiting": max_waiting}),
        )
        hosts = [*LOOPBACK, host, *(allow_host or ())] if loopback or allow_host else ()
        server = Server(
            models,
            limits,
            Access(key, hosts, allow_host or ()),
            show_training_photos=loopback if show_training_photos is None else show_training_photos,
        )

        def ready() -> None:
            for model in models:
                say(in_one_line(model))
            if not loopback and key is None:
                say("whoever reaches this machine may ask: no key is set (--api-key-file)")
            say(f"ready: {address_of(bound)}")

        serve(server, bound, ready)


def _key(file: Path | None) -> str | None:
    """Return the key that requests have to give; None where none is asked for."""
    if file is None:
        given = os.environ.get("BUDWOOD_API_KEY")
        source = "the environment variable BUDWOOD_API_KEY"
    else:
        try:
            given, source = file.read_text(encoding="utf-8"), str(file)
        except (OSError, UnicodeDecodeError) as error:
            words = getattr(error, "strerror", None) or "it is no text"
            raise BudwoodError(f"cannot read the key in {file}: {words}") from error
    if given is None:
        return None
    key = given.strip()
    if len(key) < 16 or not key.isascii() or not key.isprintable():
        raise BudwoodError(f"the key in {source} is too easy to guess. Give at least 16 letters and digits")
    return key

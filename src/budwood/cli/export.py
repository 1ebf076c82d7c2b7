"""The command that writes a trained model in another format."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from budwood.cli.options import AsJson, Quiet, RunFolder, app, print_json, progress_of
from budwood.core.text import count, percent, shown


@app.command()
def export(
    run: RunFolder,
    format: Annotated[
        str,
        typer.Option("--format", "-f", metavar="openvino|onnx|litert|saved_model|keras|web", help="As what."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where to; a folder that is not there.")
    ],
    quantize: Annotated[
        str | None,
        typer.Option(
            metavar="float16|int8",
            help="With fewer bits: smaller, and int8 faster, for at most half a point of right answers.",
            show_default=False,
        ),
    ] = None,
    server: Annotated[
        bool,
        typer.Option(
            "--server",
            help="In the layout of OpenVINO Model Server and Triton, with their configuration (openvino, onnx).",
        ),
    ] = False,
    photos: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="The photos of the run, to check the export on. [default: where they were in the training]",
            show_default=False,
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|FILE|URL|npm",
            help="For web: the npm package onnxruntime-web, unpacked, its archive, an address of it, or npm to have it "
            "fetched. [default: what an earlier export left in the cache]",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export there.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the model of a run in another format, checked in its own runtime on the run's test photos."""
    from budwood.run import load

    found = load(run).export(
        format,
        output,
        quantize=quantize,
        server=server,
        data=photos,
        runtime=runtime,
        overwrite=overwrite,
        progress=progress_of(quiet, as_json),
    )
    parity = found.parity
    if parity.precision == "int8" and (speed := parity.speed) is not None and speed.slower:
        print(
            f"int8 is slower than full precision on this machine: {speed.milliseconds:.1f} ms a picture in place of "
            f"{speed.f32_milliseconds:.1f}. Take it for its size alone, or another format",
            file=sys.stderr,
        )
    if as_json:
        print_json(parity.model_dump(mode="json") | {"folder": str(found.folder)})
        return
    low, high = parity.difference_ci95
    print(
        f"{parity.same_answers:,} of {count(parity.photos, f'{parity.split} photo')} got the same answer, no "
        f"probability differs by more than {parity.largest_difference:.1e}; right {percent(parity.export_correct)}, "
        f"of the run {percent(parity.run_correct)} (difference {100 * parity.difference:+.1f} points, 95 % interval "
        f"{100 * low:.1f} to {100 * high:.1f})"
    )
    if parity.missing:
        print(
            f"{parity.missing:,} of the run's {parity.photos + parity.missing:,} {parity.split} photos were not found, "
            "and nothing was compared on them"
        )
    if (page := parity.page) is not None:
        print(
            f"in {page.browser} the page gave {page.same_answers:,} of {count(page.photos, 'photo file')} the same "
            f"answer, and no probability differs by more than {page.largest_difference:.2g}"
        )
    elif found.contract.exported_as == "web":
        print(
            "the page was opened in no browser: its model was checked by ONNX Runtime in Python. BUDWOOD_CHROMIUM "
            "names a Chromium or Chrome"
        )
    if (far := parity.distance) is not None:
        print(
            f"none of these: the same for {far.same_side:,} of them, said of {percent(far.export_beyond)}, by the run "
            f"of {percent(far.run_beyond)}"
        )
    default = parity.runtime_default
    if default is not None and default.precision != "f32":
        print(
            f"told no precision, the runtime takes {default.precision} on this processor: {default.same_answers:,} get "
            f"the same answer, and a probability differs by up to {default.largest_difference:.2g}"
        )
    if (speed := parity.speed) is not None:
        print(
            f"{speed.milliseconds:.1f} ms a picture on this machine, at full precision {speed.f32_milliseconds:.1f}; "
            f"{speed.megabytes:.1f} MB, at full precision {speed.f32_megabytes:.1f}"
        )
    print(shown(found.folder))

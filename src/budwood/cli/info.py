"""Commands to look around: backbones, recipes, the cache, this machine."""

from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.options import AsJson, app, print_json
from budwood.core.tensorflow import load_keras
from budwood.core.text import count, shown

if TYPE_CHECKING:
    from budwood.backbones.backbone import Backbone
    from budwood.features.store.shared import SharedUsage

cache_app = typer.Typer(help="What is kept so that nothing is computed twice.", rich_markup_mode=None)
app.add_typer(cache_app, name="cache")


@app.command()
def backbones(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Only these, and where their weights are.")
    ] = None,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Time each at its own size on this machine, with random weights."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the pretrained networks: size, accuracy, what each is good for, and whether its weights are here."""
    from budwood.backbones.registry import BACKBONES, get_backbone

    entries = [get_backbone(name) for name in names or BACKBONES]
    rows = [
        {
            "name": entry.name,
            "family": entry.family,
            "parameters": entry.parameters,
            "size": entry.size,
            "imagenet_top1": entry.imagenet_top1,
            "weights": str(entry.where()),
            "weights_here": entry.pretrained.is_here(),
            "best_for": entry.best_for,
        }
        for entry in entries
    ]
    if not as_json:
        time = f"{'time':>10}" * measure
        print(f"{'name':<20}{'parameters':>11}{'size':>8}{'ImageNet':>10}{'weights':>9}{time}  good for")
    for entry, row in zip(entries, rows, strict=True):
        time = ""
        if measure:
            row["ms_per_image"] = round(_milliseconds(entry), 2)
            time = f"{row['ms_per_image']:>7.1f} ms"
        if as_json:
            continue
        top1 = "-" if entry.imagenet_top1 is None else f"{entry.imagenet_top1} %"
        print(
            f"{entry.name:<20}{entry.parameters / 1e6:>9.1f} M{entry.size:>5} px{top1:>10}"
            f"{'here' if row['weights_here'] else '-':>9}{time}  {entry.best_for}",
            flush=True,
        )
        if names:
            print(f"    weights: {shown(row['weights'])}")
    if as_json:
        print_json(rows)
    elif not names:
        print(
            "ImageNet: published top-1. Weights that are not here are fetched on first use; NAME says from where."
        )


def _milliseconds(backbone: "Backbone") -> float:
    load_keras()
    from budwood.features.engines.engine import milliseconds_per_picture
    from budwood.features.extractor import with_pooling

    return milliseconds_per_picture(with_pooling(backbone.build(weights="random"), "avg"))


class RecipeAction(StrEnum):
    SHOW = "show"
    COPY = "copy"


@app.command()
def recipes(
    action: Annotated[RecipeAction | None, typer.Argument(help="What to do with NAME.")] = None,
    name: Annotated[
        str | None, typer.Argument(help="A shipped recipe; with show, a recipe file too.")
    ] = None,
    file: Annotated[Path | None, typer.Argument(help="Where to copy it; by default NAME.toml.")] = None,
    resolved: Annotated[
        bool,
        typer.Option(
            "--resolved", help="The whole of it: with what it extends, and the default of every key."
        ),
    ] = False,
) -> None:
    """List the shipped recipes; show one, or copy it to change it and give it to --recipe."""
    from budwood.config.loading import shipped_recipes
    from budwood.core.errors import RecipeError, did_you_mean
    from budwood.core.files import write_text

    if action is None:
        if resolved:
            raise typer.BadParameter("--resolved goes with show NAME or copy NAME")
        for shipped, text in shipped_recipes().items():
            print(f"{shipped:<28}{text.splitlines()[0].removeprefix('#').strip()}")
        return
    if name is None or (action is RecipeAction.SHOW and file is not None):
        raise typer.BadParameter(
            f"expected {'show NAME' if action is RecipeAction.SHOW else 'copy NAME [FILE]'}"
        )
    if action is RecipeAction.SHOW:
        print(_recipe_text(name, resolved), end="")
        return
    if name not in shipped_recipes():
        raise RecipeError(
            f"no shipped recipe `{name}`.{did_you_mean(name, shipped_recipes())} "
            f"There are: {', '.join(shipped_recipes())}"
        )
    text = _recipe_text(name, resolved)
    path = file or Path(f"{name}.toml")
    if path.exists():
        raise RecipeError(f"{path} exists. Give another file name")
    if not path.parent.is_dir():
        raise RecipeError(f"there is no folder {path.parent}. Make it, or give a file in another one")
    write_text(path, text)
    print(shown(path))


def _recipe_text(name: str, resolved: bool) -> str:
    """Return a recipe as it is written; or its opening comment and the value of every key."""
    from budwood.config.loading import read_layers
    from budwood.config.recipe import Recipe

    layer = read_layers(name)[-1]
    if not resolved:
        return layer.text
    comment = takewhile(lambda line: line.startswith("#"), layer.text.splitlines())
    return "\n".join([*comment, Recipe.load(name).to_toml()])


@cache_app.command("info")
def cache_info(as_json: AsJson = False) -> None:
    """Show what the feature store holds: on this machine, and at BUDWOOD_STORE where that is set."""
    from budwood.core.cache import DATA, GRAPHS, WEB, part_bytes
    from budwood.features.store.shared import shared_usage
    from budwood.features.store.store import FeatureStore

    store = FeatureStore()
    info, graphs, data, web = store.info(), part_bytes(GRAPHS), part_bytes(DATA), part_bytes(WEB)
    shared = {} if store.shared is None else shared_usage(store.shared)
    if as_json:
        at = {} if store.shared is None else {"place": str(store.shared), "fingerprints": _usage_json(shared)}
        print_json({**info, "graphs": graphs, "data": data, "web": web, "shared": at or None})
        return
    print(
        f"folder  {info['folder']}\nsize    {info['total'] / 1e6:,.1f} MB of at most {info['limit'] / 1e9:,.1f} GB"
    )
    print(f"graphs  {graphs / 1e6:,.1f} MB")
    if data:
        print(
            f"data    {data / 1e6:,.1f} MB of pictures unpacked from data sets and files (cache clear --data)"
        )
    if web:
        print(f"web     {web / 1e6:,.1f} MB of ONNX Runtime Web (cache clear --data)")
    for part in info["fingerprints"]:
        size = f"{part['rows']:>8,} rows  {part['bytes'] / 1e6:>10,.1f} MB"
        print(f"{part['fingerprint']}  {size}  last used {part['last_used']}{'  in use' * part['in_use']}")
    if store.shared is not None:
        total = sum(usage.bytes for usage in shared.values())
        print(f"store   {store.shared}\nsize    {total / 1e6:,.1f} MB, shared with other machines")
        for fingerprint, usage in sorted(shared.items()):
            print(f"{fingerprint}  {count(usage.shards, 'shard')}  {usage.bytes / 1e6:>10,.1f} MB")


def _usage_json(shared: "dict[str, SharedUsage]") -> list[dict[str, object]]:
    return [
        {"fingerprint": fingerprint, "bytes": usage.bytes, "shards": usage.shards}
        for fingerprint, usage in sorted(shared.items())
    ]


@cache_app.command("clear")
def cache_clear(
    data: Annotated[
        bool,
        typer.Option(
            "--data",
            help="Pictures unpacked from data sets and files, and the runtime of pages for the browser, too; let no "
            "training read them meanwhile.",
        ),
    ] = False,
) -> None:
    """Remove every stored feature and graph that is not in use from this machine; it can all be computed again."""
    from budwood.core.cache import DATA, FONTS, GRAPHS, WEB, clear_part
    from budwood.features.store.store import FeatureStore

    store = FeatureStore()
    parts = (GRAPHS, FONTS, DATA, WEB) if data else (GRAPHS, FONTS)
    freed = store.clear() + sum(map(clear_part, parts))
    stays = "" if store.shared is None else f"; what lies at {store.shared} stays there"
    print(f"{freed / 1e6:,.1f} MB freed{stays}")


@app.command()
def doctor(
    as_json: AsJson = False,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="auto|HOST:PORT",
            help="Look at this Ray cluster too. [default: the one that RAY_ADDRESS names]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say whether this machine has what Budwood needs; exit status 1 where it does not."""
    from budwood.cli.doctor import examine

    load_keras()
    findings = examine(cluster)
    if as_json:
        print_json([finding.__dict__ for finding in findings])
    else:
        for finding in findings:
            print(f"{'ok ' if finding.ok else 'BAD'}  {finding.what:<16}{finding.detail}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)

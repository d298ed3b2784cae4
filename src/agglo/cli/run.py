"""`agglo run RECIPE` and the verbs that stop after one of its stages."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agglo.core.share import Share

RecipeFile = Annotated[Path, typer.Argument(help="a YAML file, such as those in the folder `recipes`")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]…", help="changes, such as distill.steps=100")
]

VERBS = {
    "distill": "Everything up to the distilled student.",
    "align": "Everything up to the aligned model.",
    "evaluate": "Everything up to the tables.",
}


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command(
        "run", help="Everything, from frames to a report. Goes on where it stopped; done stages are skipped."
    )(run)
    app.command(
        "extract",
        help="Make the dataset if need be, and let the teachers look at it. Several processes may "
        "share it: start it under torchrun or srun, or give each its --rank and the --world.",
    )(extract)
    for last, text in VERBS.items():
        app.command(last, help=text)(_verb(last))


def run(
    recipe: RecipeFile,
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be done and what is missing")
    ] = False,
) -> None:
    """Run all stages of a recipe."""
    if dry_run:
        _dry_run(recipe, overrides)
    else:
        _run(recipe, overrides, last="report")


def extract(
    recipe: RecipeFile,
    overrides: Overrides = None,
    rank: Annotated[int | None, typer.Option(help="number of this process, from 0")] = None,
    world: Annotated[int | None, typer.Option(help="how many processes share the extraction")] = None,
    ray: Annotated[
        int, typer.Option(min=0, metavar="WORKERS", help="extract by so many workers of a Ray cluster")
    ] = 0,
) -> None:
    """Run a recipe up to the features, or this process's share of them."""
    from agglo.recipes.workers import share_of

    share = share_of(os.environ, rank=rank, world=world)
    _run(recipe, overrides, last="extract", share=share, ray_workers=ray)


def _verb(last: str) -> Callable[..., None]:
    def command(recipe: RecipeFile, overrides: Overrides = None) -> None:
        _run(recipe, overrides, last=last)

    return command


def _run(
    path: Path, overrides: list[str] | None, *, last: str, share: "Share | None" = None, ray_workers: int = 0
) -> None:
    from agglo.cli.progress import show
    from agglo.config.load import load_recipe
    from agglo.recipes.run import run as run_recipe
    from agglo.recipes.workers import share_of

    recipe = load_recipe(path, overrides or [])
    began = time.monotonic()
    share = share or share_of(os.environ)
    done = run_recipe(recipe, last=last, tell=show, share=share, ray_workers=ray_workers)
    if last == "extract" and not share.is_all:
        print(f"{recipe.out}: {_shared(recipe.features, share)}")
    elif share.rank > 0:
        return  # the first one has something to say
    elif not done:
        print(f"{recipe.out}: everything is done already, up to {last}; nothing to do")
    else:
        print(f"{recipe.out}: {', '.join(done)} done in {time.monotonic() - began:.0f} s")
    table = recipe.out / "evaluate" / "table.md"
    if last in {"evaluate", "report"} and table.exists():
        print("\n" + table.read_text(encoding="utf-8"))
    if last == "report":
        print(f"report: {recipe.out / 'report.html'}")


def _shared(store: Path, share: "Share") -> str:
    """Return what one of several processes has to say at its end."""
    from agglo.recipes.store import store_info

    left = sum(column["missing_blocks"] for column in store_info(store)["columns"])
    others = f"{left} blocks are left to others" if left else "everything is extracted"
    return f"process {share.rank} of {share.world} has done its share; {others}"


def _dry_run(path: Path, overrides: list[str] | None) -> None:
    from agglo.config.load import load_recipe
    from agglo.recipes.dry_run import explain

    print(explain(load_recipe(path, overrides or [])))

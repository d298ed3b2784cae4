"""`agglo run RECIPE` and the verbs that stop after one of its stages."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

RecipeFile = Annotated[Path, typer.Argument(help="a YAML file, such as those in the folder `recipes`")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]…", help="changes, such as distill.steps=100")
]

VERBS = {
    "extract": "Make the dataset if need be, and let the teachers look at it.",
    "distill": "Everything up to the distilled student.",
    "align": "Everything up to the aligned model.",
    "evaluate": "Everything up to the tables.",
}


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command(
        "run", help="Everything, from frames to a report. Goes on where it stopped; done stages are skipped."
    )(run)
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


def _verb(last: str) -> Callable[..., None]:
    def command(recipe: RecipeFile, overrides: Overrides = None) -> None:
        _run(recipe, overrides, last=last)

    return command


def _run(path: Path, overrides: list[str] | None, *, last: str) -> None:
    from agglo.cli.progress import show
    from agglo.config.load import load_recipe
    from agglo.recipes.run import run as run_recipe

    recipe = load_recipe(path, overrides or [])
    began = time.monotonic()
    done = run_recipe(recipe, last=last, tell=show)
    if not done:
        print(f"{recipe.out}: everything is done already, up to {last}; nothing to do")
    else:
        print(f"{recipe.out}: {', '.join(done)} done in {time.monotonic() - began:.0f} s")
    table = recipe.out / "evaluate" / "table.md"
    if last in {"evaluate", "report"} and table.exists():
        print("\n" + table.read_text(encoding="utf-8"))
    if last == "report":
        print(f"report: {recipe.out / 'report.html'}")


def _dry_run(path: Path, overrides: list[str] | None) -> None:
    from agglo.config.load import load_recipe
    from agglo.recipes.dry_run import explain

    print(explain(load_recipe(path, overrides or [])))
